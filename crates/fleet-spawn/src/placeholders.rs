//! Names in braces that stand for what is known only when a process is made.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The text with `{name}` replaced where `value` knows the name, and `{{name}}` by a literal
/// `{name}`; any other brace stays as it is. What is put in is not looked at again.
pub(crate) fn fill_in(text: &OsStr, value: impl Fn(&str) -> Option<OsString>) -> OsString {
    let mut filled = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&b| b == b'{') {
        filled.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let known = |brace: &[u8]| value(name(brace)?).map(|value| (value, name_length(brace)));
        if rest.starts_with(b"{{")
            && let Some((_, length)) = known(&rest[1..])
            && rest.get(length + 3) == Some(&b'}')
        {
            filled.extend_from_slice(&rest[1..length + 3]);
            rest = &rest[length + 4..];
        } else if let Some((value, length)) = known(rest) {
            filled.extend_from_slice(value.as_bytes());
            rest = &rest[length + 2..];
        } else {
            filled.push(b'{');
            rest = &rest[1..];
        }
    }
    filled.extend_from_slice(rest);
    OsString::from_vec(filled)
}

/// The name in `{name}…`: small letters, digits and underscores.
fn name(brace: &[u8]) -> Option<&str> {
    let length = name_length(brace);
    (brace.get(length + 1) == Some(&b'}')).then(|| std::str::from_utf8(&brace[1..=length]).ok())?
}

fn name_length(brace: &[u8]) -> usize {
    let of_name = |b: &&u8| b.is_ascii_lowercase() || b.is_ascii_digit() || **b == b'_';
    brace[1..].iter().take_while(of_name).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(text: &str) -> String {
        let value = |name: &str| match name {
            "id" => Some("web".into()),
            "port" => Some("{id}".into()),
            _ => None,
        };
        fill_in(text.as_ref(), value).into_string().unwrap()
    }

    #[test]
    fn known_names_are_filled_in_once() {
        assert_eq!(filled("a{id}b{id}"), "awebbweb");
        assert_eq!(filled("{port}"), "{id}");
        assert_eq!(filled("{{id}}"), "{id}");
        assert_eq!(filled("{{{id}}}"), "{{id}}");
        assert_eq!(filled("{{id}"), "{web");
        assert_eq!(filled("{id}}"), "web}");
        for text in
            ["", "{", "{}", "{x}", "{ id }", "{{x}}", "awk '{print $1}'", "{i", "{\"id\": 1}"]
        {
            assert_eq!(filled(text), text);
        }
    }

    proptest! {
        #[test]
        fn what_holds_no_placeholder_stays(text in "[a-z{} ]{0,30}") {
            prop_assert_eq!(fill_in(text.as_ref(), |_| None), text.as_str());
        }

        #[test]
        fn a_doubled_brace_is_always_literal(before in "[^{}]*", after in "[^{}]*") {
            let text = format!("{before}{{{{id}}}}{after}");
            prop_assert_eq!(filled(&text), format!("{before}{{id}}{after}"));
        }
    }
}
