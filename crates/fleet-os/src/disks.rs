//! Traffic of block devices: the form of `/proc/diskstats`.

/// What a block device did since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// Major and minor number.
    pub device: (u32, u32),
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Milliseconds in which something was under way; the kernel counts them in 32 bits.
    pub busy_millis: u64,
}

/// Sectors are of this size there, whatever those of the device are (linux/types.h).
const SECTOR: u64 = 512;

/// Reads the text of /proc/diskstats; lines of another form are passed over.
pub fn parse_disks(text: &[u8]) -> impl Iterator<Item = DiskUse> {
    text.split(|&b| b == b'\n').filter_map(|line| {
        let mut fields = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
        let device = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        // The name, then reads, merged reads, sectors read, time; the same of writes; requests
        // in flight, time with any.
        let mut number = |skip: usize| fields.nth(skip)?.parse::<u64>().ok();
        let (read, written, busy_millis) = (number(3)?, number(3)?, number(2)?);
        let bytes = |sectors: u64| sectors.saturating_mul(SECTOR);
        Some(DiskUse { device, read_bytes: bytes(read), write_bytes: bytes(written), busy_millis })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sectors_become_bytes() {
        let text = b" 254       0 vda 4840026 535053 748289322 32250486 719829 1207982 338815064 2948485 0 1133920 35396039 1591193 240 316988040 195164 11965 1903\n   7 0 loop0 0\n";
        let expected = DiskUse {
            device: (254, 0),
            read_bytes: 748_289_322 * 512,
            write_bytes: 338_815_064 * 512,
            busy_millis: 1_133_920,
        };
        assert_eq!(parse_disks(text).collect::<Vec<_>>(), [expected]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in "[0-9a-z \\n]{0,200}") {
            let _ = (parse_disks(&bytes).count(), parse_disks(text.as_bytes()).count());
        }
    }
}
