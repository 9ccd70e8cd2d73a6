//! What a Python traceback says.

use crate::shape::Told;
use crate::traceback::Frame;

use super::{GROUP_HEADER, HEADER, is_chain, is_error};

/// The last error of a chain: it is the one that was raised in the end.
pub(super) fn read(lines: &[String]) -> Told {
    let mut told = Told::default();
    let mut behind = Behind::Nothing;
    for line in lines {
        let Some(line) = outer(line) else { continue };
        if line.ends_with(HEADER) || line.ends_with(GROUP_HEADER) {
            told = Told::default();
            behind = Behind::Header { indent: line.len() - line.trim_start().len() };
        } else if let Some(frame) = frame(line) {
            if matches!(behind, Behind::Nothing) {
                behind = Behind::Header { indent: 0 };
            }
            told.frames.push(frame);
        } else if is_chain(line.as_bytes()) {
            behind = Behind::Nothing;
        } else if behind.names_error(line) {
            told.set_error(line.trim_start());
            behind = Behind::Error;
        } else if matches!(behind, Behind::Error) && !line.is_empty() && line != "\"\"\"" {
            told.say(line);
        }
    }
    told
}

#[derive(Clone, Copy)]
enum Behind {
    Nothing,
    Header { indent: usize },
    Error,
}

impl Behind {
    fn names_error(self, line: &str) -> bool {
        let Behind::Header { indent } = self else { return false };
        line.get(indent..).is_some_and(|rest| !rest.starts_with(' ') && is_error(rest.as_bytes()))
    }
}

/// A line without the bar of a group; `None` where it is of a group's member.
fn outer(line: &str) -> Option<&str> {
    let bare = line.trim_start();
    let indent = line.len() - bare.len();
    match bare.strip_prefix('|') {
        Some(rest) if indent == 2 => Some(rest.strip_prefix(' ').unwrap_or(rest)),
        Some(_) if indent > 2 => None,
        _ if bare.starts_with("+-") => None,
        _ if bare.starts_with("+ ") => bare.strip_prefix("+ "),
        _ => Some(line),
    }
}

/// `File "x.py", line 3, in f`; faulthandler has no comma before `in`.
pub(super) fn frame(line: &str) -> Option<Frame> {
    let (file, rest) = line.trim_start().strip_prefix("File \"")?.split_once("\", line ")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, rest) = rest.split_at(digits);
    let function = rest.trim_start_matches(',').strip_prefix(" in ");
    Some(Frame {
        function: function.map(str::to_owned),
        file: Some(file.to_owned()),
        line: number.parse().ok(),
    })
}
