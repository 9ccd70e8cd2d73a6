//! What one process uses: the forms of the files under `/proc/<pid>`.

/// Storage traffic of a process and of the children that it waited for: proc_pid_io(5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Io {
    /// Bytes that had to be fetched from storage.
    pub read_bytes: u64,
    /// Bytes that it caused to be sent to storage, when it dirtied the pages.
    pub write_bytes: u64,
    /// Bytes that system calls read, wherever they came from.
    pub read_total_bytes: u64,
    /// Bytes that system calls wrote, wherever they went.
    pub write_total_bytes: u64,
}

/// Sizes of a process summed over its mappings: `/proc/<pid>/smaps_rollup`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rollup {
    /// Bytes, a page that n processes share counting as one n-th.
    pub proportional_bytes: u64,
    /// Bytes that no other process has mapped.
    pub private_bytes: u64,
    /// Bytes swapped out, shared pages in proportion.
    pub swap_bytes: u64,
}

/// What fleet asks of proc_pid_status(5). A kernel thread has no memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Resident size in bytes; as exact as `statm` has it.
    pub resident_bytes: Option<u64>,
    /// The largest resident size so far.
    pub peak_resident_bytes: Option<u64>,
    /// Bytes swapped out.
    pub swap_bytes: Option<u64>,
    /// How often the first thread waited of its own accord.
    pub voluntary_switches: Option<u64>,
    /// How often the first thread had to make way.
    pub involuntary_switches: Option<u64>,
}

/// The resident pages in proc_pid_statm(5), its second number.
pub(crate) fn parse_statm(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The first number of a line.
pub(crate) fn parse_first(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.split_ascii_whitespace().next()?.parse().ok()
}

/// The text of proc_pid_io(5).
pub(crate) fn parse_io(text: &[u8]) -> Option<Io> {
    Some(Io {
        read_bytes: value_of(text, b"read_bytes:")?,
        write_bytes: value_of(text, b"write_bytes:")?,
        read_total_bytes: value_of(text, b"rchar:")?,
        write_total_bytes: value_of(text, b"wchar:")?,
    })
}

/// The text of smaps_rollup; a kernel thread has an empty one and counts as unknown.
pub(crate) fn parse_rollup(text: &[u8]) -> Option<Rollup> {
    let proportional_bytes = kib(text, b"Pss:")?;
    // Kernels without swap leave the line out.
    let swap_bytes = kib(text, b"SwapPss:").or_else(|| kib(text, b"Swap:")).unwrap_or(0);
    let private = [b"Private_Clean:".as_slice(), b"Private_Dirty:", b"Private_Hugetlb:"];
    let private_bytes = private.iter().filter_map(|name| kib(text, name)).sum();
    Some(Rollup { proportional_bytes, private_bytes, swap_bytes })
}

/// The text of proc_pid_status(5), in one pass.
pub(crate) fn parse_status(text: &[u8]) -> Status {
    let mut status = Status::default();
    for line in text.split(|&b| b == b'\n') {
        let Some(end) = line.iter().position(|&b| b == b':') else { continue };
        let (name, number) = (&line[..end], || value_of(&line[end..], b":"));
        let bytes = || number()?.checked_mul(1024);
        match name {
            b"VmHWM" => status.peak_resident_bytes = bytes(),
            b"VmRSS" => status.resident_bytes = bytes(),
            b"VmSwap" => status.swap_bytes = bytes(),
            b"voluntary_ctxt_switches" => status.voluntary_switches = number(),
            b"nonvoluntary_ctxt_switches" => status.involuntary_switches = number(),
            _ => {}
        }
    }
    status
}

/// The soft limit of open files in proc_pid_limits(5): `Some(None)` where there is none.
pub(crate) fn parse_descriptor_limit(text: &[u8]) -> Option<Option<u64>> {
    let line = text.split(|&b| b == b'\n').find_map(|l| l.strip_prefix(b"Max open files"))?;
    match std::str::from_utf8(line).ok()?.split_ascii_whitespace().next()? {
        "unlimited" => Some(None),
        number => Some(Some(number.parse().ok()?)),
    }
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
        let expected =
            Io { read_bytes: 5, write_bytes: 4, read_total_bytes: 9, write_total_bytes: 8 };
        assert_eq!(parse_io(io), Some(expected));
        let rollup = b"55e0-7ffc ---p 00000000 00:00 0  [rollup]\nRss:  1960 kB\nPss:  93 kB\nPss_Dirty: 88 kB\nPrivate_Clean: 3 kB\nPrivate_Dirty: 40 kB\nSwap:  8 kB\nSwapPss:  4 kB\n";
        let expected =
            Rollup { proportional_bytes: 93 << 10, private_bytes: 43 << 10, swap_bytes: 4 << 10 };
        assert_eq!(parse_rollup(rollup), Some(expected));
        let limits = b"Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files\n";
        assert_eq!(parse_descriptor_limit(limits), Some(Some(1024)));
        assert_eq!(parse_descriptor_limit(b"Max open files unlimited"), Some(None));
    }

    #[test]
    fn the_status_is_read_in_one_pass() {
        let text = b"Name:\tVmRSS: 9 kB\nVmHWM:\t    60 kB\nVmRSS:\t    50 kB\nVmSwap:\t   12 kB\nnonewprivs: 1\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t3\n";
        let expected = Status {
            resident_bytes: Some(50 << 10),
            peak_resident_bytes: Some(60 << 10),
            swap_bytes: Some(12 << 10),
            voluntary_switches: Some(7),
            involuntary_switches: Some(3),
        };
        assert_eq!(parse_status(text), expected);
    }

    #[test]
    fn what_is_missing_is_unknown_and_not_zero() {
        assert_eq!(parse_statm(b""), None);
        assert_eq!(parse_io(b"read_bytes: 5\n"), None);
        assert_eq!(parse_rollup(b""), None);
        assert_eq!(parse_status(b"Name:\tkthreadd\n"), Status::default());
        assert_eq!(parse_descriptor_limit(b"Max open files"), None);
        // A number too large for its unit is no number.
        assert_eq!(kib(b"Pss: 18446744073709551615 kB", b"Pss:"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (parse_statm(&bytes), parse_io(&bytes), parse_rollup(&bytes));
            let _ = parse_first(&bytes);
            let _ = (parse_status(&bytes), parse_descriptor_limit(&bytes));
        }
    }
}
