//! Pieces become lines again.

use crate::cri::{Line, Stream};

/// A joined line longer than this comes in several messages.
pub const MAX_MESSAGE: usize = 1 << 20;

/// One line as the process wrote it, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Stamp of its first piece, in nanoseconds since 1970.
    pub stamp_nanos: i64,
    /// What it was written to.
    pub stream: Stream,
    /// fleet says this, not the process.
    pub notice: bool,
    /// The line goes on in the next message of the stream, or was never ended.
    pub partial: bool,
    /// The message before of this stream was partial and this goes on with it.
    pub continues: bool,
    /// The bytes, without the newline.
    pub text: Vec<u8>,
}

/// Joins the pieces of each stream, which may stand between those of the other.
#[derive(Debug, Default)]
pub struct Joiner {
    streams: [Open; 2],
}

/// A line of one stream whose end has not come.
#[derive(Debug, Default)]
struct Open {
    text: Vec<u8>,
    stamp: Option<i64>,
    /// A part of the line was handed out.
    continues: bool,
}

impl Joiner {
    /// Takes one piece and answers with what is complete by it, or too long to hold.
    pub fn push(&mut self, line: &Line<'_>) -> Option<Message> {
        if line.notice {
            let whole = Open { stamp: Some(line.stamp_nanos), ..Open::default() };
            return Some(whole.message(line.stream, true, false, line.text.to_vec()));
        }
        let open = &mut self.streams[line.stream as usize];
        open.stamp.get_or_insert(line.stamp_nanos);
        open.text.extend_from_slice(line.text);
        if !line.partial {
            return Some(std::mem::take(open).whole(line.stream));
        }
        (open.text.len() >= MAX_MESSAGE).then(|| open.part(line.stream, true))
    }

    /// Hands out what is held of lines without an end, older first.
    pub fn flush(&mut self) -> Vec<Message> {
        let mut parts = Vec::new();
        for (stream, open) in [Stream::Stdout, Stream::Stderr].into_iter().zip(&mut self.streams) {
            if open.stamp.is_some() {
                parts.push(open.part(stream, false));
            }
        }
        parts.sort_by_key(|m| m.stamp_nanos);
        parts
    }

    /// As [`Joiner::flush`], where what follows does not go on with it: another attempt wrote it.
    pub fn cut(&mut self) -> Vec<Message> {
        let parts = self.flush();
        *self = Joiner::default();
        parts
    }

    /// What is held, for another joiner to go on with.
    pub fn held(&self) -> Vec<Message> {
        let streams = [Stream::Stdout, Stream::Stderr].into_iter().zip(&self.streams);
        let held = streams.filter(|(_, open)| open.stamp.is_some() || open.continues);
        held.map(|(stream, open)| open.message(stream, false, true, open.text.clone())).collect()
    }

    /// Goes on with what another held.
    pub fn go_on_with(&mut self, held: Message) {
        let Message { stamp_nanos, continues, text, .. } = held;
        let stamp = (!continues || !text.is_empty()).then_some(stamp_nanos);
        self.streams[held.stream as usize] = Open { text, stamp, continues };
    }

    /// Whether a line without an end is held.
    pub fn holds(&self) -> bool {
        self.streams.iter().any(|open| open.stamp.is_some())
    }
}

impl Open {
    fn message(&self, stream: Stream, notice: bool, partial: bool, text: Vec<u8>) -> Message {
        let stamp_nanos = self.stamp.unwrap_or_default();
        Message { stamp_nanos, stream, notice, partial, continues: self.continues, text }
    }

    fn whole(mut self, stream: Stream) -> Message {
        let text = std::mem::take(&mut self.text);
        self.message(stream, false, false, text)
    }

    /// What is held; with `to_go_on` not the beginning of a character that is to be completed.
    fn part(&mut self, stream: Stream, to_go_on: bool) -> Message {
        let end = if to_go_on { whole_characters(&self.text) } else { self.text.len() };
        let rest = self.text.split_off(end);
        let text = std::mem::replace(&mut self.text, rest);
        let message = self.message(stream, false, true, text);
        self.continues = true;
        self.stamp = (!self.text.is_empty()).then_some(message.stamp_nanos);
        message
    }
}

/// The length without a UTF-8 character that is cut off at the end.
fn whole_characters(text: &[u8]) -> usize {
    let from = text.len().saturating_sub(4);
    let start =
        text[from..].iter().rposition(|&b| b & 0xC0 != 0x80).map_or(text.len(), |at| from + at);
    match std::str::from_utf8(&text[start..]) {
        Err(e) if e.error_len().is_none() => start,
        _ => text.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn piece(stream: Stream, partial: bool, text: &[u8]) -> Line<'_> {
        Line { stamp_nanos: 1, stream, partial, notice: false, text }
    }

    #[test]
    fn streams_do_not_mix() {
        let mut joiner = Joiner::default();
        assert_eq!(joiner.push(&piece(Stream::Stdout, true, b"out ")), None);
        assert_eq!(joiner.push(&piece(Stream::Stderr, true, b"err ")), None);
        let notice = Line { notice: true, ..piece(Stream::Stdout, false, b"said") };
        assert!(joiner.push(&notice).unwrap().notice);
        assert_eq!(joiner.push(&piece(Stream::Stderr, false, b"b")).unwrap().text, b"err b");
        assert_eq!(joiner.push(&piece(Stream::Stdout, false, b"a")).unwrap().text, b"out a");
        assert!(!joiner.holds());
    }

    #[test]
    fn what_is_flushed_goes_on() {
        let mut joiner = Joiner::default();
        joiner.push(&piece(Stream::Stdout, true, b"half"));
        let half = joiner.flush().remove(0);
        assert!(half.partial && !half.continues);
        assert!(joiner.flush().is_empty());
        let rest = joiner.push(&piece(Stream::Stdout, false, b"")).unwrap();
        assert!(!rest.partial && rest.continues && rest.text.is_empty());
        joiner.push(&piece(Stream::Stdout, true, b"never ended"));
        assert_eq!(joiner.cut().len(), 1);
        assert!(!joiner.push(&piece(Stream::Stdout, false, b"new")).unwrap().continues);
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let mut joiner = Joiner::default();
        let text = "é".repeat(MAX_MESSAGE);
        let mut messages = Vec::new();
        for chunk in text.as_bytes().chunks(16_001) {
            messages.extend(joiner.push(&piece(Stream::Stdout, true, chunk)));
        }
        messages.extend(joiner.push(&piece(Stream::Stdout, false, b"")));
        let mut joined = String::new();
        for message in &messages {
            assert!(message.text.len() < MAX_MESSAGE + 16_001);
            joined += std::str::from_utf8(&message.text).unwrap();
        }
        assert_eq!(joined, text);
        assert!(messages.iter().rev().skip(1).all(|m| m.partial) && messages.len() > 1);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_come_back(
            pieces in proptest::collection::vec((any::<bool>(), any::<bool>(), any::<Vec<u8>>()), 0..20),
            flushes: u32,
            moves: u32,
        ) {
            let mut joiner = Joiner::default();
            let (mut wanted, mut got) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
            let mut take = |message: Message| {
                let out = &mut got[message.stream as usize];
                out.extend(message.text);
                if !message.partial {
                    out.push(b'\n');
                }
            };
            for (at, (err, partial, text)) in pieces.iter().enumerate() {
                let stream = if *err { Stream::Stderr } else { Stream::Stdout };
                wanted[stream as usize].extend_from_slice(text);
                if !partial {
                    wanted[stream as usize].push(b'\n');
                }
                joiner.push(&piece(stream, *partial, text)).into_iter().for_each(&mut take);
                if moves >> at & 1 == 1 {
                    let held = std::mem::take(&mut joiner).held();
                    held.into_iter().for_each(|message| joiner.go_on_with(message));
                }
                if flushes >> at & 1 == 1 {
                    joiner.flush().into_iter().for_each(&mut take);
                }
            }
            joiner.flush().into_iter().for_each(&mut take);
            prop_assert_eq!(got, wanted);
        }
    }
}
