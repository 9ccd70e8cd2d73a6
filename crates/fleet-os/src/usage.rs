//! What one process uses: the forms of the files under `/proc/<pid>`.

/// Storage traffic of a process and of the children that it waited for: proc_pid_io(5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Io {
    /// Bytes that had to be fetched from storage.
    pub read_bytes: u64,
    /// Bytes that it caused to be sent to storage, when it dirtied the pages.
    pub write_bytes: u64,
}

/// Sizes of a process summed over its mappings: `/proc/<pid>/smaps_rollup`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rollup {
    /// Bytes, a page that n processes share counting as one n-th.
    pub proportional_bytes: u64,
    /// Bytes swapped out, shared pages in proportion.
    pub swap_bytes: u64,
}

/// The resident pages in proc_pid_statm(5), its second number.
pub(crate) fn parse_statm(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The text of proc_pid_io(5).
pub(crate) fn parse_io(text: &[u8]) -> Option<Io> {
    Some(Io {
        read_bytes: value_of(text, b"read_bytes:")?,
        write_bytes: value_of(text, b"write_bytes:")?,
    })
}

/// The text of smaps_rollup; a kernel thread has an empty one and counts as unknown.
pub(crate) fn parse_rollup(text: &[u8]) -> Option<Rollup> {
    let proportional_bytes = kib(text, b"Pss:")?;
    // Kernels without swap leave the line out.
    let swap_bytes = kib(text, b"SwapPss:").or_else(|| kib(text, b"Swap:")).unwrap_or(0);
    Some(Rollup { proportional_bytes, swap_bytes })
}

/// The swapped-out bytes in proc_pid_status(5).
pub(crate) fn parse_status_swap(text: &[u8]) -> Option<u64> {
    kib(text, b"VmSwap:")
}

/// The bytes of a line `Name:   12 kB`.
pub(crate) fn kib(text: &[u8], name: &[u8]) -> Option<u64> {
    value_of(text, name)?.checked_mul(1024)
}

/// The first number behind this name at the start of a line.
pub(crate) fn value_of(text: &[u8], name: &[u8]) -> Option<u64> {
    let rest = text.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(name))?;
    std::str::from_utf8(rest).ok()?.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_kernels_own_texts_are_read() {
        assert_eq!(parse_statm(b"1542 497 433 9 0 124 0\n"), Some(497));
        let io = b"rchar: 9\nwchar: 8\nsyscr: 7\nsyscw: 6\nread_bytes: 5\nwrite_bytes: 4\ncancelled_write_bytes: 3\n";
        assert_eq!(parse_io(io), Some(Io { read_bytes: 5, write_bytes: 4 }));
        let rollup = b"55e0-7ffc ---p 00000000 00:00 0  [rollup]\nRss:  1960 kB\nPss:  93 kB\nPss_Dirty: 88 kB\nSwap:  8 kB\nSwapPss:  4 kB\n";
        let expected = Rollup { proportional_bytes: 93 << 10, swap_bytes: 4 << 10 };
        assert_eq!(parse_rollup(rollup), Some(expected));
        assert_eq!(parse_status_swap(b"Name:\tsh\nVmSwap:\t      12 kB\n"), Some(12 << 10));
    }

    #[test]
    fn what_is_missing_is_unknown_and_not_zero() {
        assert_eq!(parse_statm(b""), None);
        assert_eq!(parse_io(b"read_bytes: 5\n"), None);
        assert_eq!(parse_rollup(b""), None);
        assert_eq!(parse_status_swap(b"Name:\tkthreadd\n"), None);
        // A number too large for its unit is no number.
        assert_eq!(kib(b"Pss: 18446744073709551615 kB", b"Pss:"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (parse_statm(&bytes), parse_io(&bytes), parse_rollup(&bytes));
            let _ = parse_status_swap(&bytes);
        }
    }
}
