//! What a process says of itself by sd_notify(3).
//!
//! `MAINPID=` is passed over: the main process is the one that was started. So are descriptors that
//! are to be stored (`FDSTORE=1`). Those that come with a message are closed by the kernel as it is
//! read, which is what whoever says `BARRIER=1` waits for: all that was said before was read before.

use std::os::unix::net::UnixDatagram;

/// One thing that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// `READY=1`.
    Ready,
    /// `STATUS=…`.
    Status(String),
    /// `WATCHDOG=1`: it lives.
    Watchdog,
    /// `WATCHDOG=trigger`: it knows that it is not well.
    Trigger,
    /// `WATCHDOG_USEC=…`: within so many nanoseconds it is going to report.
    WatchdogEvery(u64),
    /// `STOPPING=1`.
    Stopping,
    /// `RELOADING=1`.
    Reloading,
    /// `EXTEND_TIMEOUT_USEC=…`: it needs so many nanoseconds more.
    Extend(u64),
}

/// Longest status that is kept, in bytes.
const MAX_STATUS: usize = 256;

/// Reads all that waits in the socket; at most a hundred messages, lest a flood of them starve
/// the rest.
pub(crate) fn read(socket: &UnixDatagram) -> Vec<Said> {
    let mut message = [0; 1024];
    (0..100)
        .map_while(|_| socket.recv(&mut message).ok().map(|n| parse(&message[..n])))
        .flatten()
        .collect()
}

fn parse(message: &[u8]) -> Vec<Said> {
    let text = String::from_utf8_lossy(message);
    text.lines()
        .filter_map(|line| match line.split_once('=')? {
            ("READY", "1") => Some(Said::Ready),
            ("STATUS", status) => Some(Said::Status(shortened(status))),
            ("WATCHDOG", "1") => Some(Said::Watchdog),
            ("WATCHDOG", "trigger") => Some(Said::Trigger),
            ("WATCHDOG_USEC", micros) => nanos(micros).map(Said::WatchdogEvery),
            ("STOPPING", "1") => Some(Said::Stopping),
            ("RELOADING", "1") => Some(Said::Reloading),
            ("EXTEND_TIMEOUT_USEC", micros) => nanos(micros).map(Said::Extend),
            _ => None,
        })
        .collect()
}

fn nanos(micros: &str) -> Option<u64> {
    micros.parse::<u64>().ok().map(|micros| micros.saturating_mul(1000))
}

fn shortened(status: &str) -> String {
    let end = status.floor_char_boundary(MAX_STATUS);
    status[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_hold_several_words() {
        let said = parse(b"READY=1\nSTATUS=epoch 3\nMAINPID=7\ngarbage\xff\nREADY=0");
        assert_eq!(said, [Said::Ready, Said::Status("epoch 3".into())]);
        let said =
            parse(b"WATCHDOG=1\nWATCHDOG=trigger\nWATCHDOG_USEC=20\nWATCHDOG_USEC=x\nSTOPPING=1");
        assert_eq!(
            said,
            [Said::Watchdog, Said::Trigger, Said::WatchdogEvery(20_000), Said::Stopping]
        );
        let said = parse(b"RELOADING=1\nEXTEND_TIMEOUT_USEC=18446744073709551615\nFDSTORE=1");
        assert_eq!(said, [Said::Reloading, Said::Extend(u64::MAX)]);
        let long = format!("STATUS={}", "é".repeat(1000));
        assert_eq!(parse(long.as_bytes()), [Said::Status("é".repeat(128))]);
    }
}
