//! Pressure stall information: the forms of `/proc/pressure/{cpu,memory,io}`.

/// How much of the time threads waited for one resource.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressure {
    /// At least one thread waited.
    pub some: Stall,
    /// All that could have run waited; of the CPU that makes no sense for a whole machine.
    pub full: Option<Stall>,
}

/// Time that was waited.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stall {
    /// Percent of the last ten seconds.
    pub percent: f64,
    /// Microseconds since boot.
    pub micros: u64,
}

impl Pressure {
    /// Reads the text of one of the files.
    pub fn parse(text: &[u8]) -> Option<Pressure> {
        let text = std::str::from_utf8(text).ok()?;
        let line = |name| text.lines().find_map(|line| line.strip_prefix(name)).and_then(stall);
        Some(Pressure { some: line("some ")?, full: line("full ") })
    }
}

fn stall(line: &str) -> Option<Stall> {
    let field = |name| line.split_ascii_whitespace().find_map(|field| field.strip_prefix(name));
    let percent = field("avg10=")?.parse().ok().filter(|n: &f64| n.is_finite())?;
    Some(Stall { percent, micros: field("total=")?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_kernels_own_text_is_read() {
        let text = b"some avg10=0.40 avg60=0.78 avg300=1.39 total=7251\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=3\n";
        let some = Stall { percent: 0.4, micros: 7251 };
        let full = Some(Stall { percent: 0.0, micros: 3 });
        assert_eq!(Pressure::parse(text), Some(Pressure { some, full }));
        assert_eq!(Pressure::parse(b"some avg10=0.40 total=7\n").unwrap().full, None);
        assert_eq!(Pressure::parse(b"some avg10=inf total=7\n"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Pressure::parse(&bytes);
        }
    }
}
