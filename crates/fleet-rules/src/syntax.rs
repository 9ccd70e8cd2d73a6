//! What CEL's parser complains of, for whoever wrote the rule.

use crate::expression::BadCondition;

/// The first complaint of CEL's parser, in our words where we know better.
pub(crate) fn syntax(text: &str, error: Option<&cel::ParseError>) -> BadCondition {
    let Some(error) = error else { return BadCondition::new(0, "this is no CEL expression") };
    let at = offset(text, error.pos.0, error.pos.1);
    let said = error.msg.trim().trim_start_matches("Syntax error: ").replace('\n', ", ");
    let message = format!("this is no CEL expression: {}", in_our_words(&said));
    let mut bad = BadCondition::new(at, message);
    bad.hint = hint(text);
    bad
}

/// The parser's commonest complaints without its lists of tokens.
fn in_our_words(said: &str) -> String {
    let quoted = said.split('\'').nth(1).unwrap_or_default().trim();
    if said.starts_with("missing") {
        format!("'{quoted}' is missing")
    } else if quoted == "<EOF>" {
        "it ends too early".to_owned()
    } else if ["mismatched", "extraneous", "token recognition"].iter().any(|w| said.starts_with(w))
    {
        format!("'{quoted}' does not fit here")
    } else {
        said.to_owned()
    }
}

/// What people write instead of CEL.
fn hint(text: &str) -> Option<String> {
    let word = |w: &str| text.split_whitespace().any(|other| other.eq_ignore_ascii_case(w));
    let single = text.replace("==", "").replace("!=", "").replace("<=", "").replace(">=", "");
    let hint = if word("and") || word("or") || word("not") {
        "write && for and, || for or, ! for not"
    } else if single.contains('=') {
        "write == to compare"
    } else {
        return None;
    };
    Some(hint.to_owned())
}

/// The byte at CEL's line and column, both from 1 and in characters.
fn offset(text: &str, line: isize, column: isize) -> usize {
    let line = usize::try_from(line - 1).unwrap_or(0);
    let column = usize::try_from(column - 1).unwrap_or(0);
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    start + char_to_byte(&text[start..], column)
}

/// The byte at which a character stands; the end where there are fewer.
pub(crate) fn char_to_byte(text: &str, chars: usize) -> usize {
    text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at)
}
