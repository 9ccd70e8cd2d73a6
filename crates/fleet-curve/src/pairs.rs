//! `key=value` and `key: value` in a line of text.

use std::sync::LazyLock;

use memchr::{memchr2_iter, memmem};

use crate::number::Number;
use crate::point::Found;
use crate::words;

/// A line has no more pairs than this.
const MAX_PAIRS: usize = 256;

/// A name of a value is no longer than this.
pub(crate) const MAX_NAME: usize = 128;

/// The end of a spoken loss. Made once: to make it costs more than to search a line.
static LOSS: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"oss "));

/// A name with a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pair<'a> {
    /// `train` in `train loss: 0.5`.
    split: Option<&'a [u8]>,
    key: &'a [u8],
    number: Number,
    /// The key is the name of a curve by itself.
    is_curve: bool,
}

/// Whether a line may have a pair that makes it one of a curve. Most lines have none, and cost a pass
/// of memchr and a look at the names before signs.
pub(crate) fn may_have(line: &[u8], wanted: &[String]) -> bool {
    let relevant = |at: usize| {
        let value = line[at + 1..].trim_ascii_start();
        let before = line[..at].trim_ascii_end();
        value.first().is_some_and(|b| begins_number(*b))
            && key_before(before).is_some_and(|key| {
                words::is_curve(key)
                    || counts(key)
                    || wanted.iter().any(|name| name.as_bytes().ends_with(key))
            })
    };
    memchr2_iter(b'=', b':', line).any(relevant) || LOSS.find(line).is_some()
}

/// Finds all pairs whose value is a number.
pub(crate) fn scan<'a>(line: &'a [u8], pairs: &mut Vec<Pair<'a>>) {
    pairs.clear();
    for at in memchr2_iter(b'=', b':', line) {
        if let Some(pair) = pair_at(line, at)
            && pairs.len() < MAX_PAIRS
        {
            pairs.push(pair);
        }
    }
    if !pairs.iter().any(|p| p.is_curve) {
        spoken_losses(line, pairs);
    }
}

/// The pair whose sign stands at this byte.
fn pair_at(line: &[u8], at: usize) -> Option<Pair<'_>> {
    let after = &line[at + 1..];
    let blanks = after.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let value = &after[blanks..];
    if !begins_number(*value.first()?) {
        return None;
    }
    let before = line[..at].trim_ascii_end();
    let key = key_before(before)?;
    // `train.py:88` is a place in a file, and `loss:0.5` is none.
    let start = before.len() - key.len();
    let is_curve = words::is_curve(key) && !is_of_packets(&before[..start]);
    if line[at] == b':' && blanks == 0 && !is_curve && !counts(key) {
        return None;
    }
    let (number, _) = number_at(value)?;
    let before = &before[..start];
    // A query of a URL.
    if matches!(before.last(), Some(b'?' | b'&')) {
        return None;
    }
    Some(Pair { split: split_before(before), key, number, is_curve })
}

/// Whether the name counts steps or epochs.
fn counts(key: &[u8]) -> bool {
    words::is_epoch(key) || words::step_rank(key).is_some()
}

fn begins_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'n' | b'N' | b'i' | b'I' | b'"')
}

fn is_of_key(byte: &u8) -> bool {
    OF_KEY[usize::from(*byte)]
}

/// Bytes of names, and bytes that end a number: tables, because every candidate is walked by them.
static OF_KEY: [bool; 256] = table(b"_./@-", true);
static ENDS_NUMBER: [bool; 256] = table(b" \t\n\x0c\r,;|)]}\"/%", false);

const fn table(bytes: &[u8], alphanumeric: bool) -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 256 {
        table[at] = alphanumeric && (at as u8).is_ascii_alphanumeric();
        at += 1;
    }
    at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
}

/// The name that the text ends with.
fn key_before(text: &[u8]) -> Option<&[u8]> {
    let length = text.iter().rev().take_while(|b| is_of_key(b)).count();
    let key = &text[text.len() - length..];
    let begins = key.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
    (begins && length <= MAX_NAME).then_some(key)
}

/// `train` where the text ends with this word and one blank.
fn split_before(text: &[u8]) -> Option<&[u8]> {
    let word = key_before(text.strip_suffix(b" ")?)?;
    words::is_split(word).then_some(word)
}

/// Whether what is lost are `packet`s.
fn is_of_packets(before: &[u8]) -> bool {
    let word = before.strip_suffix(b" ").and_then(key_before);
    word.is_some_and(|word| word.eq_ignore_ascii_case(b"packet"))
}

/// The number that the text begins with, and what it is out of. What goes on in another way (a
/// version, an address, a time of day, a unit) is none.
fn number_at(text: &[u8]) -> Option<(Number, Option<i64>)> {
    let text = text.strip_prefix(b"\"").unwrap_or(text);
    let length = text.iter().position(|b| ENDS_NUMBER[usize::from(*b)]).unwrap_or(text.len());
    let (word, rest) = text.split_at(length);
    let number = Number::parse(word).or_else(|| word.strip_suffix(b".").and_then(Number::parse))?;
    match rest {
        [b'/', total @ ..] => {
            let digits = total.iter().take_while(|b| b.is_ascii_digit()).count();
            let (total, rest) = total.split_at(digits);
            let whole = std::str::from_utf8(total).ok()?.parse().ok()?;
            let ended = rest.first().is_none_or(|b| !is_of_key(b));
            ended.then_some((number, Some(whole)))
        }
        // 1,000 is not 1.
        [b',', a, b, c, ..] if [a, b, c].iter().all(|d| d.is_ascii_digit()) => None,
        _ => Some((number, None)),
    }
}

/// `loss 4.28`, `train loss 4.28`: spoken, without a sign.
fn spoken_losses<'a>(line: &'a [u8], pairs: &mut Vec<Pair<'a>>) {
    for at in LOSS.find_iter(line) {
        let (before, value) = (&line[..at + 3], line[at + 4..].trim_ascii_start());
        let Some(key) = key_before(before).filter(|key| words::is_curve(key)) else { continue };
        let Some((number, _)) = number_at(value).filter(|(n, _)| n.is_fraction()) else {
            continue;
        };
        let before = &before[..before.len() - key.len()];
        if is_of_packets(before) {
            continue;
        }
        let split = split_before(before);
        if pairs.len() < MAX_PAIRS {
            pairs.push(Pair { split, key, number, is_curve: true });
        }
    }
}

impl<'a> Pair<'a> {
    /// A pair of an object.
    pub(crate) fn new(key: &'a str, number: Number) -> Pair<'a> {
        Pair { split: None, key: key.as_bytes(), number, is_curve: words::is_curve(key.as_bytes()) }
    }

    /// Its name and number.
    pub(crate) fn named(&self) -> (String, Number) {
        (self.name(), self.number)
    }

    fn name(&self) -> String {
        let key = String::from_utf8_lossy(self.key);
        match self.split {
            Some(split) => format!("{}_{key}", String::from_utf8_lossy(split)),
            None => key.into_owned(),
        }
    }

    /// Whether it counts steps or epochs.
    fn counts(&self) -> bool {
        counts(self.key)
    }
}

/// What the pairs of a line or an object say, if they are of a curve: one of the names is known to be
/// one or is `wanted`, or one counts steps and another has a fraction that is no time or load. The step
/// is that of the surest name.
pub(crate) fn found(pairs: &[Pair<'_>], wanted: &[String]) -> Option<Found> {
    let is_curve = |p: &Pair<'_>| p.is_curve && !words::is_never(p.key);
    let asked = |p: &Pair<'_>| !wanted.is_empty() && wanted.contains(&p.name());
    let is_other = |p: &Pair<'_>| p.counts() || words::is_never(p.key) || words::is_cost(p.key);
    let measures = |p: &Pair<'_>| p.number.is_fraction() && !is_other(p);
    let fits = pairs.iter().any(|p| is_curve(p) || asked(p))
        || pairs.iter().any(Pair::counts) && pairs.iter().any(measures);
    if !fits {
        return None;
    }
    let ranked = pairs.iter().filter_map(|p| Some((words::step_rank(p.key)?, whole(p)?)));
    let step = ranked.min().map(|(_, step)| step);
    let is_value = |p: &&Pair<'_>| words::step_rank(p.key).is_none() && !words::is_never(p.key);
    let kept = pairs.iter().filter(|p| is_value(p) || asked(p));
    let values: Vec<_> = kept.map(Pair::named).collect();
    let says = values.iter().any(|(name, _)| !words::is_epoch(name.as_bytes()));
    says.then_some(Found { step, values })
}

/// The step that a line tells where no name counts it: spoken (`step 100`), else as a fraction in
/// brackets, else the epoch.
pub(crate) fn step_of(line: &[u8], pairs: &[Pair<'_>]) -> Option<i64> {
    let epoch = epoch_of(pairs);
    spoken_step(line).or_else(|| in_brackets(line, epoch)).or(epoch)
}

/// The epoch, where it is a whole number.
pub(crate) fn epoch_of(pairs: &[Pair<'_>]) -> Option<i64> {
    pairs.iter().find(|p| words::is_epoch(p.key)).and_then(whole)
}

fn whole(pair: &Pair<'_>) -> Option<i64> {
    match pair.number {
        Number::Whole(whole) => Some(whole),
        _ => None,
    }
}

/// `step 100`, `iter 7:`, `Epoch 3/10`.
fn spoken_step(line: &[u8]) -> Option<i64> {
    let words: Vec<&[u8]> = line.split(|b| !b.is_ascii_alphanumeric()).take(64).collect();
    let counted = |pair: &[&[u8]]| {
        let counts = words::step_rank(pair[0]).is_some() || words::is_epoch(pair[0]);
        let number = std::str::from_utf8(pair[1]).ok()?.parse().ok();
        number.filter(|_| counts)
    };
    words.windows(2).find_map(counted)
}

/// `[ 6400/60000 (10%)]` counts within an epoch.
fn in_brackets(line: &[u8], epoch: Option<i64>) -> Option<i64> {
    memchr::memchr_iter(b'[', line).find_map(|at| {
        let inner = line[at + 1..].trim_ascii_start();
        let (number, total) = number_at(inner)?;
        let (Number::Whole(step), total) = (number, total?) else { return None };
        // Epochs are counted from 0 or from 1; only their distance matters to a curve.
        step.checked_add(epoch.unwrap_or(0).checked_mul(total)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Said = (Option<i64>, Vec<(String, f64)>);

    fn said(line: &str) -> Option<Said> {
        if !may_have(line.as_bytes(), &["mine".to_owned()]) {
            return None;
        }
        let mut pairs = Vec::new();
        scan(line.as_bytes(), &mut pairs);
        let found = found(&pairs, &["mine".to_owned()])?;
        let step = found.step.or_else(|| step_of(line.as_bytes(), &pairs));
        Some((step, found.values.into_iter().map(|(k, n)| (k, n.value())).collect()))
    }

    fn all(line: &str, step: Option<i64>, values: &[(&str, f64)]) {
        let wanted = values.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect();
        assert_eq!(said(line), Some((step, wanted)), "{line}");
    }

    #[test]
    fn lines_of_curves() {
        all("step=100 loss=1.23 lr=5e-5", Some(100), &[("loss", 1.23), ("lr", 5e-5)]);
        all(
            "2026-11-22 06:00:00,123 INFO x: loss: 0.5, acc: 87%",
            None,
            &[("loss", 0.5), ("acc", 87.0)],
        );
        all(
            "Epoch: 3/10 | train loss: 0.5 | val Loss : 0.6",
            Some(3),
            &[("Epoch", 3.0), ("train_loss", 0.5), ("val_Loss", 0.6)],
        );
        all(
            "step 250: train loss 4.2874, val loss 4.2823",
            Some(250),
            &[("train_loss", 4.2874), ("val_loss", 4.2823)],
        );
        all("iter 7: loss 4.2874, time 23.5ms, mfu 1%", Some(7), &[("loss", 4.2874)]);
        let mnist = "Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.300000";
        all(mnist, Some(60640), &[("Train_Epoch", 1.0), ("Loss", 2.3)]);
        all("iter=5 throughput=12.5 pid=77", Some(5), &[("throughput", 12.5)]);
        all("train.py:88 global_step: 7, step: 3 loss:.5.", Some(7), &[("loss", 0.5)]);
        all("reward=-1 level=\"3\"", None, &[("reward", -1.0), ("level", 3.0)]);
        all("mine=3 port=80", None, &[("mine", 3.0)]);
    }

    #[test]
    fn a_loss_that_is_no_number_is_a_value() {
        let (step, values) = said("step=3 loss=nan lr=-inf").unwrap();
        assert_eq!(step, Some(3));
        assert!(values[0].1.is_nan() && values[1].1 == f64::NEG_INFINITY);
    }

    #[test]
    fn other_lines_are_none() {
        for line in [
            "",
            "listening on 127.0.0.1:8080, version=1.2.3",
            "2026-11-22T06:00:00.123 INFO request took: 0.123 status=200",
            "GET /x?step=3&loss=0.5 HTTP/1.1",
            "python train.py --lr=0.1 --step=3",
            "10:30:15 worker started pid: 77 port: 80",
            "deploy step=3 replicas=5",
            "0.5% packet_loss=3 rtt: 5ms",
            "step=1,000,000 done",
            "loss of signal: 3 ports",
            "5 sent, 4 received, Packet loss: 20.0%, packet loss 0.2",
            "level=info step=3 duration=0.35 msg=\"migration done\"",
            "GC iteration=5 took=0.352 gc.cpu=0.5 wall_time: 1.5",
            "consumer lag=0.5 epoch=12 leader=3",
            "a=b loss=low acc: n/a, losses: none",
            "epoch=3",
            "x == 3, y != 4.5, z >= 0.5",
        ] {
            assert_eq!(said(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_not(bytes: Vec<u8>, near in "(loss|step|epoch|[a-z =:/\\[,.0-9\"-]){0,30}") {
            let mut pairs = Vec::new();
            scan(&bytes, &mut pairs);
            let _ = (found(&pairs, &[]), step_of(&bytes, &pairs));
            scan(near.as_bytes(), &mut pairs);
            let _ = (found(&pairs, &[]), step_of(near.as_bytes(), &pairs));
        }

        #[test]
        fn any_pair_comes_back(step: u32, loss: f64) {
            let line = format!("step={step} loss={loss}");
            let (told, values) = said(&line).unwrap();
            prop_assert_eq!(told, Some(i64::from(step)));
            prop_assert!(values[0].1 == loss || loss.is_nan());
        }
    }
}
