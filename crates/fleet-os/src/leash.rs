//! Children that do not outlive who waits for them.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Sees to it that the kernel kills the command when the thread that starts it ends, even by a
/// SIGKILL of the whole process (prctl(2), `PR_SET_PDEATHSIG`). So that thread has to live as long
/// as the command may.
pub fn end_with_this_thread(command: &mut Command) {
    let parent = std::process::id();
    // SAFETY: between fork and exec only async-signal-safe calls are made, and nothing is
    // allocated.
    unsafe {
        command.pre_exec(move || {
            let set = libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong);
            // Who died before the request was made kills nobody.
            match set == 0 && libc::getppid() as u32 == parent {
                true => Ok(()),
                false => Err(std::io::ErrorKind::Interrupted.into()),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PidFd;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn a_child_ends_with_the_thread_that_started_it() {
        let starter = thread::spawn(|| {
            let mut command = Command::new("sleep");
            end_with_this_thread(command.arg("600"));
            let child = command.spawn().unwrap();
            let held = PidFd::open(child.id() as i32).unwrap();
            assert!(!held.has_exited());
            (child, held)
        });
        let (mut child, held) = starter.join().unwrap();
        held.wait(Duration::from_secs(10));
        assert!(held.has_exited());
        child.wait().unwrap();
    }
}
