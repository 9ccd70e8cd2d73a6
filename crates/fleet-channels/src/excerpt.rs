//! Long texts, cut so that what matters is left: of a traceback the first line and the last.
//!
//! A summary may hold what a process printed, so that nothing here lets a control character through.

/// The text as one line of at most so many characters: of many lines the first and the last, since
/// a traceback ends with what went wrong.
pub fn line(text: &str, most: usize) -> String {
    let lines: Vec<String> = lines(text).collect();
    match lines.as_slice() {
        [] => String::new(),
        [only] => cut(only, most),
        [first, last] => ends(first, " | ", last, most),
        [first, .., last] => ends(first, " … ", last, most),
    }
}

/// The text as at most so many lines of at most so many characters: where there are more, as many
/// of the first as of the last, and between them how many were left out.
pub(crate) fn block(text: &str, most_lines: usize, most: usize) -> Vec<String> {
    let lines: Vec<String> = lines(text).map(|line| cut(&line, most)).collect();
    if lines.len() <= most_lines.max(3) {
        return lines;
    }
    let kept = most_lines.max(3) - 1;
    let (head, tail) = (kept / 2, kept - kept / 2);
    let left_out = format!("… {} lines left out …", lines.len() - kept);
    let first = lines.iter().take(head).cloned();
    let last = lines.iter().skip(lines.len() - tail).cloned();
    first.chain([left_out]).chain(last).collect()
}

/// At most so many characters of a text, with an ellipsis where some are missing.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Both ends in one line; the last has two thirds of the room, or more where the first needs less.
fn ends(first: &str, between: &str, last: &str, most: usize) -> String {
    let (first, last) = (first.trim(), last.trim());
    let room = most.saturating_sub(between.chars().count());
    let length = |text: &str| text.chars().count();
    let last = cut(last, (room * 2 / 3).max(room.saturating_sub(length(first))));
    let first = cut(first, room.saturating_sub(length(&last)));
    format!("{first}{between}{last}")
}

/// The lines that hold something, without control characters and spaces at their ends.
fn lines(text: &str) -> impl Iterator<Item = String> {
    let clean = |c: char| if c == '\t' { ' ' } else { c };
    text.lines().filter_map(move |line| {
        let line: String = line.chars().map(clean).filter(|c| !is_steering(*c)).collect();
        let line = line.trim_end();
        (!line.is_empty()).then(|| line.to_owned())
    })
}

/// Whether a character says something to a terminal or to the order of a text instead of being read.
fn is_steering(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRACEBACK: &str = "Traceback (most recent call last):\n  File \"a.py\", line 1\n    x()\n\
                             ValueError: no such batch\n";

    #[test]
    fn of_a_traceback_its_ends_are_left() {
        let short = line(TRACEBACK, 80);
        assert_eq!(short, "Traceback (most recent call last): … ValueError: no such batch");
        assert_eq!(line(TRACEBACK, 43), "Traceback (mos… … ValueError: no such batch");
        assert_eq!(line("one\ntwo", 80), "one | two");
        assert_eq!(line(" a\tb \u{1b}[31m\n", 80), " a b [31m");
    }

    #[test]
    fn a_block_says_what_it_leaves_out() {
        assert_eq!(block(TRACEBACK, 4, 80).len(), 4);
        let block = block(TRACEBACK, 3, 14);
        assert_eq!(block, ["Traceback (mo…", "… 2 lines left out …", "ValueError: n…"]);
    }

    proptest! {
        #[test]
        fn nothing_is_longer_than_asked(text in "(?s).{0,300}", most in 8usize..60) {
            let short = line(&text, most);
            prop_assert!(short.chars().count() <= most && !short.contains(char::is_control));
            let block = block(&text, 5, most);
            prop_assert!(block.len() <= 5);
            prop_assert!(block.iter().all(|line| !line.contains(char::is_control)));
        }
    }
}
