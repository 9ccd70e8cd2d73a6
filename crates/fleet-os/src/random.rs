//! Numbers that nobody can guess.

use std::io;

use nix::errno::Errno;

/// 32 random bytes, fit for a key (getrandom(2)).
///
/// # Errors
/// The kernel has no source of them (it has since 3.17).
pub fn random_bytes() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    // Up to 256 bytes come whole, once the kernel's source is ready, and no signal interrupts that.
    // SAFETY: the kernel writes into our array, whose length it is told.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if Errno::result(got)? as usize == bytes.len() { Ok(bytes) } else { Err(Errno::EIO.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_keys_differ() {
        assert_ne!(random_bytes().unwrap(), random_bytes().unwrap());
    }
}
