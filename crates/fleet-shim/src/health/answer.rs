//! The answer to a GET, read as it comes.
//!
//! Of the head only the status, `Content-Length` and `Transfer-Encoding` are kept, and of a line no
//! more than [`MAX_LINE`] bytes; the body goes into a buffer that is there only when somebody wants
//! to match it. Chunks are put together (RFC 9112, 7.1); other encodings are matched as they come,
//! since none was asked for. Redirects are not followed: a status is what it is.

use fleet_os::Pages;

/// Of a line of the head, so much is looked at.
const MAX_LINE: usize = 256;
/// Longest head, in bytes.
const MAX_HEAD: usize = 16 << 10;
/// So much of a body is matched.
pub(crate) const MAX_BODY: usize = 64 << 10;

/// An answer as far as it has come.
#[derive(Debug)]
pub(crate) struct Answer {
    part: Part,
    line: Vec<u8>,
    head_bytes: usize,
    status: u16,
    length: Option<u64>,
    chunked: bool,
    body: Option<Pages>,
    body_bytes: usize,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Status,
    Fields,
    /// So many bytes of the body.
    Body(u64),
    /// A line with the size of a chunk.
    Size,
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// Nothing that matters.
    Done,
}

impl Answer {
    /// Nothing has come yet; the body will be kept if there is a buffer for it.
    pub(crate) fn new(body: Option<Pages>) -> Answer {
        Answer {
            part: Part::Status,
            line: Vec::new(),
            head_bytes: 0,
            status: 0,
            length: None,
            chunked: false,
            body,
            body_bytes: 0,
        }
    }

    /// The status, once the whole head has come.
    pub(crate) fn status(&self) -> Option<u16> {
        (!matches!(self.part, Part::Status | Part::Fields)).then_some(self.status)
    }

    /// Whether nothing more has to come.
    pub(crate) fn is_whole(&self) -> bool {
        self.part == Part::Done
    }

    /// The beginning of the body.
    pub(crate) fn body(&self) -> &[u8] {
        self.body.as_ref().map_or(&[], |body| &body.as_slice()[..self.body_bytes])
    }

    /// Takes what came.
    ///
    /// # Errors
    /// Words for what is wrong with it.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() && self.part != Part::Done {
            let taken = match self.part {
                Part::Body(left) | Part::Chunk(left) => self.take_body(bytes, left),
                _ => {
                    self.take_of_line(bytes[0])?;
                    1
                }
            };
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    fn take_body(&mut self, bytes: &[u8], left: u64) -> usize {
        let length = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if let Some(body) = &mut self.body {
            let kept = length.min(MAX_BODY - self.body_bytes);
            let room = &mut body.as_mut_slice()[self.body_bytes..self.body_bytes + kept];
            room.copy_from_slice(&bytes[..kept]);
            self.body_bytes += kept;
        }
        let left = left - length as u64;
        let in_chunk = matches!(self.part, Part::Chunk(_));
        self.part = match left {
            _ if self.body.is_some() && self.body_bytes == MAX_BODY => Part::Done,
            0 if in_chunk => Part::ChunkEnd,
            0 => Part::Done,
            left if in_chunk => Part::Chunk(left),
            left => Part::Body(left),
        };
        length
    }

    fn take_of_line(&mut self, byte: u8) -> Result<(), String> {
        if self.status().is_none() {
            self.head_bytes += 1;
            if self.head_bytes > MAX_HEAD {
                return Err(format!("its head is longer than {} KiB", MAX_HEAD >> 10));
            }
        }
        if byte != b'\n' {
            if self.line.len() < MAX_LINE {
                self.line.push(byte);
            }
            return Ok(());
        }
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line));
        self.part = self.after(&text)?;
        Ok(())
    }

    /// What follows a line.
    fn after(&mut self, line: &str) -> Result<Part, String> {
        match self.part {
            Part::Status => {
                self.status = status(line).ok_or("what came is no answer of HTTP/1")?;
                (self.length, self.chunked) = (None, false);
                Ok(Part::Fields)
            }
            Part::Fields if line.is_empty() => Ok(self.after_head()),
            Part::Fields => {
                self.field(line);
                Ok(Part::Fields)
            }
            Part::Size => {
                let digits = line.split(';').next().unwrap_or_default().trim();
                match u64::from_str_radix(digits, 16) {
                    Ok(0) => Ok(Part::Done),
                    Ok(size) => Ok(Part::Chunk(size)),
                    Err(_) => Err("a chunk of its body has no size".to_owned()),
                }
            }
            _ => Ok(Part::Size),
        }
    }

    fn after_head(&self) -> Part {
        match self.status {
            // Something interim; the answer proper follows (RFC 9110, 15.2).
            100..=199 => Part::Status,
            204 | 304 => Part::Done,
            _ if self.chunked => Part::Size,
            // Without a length it goes on until the connection is closed.
            _ => match self.length.unwrap_or(u64::MAX) {
                0 => Part::Done,
                length => Part::Body(length),
            },
        }
    }

    fn field(&mut self, line: &str) {
        let Some((name, value)) = line.split_once(':') else { return };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            self.length = value.parse().ok();
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            self.chunked = value.to_ascii_lowercase().ends_with("chunked");
        }
    }
}

/// The status of a status line (RFC 9112, 4): `HTTP/1.1 200 OK`.
fn status(line: &str) -> Option<u16> {
    let (version, rest) = line.split_once(' ')?;
    let digits = rest.split(' ').next()?;
    let is_known = version.starts_with("HTTP/1.") && digits.len() == 3;
    digits.parse().ok().filter(|status| is_known && (100..1000).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(bytes: &[u8]) -> Answer {
        let mut answer = Answer::new(Pages::new(MAX_BODY).ok());
        answer.take(bytes).unwrap();
        answer
    }

    #[test]
    fn a_plain_answer_is_read() {
        let answer = whole(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more");
        assert_eq!(
            (answer.status(), answer.body(), answer.is_whole()),
            (Some(200), &b"hello"[..], true)
        );
        let answer = whole(b"HTTP/1.0 503 x\n\nuntil the end");
        assert_eq!((answer.status(), answer.is_whole()), (Some(503), false));
        assert_eq!(answer.body(), b"until the end");
    }

    #[test]
    fn chunks_are_put_together() {
        let answer = whole(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        );
        assert_eq!((answer.body(), answer.is_whole()), (&b"abcde"[..], true));
        let mut answer = Answer::new(None);
        let bad = answer.take(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n");
        assert!(bad.unwrap_err().contains("no size"));
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let answer =
            whole(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!((answer.status(), answer.is_whole()), (Some(204), true));
    }

    #[test]
    fn heads_and_bodies_are_bounded() {
        let mut answer = Answer::new(None);
        answer.take(b"HTTP/1.1 200 OK\r\n").unwrap();
        let endless =
            (0..100_000).try_for_each(|n| answer.take(format!("X-{n}: y\r\n").as_bytes()));
        assert!(endless.unwrap_err().contains("longer than 16 KiB"));
        let long = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 100_000]].concat();
        let answer = whole(&long);
        assert_eq!((answer.body().len(), answer.is_whole()), (MAX_BODY, true));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for line in
            ["SSH-2.0-OpenSSH_9.2", "HTTP/2 200", "HTTP/1.1 20 x", "HTTP/1.1 abc", "", "+OK"]
        {
            assert_eq!(status(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Answer::new(None).take(&bytes);
        }

        #[test]
        fn the_cuts_do_not_matter(
            text in "(HTTP/1\\.1 [0-9]{3} \r\n)?(content-length: [0-9]{1,4}\r\n|transfer-encoding: chunked\r\n){0,2}\r\n([0-9a-f]\r\n|.){0,40}",
            cuts in proptest::collection::vec(0usize..80, 0..8)
        ) {
            let bytes = text.as_bytes();
            let at_once = { let mut a = Answer::new(Pages::new(MAX_BODY).ok()); let r = a.take(bytes); (r, a.status(), a.body().to_vec(), a.is_whole()) };
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut answer = Answer::new(Pages::new(MAX_BODY).ok());
            let mut result = Ok(());
            let mut begin = 0;
            for end in cuts.into_iter().chain([bytes.len()]) {
                if result.is_ok() {
                    result = answer.take(&bytes[begin..end]);
                }
                begin = end;
            }
            prop_assert_eq!(at_once, (result, answer.status(), answer.body().to_vec(), answer.is_whole()));
        }
    }
}
