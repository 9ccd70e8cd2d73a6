//! What is still needed of a block that was looked through.
//!
//! Of most blocks of a search only a few lines are ever looked at again. A copy of these lets the
//! thread that found them use its buffer for the next block, while the bytes are near.

use std::ops::Range;

use fleet_logfile::{cri, whole};

use super::scan::Mark;
use crate::context::Around;

/// Some lines of a block, copied.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    pub(super) bytes: Vec<u8>,
    /// Where in these bytes others were left out.
    pub(super) cuts: Vec<usize>,
    /// The lines that were found, where they stand now.
    pub(super) marks: Vec<Mark>,
}

impl Excerpt {
    /// The lines that were found, those around each, those at the beginning that may stand behind
    /// one that was found before, and those at the end, for what comes next. `None` where that is
    /// no small part, or where a line would stand without the stamp that it has from a line before.
    pub(super) fn of(
        buffer: &[u8],
        lines: Range<usize>,
        marks: &[Mark],
        around: Around,
    ) -> Option<Excerpt> {
        let ranges = ranges(&buffer[..lines.end], lines.start, marks, around)?;
        let is_stamped = |range: &Range<usize>| {
            let end = memchr::memchr(b'\n', &buffer[range.clone()]).map(|end| range.start + end);
            let line = &buffer[range.start..end.unwrap_or(range.end)];
            whole(line).is_some() || cri::parse(line).is_some()
        };
        ranges.iter().all(is_stamped).then(|| copy(buffer, lines, marks, &ranges))
    }
}

/// Which bytes are kept, in their order, whole lines apart from each other.
fn ranges(bytes: &[u8], start: usize, marks: &[Mark], around: Around) -> Option<Vec<Range<usize>>> {
    let most = (bytes.len() - start) / 2;
    let around_mark = |mark: &Mark| {
        let (begin, end) = (mark.start as usize, mark.end as usize);
        back(bytes, start, begin, around.before)..ahead(bytes, end, around.after + 1)
    };
    let head = start..ahead(bytes, start, around.after);
    // The last line tells when the block was written.
    let tail = back(bytes, start, bytes.len(), around.before.max(1))..bytes.len();
    let wanted = std::iter::once(head).chain(marks.iter().map(around_mark)).chain([tail]);
    let (mut ranges, mut kept): (Vec<Range<usize>>, _) = (Vec::new(), 0);
    for next in wanted.filter(|range| !range.is_empty()) {
        match ranges.last_mut() {
            Some(last) if next.start <= last.end => {
                kept += next.end.saturating_sub(last.end);
                last.end = last.end.max(next.end);
            }
            _ => {
                kept += next.len();
                ranges.push(next);
            }
        }
        if kept > most {
            return None;
        }
    }
    Some(ranges)
}

/// Where so many lines begin before a place that is the beginning of a line.
fn back(bytes: &[u8], start: usize, from: usize, count: usize) -> usize {
    let mut at = from;
    for _ in 0..count {
        let Some(end) = at.checked_sub(1).filter(|end| *end >= start) else { return start };
        at =
            memchr::memrchr(b'\n', &bytes[start..end]).map_or(start, |newline| start + newline + 1);
    }
    at
}

/// Where so many newlines end from a place on.
fn ahead(bytes: &[u8], from: usize, count: usize) -> usize {
    let mut at = from;
    for _ in 0..count {
        at = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |newline| at + newline + 1);
    }
    at
}

fn copy(buffer: &[u8], lines: Range<usize>, marks: &[Mark], ranges: &[Range<usize>]) -> Excerpt {
    let (mut bytes, mut cuts, mut moved) = (Vec::new(), Vec::new(), Vec::new());
    let (mut marks, mut from) = (marks.iter().peekable(), lines.start);
    for range in ranges {
        if range.start > from {
            cuts.push(bytes.len());
        }
        from = range.end;
        let left_out = (range.start - bytes.len()) as u32;
        while let Some(mark) = marks.next_if(|mark| (mark.start as usize) < range.end) {
            let (start, text, end) = (mark.start, mark.text, mark.end);
            let [start, text, end] = [start, text, end].map(|place| place - left_out);
            moved.push(Mark { start, text, end, ..*mark });
        }
        bytes.extend_from_slice(&buffer[range.clone()]);
    }
    Excerpt { bytes, cuts, marks: moved }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_logfile::Stream;

    fn line(number: usize) -> String {
        format!("2026-11-22T06:00:00.{number:09}Z stdout F line {number}\n")
    }

    fn block(lines: usize) -> String {
        (0..lines).map(line).collect()
    }

    /// The lines of an excerpt, with a bar where others were left out.
    fn excerpt(block: &str, found: &[usize], around: Around) -> Option<String> {
        let width = line(0).len();
        let mark = |at: &usize| Mark {
            start: (at * width) as u32,
            text: (at * width + width - 7) as u32,
            end: (at * width + width - 1) as u32,
            stream: Stream::Stdout,
            notice: false,
            begins: false,
            garbage: false,
            plain: true,
            stamp_nanos: *at as i64,
        };
        let marks: Vec<Mark> = found.iter().map(mark).collect();
        let excerpt = Excerpt::of(block.as_bytes(), 0..block.len(), &marks, around)?;
        for mark in &excerpt.marks {
            let text = &excerpt.bytes[mark.text as usize..mark.end as usize];
            assert_eq!(text, format!("line {}", mark.stamp_nanos).as_bytes());
        }
        assert_eq!(excerpt.marks.len(), found.len());
        let mut shown = String::new();
        for at in (0..=excerpt.bytes.len()).step_by(width) {
            shown += if excerpt.cuts.contains(&at) { "|" } else { "" };
            shown.extend(excerpt.bytes.get(at + width - 2).map(|&digit| digit as char));
        }
        Some(shown)
    }

    #[test]
    fn what_was_found_is_kept_with_what_stands_around_it() {
        let around = |before, after| Around { before, after };
        assert_eq!(excerpt(&block(10), &[], around(0, 0)).as_deref(), Some("|9"));
        assert_eq!(excerpt(&block(10), &[4], around(0, 0)).as_deref(), Some("|4|9"));
        assert_eq!(excerpt(&block(10), &[4], around(1, 0)).as_deref(), Some("|34|9"));
        assert_eq!(excerpt(&block(10), &[4], around(0, 1)).as_deref(), Some("0|45|9"));
        assert_eq!(excerpt(&block(10), &[0, 1], around(1, 1)).as_deref(), Some("012|9"));
        assert_eq!(excerpt(&block(10), &[8, 9], around(1, 0)).as_deref(), Some("|789"));
    }

    #[test]
    fn nothing_is_copied_where_most_is_needed() {
        assert_eq!(excerpt(&block(10), &[2, 4, 6], Around { before: 1, after: 1 }), None);
        assert_eq!(excerpt(&block(1), &[], Around::default()), None);
    }

    #[test]
    fn a_line_that_has_its_stamp_from_another_is_not_torn_from_it() {
        let garbage = "x".repeat(line(0).len() - 1) + "\n";
        let block = block(5) + &garbage;
        assert_eq!(excerpt(&block, &[], Around::default()), None);
        assert_eq!(excerpt(&block, &[], Around { before: 2, after: 0 }).as_deref(), Some("|4x"));
    }
}
