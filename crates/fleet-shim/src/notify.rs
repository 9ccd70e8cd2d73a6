//! What a process says of itself by sd_notify(3).

use std::os::unix::net::UnixDatagram;

/// One thing that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// `READY=1`.
    Ready,
    /// `STATUS=…`.
    Status(String),
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
            _ => None,
        })
        .collect()
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
        let long = format!("STATUS={}", "é".repeat(1000));
        assert_eq!(parse(long.as_bytes()), [Said::Status("é".repeat(128))]);
    }
}
