//! Texts of which a line must hold one for an expression to match it.

use regex_syntax::hir::{Class, Hir, HirKind};

/// More texts than this tell little of a line, and the next shorter choice is taken.
const MAX_TEXTS: usize = 64;

/// The branches of an expression together may ask for more.
const MAX_OF_BRANCHES: usize = 256;

/// Shorter texts are in every line.
const MIN_LENGTH: usize = 3;

/// Texts in lower case, one of which, in any case, is in each line that matches; none where the
/// expression asks for no text of its own.
pub(crate) fn required(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    best(hir).filter(|texts| worth(texts) >= MIN_LENGTH).map(|texts| shortest(&texts))
}

/// Without those that hold another: a line that has such a one has the other, too.
fn shortest(texts: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let holds = |text: &[u8], part: &[u8]| text.windows(part.len()).any(|there| there == part);
    let other = |text: &&Vec<u8>| !texts.iter().any(|t| t.len() < text.len() && holds(text, t));
    let mut kept: Vec<Vec<u8>> = texts.iter().filter(other).cloned().collect();
    kept.sort();
    kept.dedup();
    kept
}

/// How much of a line they ask for: the shortest decides.
fn worth(texts: &[Vec<u8>]) -> usize {
    texts.iter().map(Vec::len).min().unwrap_or(0)
}

fn best(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    if let Some(texts) = exact(hir) {
        return Some(texts);
    }
    match hir.kind() {
        HirKind::Concat(parts) => best_of_run(parts),
        HirKind::Capture(capture) => best(&capture.sub),
        HirKind::Repetition(repeated) if repeated.min > 0 => best(&repeated.sub),
        HirKind::Alternation(branches) => {
            let texts = branches.iter().map(best).collect::<Option<Vec<_>>>()?.concat();
            (texts.len() <= MAX_OF_BRANCHES).then_some(texts)
        }
        _ => None,
    }
}

/// The best of what parts behind each other ask for: those that are plain text make one text.
fn best_of_run(parts: &[Hir]) -> Option<Vec<Vec<u8>>> {
    let mut best_so_far: Option<Vec<Vec<u8>>> = None;
    let mut offer = |texts: Vec<Vec<u8>>| {
        if best_so_far.as_ref().is_none_or(|known| worth(&texts) > worth(known)) {
            best_so_far = Some(texts);
        }
    };
    let mut run = vec![Vec::new()];
    for part in parts {
        let longer = exact(part).and_then(|texts| behind(&run, &texts));
        match longer {
            Some(longer) => run = longer,
            None => {
                best(part).into_iter().for_each(&mut offer);
                let next = exact(part).unwrap_or_else(|| vec![Vec::new()]);
                offer(std::mem::replace(&mut run, next));
            }
        }
    }
    offer(run);
    best_so_far
}

/// All texts that match and nothing else does, if they are few.
fn exact(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let texts = match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => vec![Vec::new()],
        HirKind::Literal(literal) => vec![literal.0.to_ascii_lowercase()],
        HirKind::Class(Class::Bytes(class)) => {
            let bytes = class.iter().flat_map(|range| range.start()..=range.end());
            let few: Vec<u8> = bytes.take(9).map(|b| b.to_ascii_lowercase()).collect();
            if few.len() > 8 {
                return None;
            }
            few.into_iter().map(|byte| vec![byte]).collect()
        }
        HirKind::Capture(capture) => exact(&capture.sub)?,
        HirKind::Repetition(repeated) if (repeated.min, repeated.max) == (0, Some(1)) => {
            let mut texts = exact(&repeated.sub)?;
            texts.push(Vec::new());
            texts
        }
        HirKind::Alternation(branches) => {
            branches.iter().map(exact).collect::<Option<Vec<_>>>()?.concat()
        }
        HirKind::Concat(parts) => {
            let begin = vec![Vec::new()];
            parts.iter().try_fold(begin, |run, part| behind(&run, &exact(part)?))?
        }
        _ => return None,
    };
    few(texts)
}

/// Each of the second behind each of the first, if they are few.
fn behind(first: &[Vec<u8>], second: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    if first.len() * second.len() > MAX_TEXTS {
        return None;
    }
    let joined = first.iter().flat_map(|a| second.iter().map(move |b| [&a[..], b].concat()));
    few(joined.collect())
}

fn few(mut texts: Vec<Vec<u8>>) -> Option<Vec<Vec<u8>>> {
    texts.sort();
    texts.dedup();
    (!texts.is_empty() && texts.len() <= MAX_TEXTS).then_some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex::bytes::RegexBuilder;

    fn texts(regex: &str) -> Option<Vec<String>> {
        let mut parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build();
        let texts = required(&parser.parse(regex).unwrap())?;
        Some(texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect())
    }

    #[test]
    fn what_a_line_must_hold() {
        for (regex, expected) in [
            ("abc", Some(vec!["abc"])),
            ("(?i)Connection refused", Some(vec!["connection refused"])),
            (
                "x+ timed? ?out .*",
                Some(vec![" time out ", " timed out ", " timedout ", " timeout "]),
            ),
            ("(?:out of memory|OOM-kill)", Some(vec!["oom-kill", "out of memory"])),
            ("Failed (?P<m>\\w+) for .* from (?P<a>\\S+) port", Some(vec!["failed "])),
            ("(?:abc|\\d+)", None),
            ("\\d+ms", None),
            ("(?:abcd)?e*", None),
            ("(?:abcd)+", Some(vec!["abcd"])),
        ] {
            let expected = expected.map(|t| t.into_iter().map(str::to_owned).collect());
            assert_eq!(texts(regex), expected, "{regex}");
        }
    }

    fn expression() -> impl Strategy<Value = String> {
        let leaf =
            prop::sample::select(vec!["a", "bc", "abc", ".", "[ab]", "\\b", "c?", "(?i:aB)"])
                .prop_map(str::to_owned);
        leaf.prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                3 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                1 => prop::collection::vec(inner.clone(), 1..3)
                    .prop_map(|parts| format!("(?:{})", parts.join("|"))),
                1 => (inner, prop::sample::select(vec!["*", "+", "?", "{2}"]))
                    .prop_map(|(part, sign)| format!("(?:{part}){sign}")),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_line_that_matches_holds_one(regex in expression(), line in "[abcABC]{0,12}") {
            let built = RegexBuilder::new(&regex).unicode(false).build().unwrap();
            if let Some(texts) = texts(&regex)
                && built.is_match(line.as_bytes())
            {
                let low = line.to_ascii_lowercase();
                prop_assert!(texts.iter().any(|text| low.contains(text)), "{regex} on {line}: {texts:?}");
            }
        }
    }
}
