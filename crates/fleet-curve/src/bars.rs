//! Progress bars: tqdm, Lightning's, and those of Keras.
//!
//! A bar is drawn again and again, so that not every drawing is news. Of the drawings at one count
//! only the last is a point: programs move the bar first and set its values after. And a
//! drawing whose values are those of the count before shows only that the bar moved.

use memchr::memmem;

use crate::extract::Mark;
use crate::number::Number;
use crate::pairs;
use crate::point::Found;
use crate::words;

/// So many bars of one stream are told apart.
const MAX_BARS: usize = 8;

/// One drawing of a bar.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Frame<'a> {
    /// What stands before the bar.
    pub(crate) title: &'a [u8],
    /// How far it is.
    pub(crate) count: i64,
    /// Out of how many, where that is known.
    pub(crate) total: Option<i64>,
    /// The values that it shows.
    pub(crate) values: Vec<(String, Number)>,
    /// What stands behind it on the same line.
    pub(crate) rest: &'a [u8],
}

/// The bar that a frame is, if it is one of tqdm:
/// `desc:  33%|███▎      | 1/3 [00:00<00:00,  8.32it/s, loss=0.5]` or `desc: 12it [00:01, 9.8it/s]`.
pub(crate) fn tqdm(frame: &[u8]) -> Option<Frame<'_>> {
    let open = memmem::find(frame, b" [")?;
    // A bracket of the title comes first; that of the times begins with a number.
    let open = memmem::find_iter(&frame[open..], b" [")
        .map(|at| open + at)
        .find(|&at| begins_times(&frame[at + 2..]))?;
    let close = open + memchr::memchr(b']', &frame[open..])?;
    let (count, total, title) = counted(&frame[..open])?;
    let inner = &frame[open + 2..close];
    let mut values = Vec::new();
    take_pairs(title.strip_suffix(b":").unwrap_or(title), &mut values);
    // Behind the times and the rate stand the values.
    let postfix = inner.iter().enumerate().filter(|(_, b)| **b == b',').map(|(at, _)| at).nth(1);
    if let Some(at) = postfix {
        take_pairs(&inner[at + 1..], &mut values);
    }
    Some(Frame { title, count, total, values, rest: &frame[close + 1..] })
}

/// `00:10<…`, `?<?`, `1:00:10, …`.
fn begins_times(text: &[u8]) -> bool {
    let end = text.iter().position(|b| b"<,".contains(b));
    end.is_some_and(|end| text[..end].iter().all(|b| b.is_ascii_digit() || b":?".contains(b)))
        && end.is_some_and(|end| end > 0)
}

/// The count before the times, its total, and the title before the bar.
fn counted(text: &[u8]) -> Option<(i64, Option<i64>, &[u8])> {
    let begin = text.iter().rposition(|b| matches!(b, b' ' | b'|' | b':')).map_or(0, |at| at + 1);
    let word = std::str::from_utf8(&text[begin..]).ok()?;
    let before = &text[..begin];
    match word.split_once('/') {
        Some((count, total)) => {
            let bar = memchr::memchr(b'|', before).unwrap_or(before.len());
            let title = before[..bar].trim_ascii_end();
            let percent = title.iter().rev().take_while(|b| b.is_ascii_digit() || **b == b'%');
            let title = title[..title.len() - percent.count()].trim_ascii();
            Some((scaled(count)?, scaled(total), title))
        }
        // 12it
        None => {
            let digits = word.bytes().take_while(u8::is_ascii_digit).count();
            let (count, unit) = word.split_at(digits);
            let unit = unit.chars().all(char::is_alphabetic) && !unit.is_empty();
            Some((count.parse().ok().filter(|_| unit)?, None, before.trim_ascii()))
        }
    }
}

/// A count, perhaps with a factor: `unit_scale` writes 1.20k.
fn scaled(text: &str) -> Option<i64> {
    if let Ok(count) = text.parse() {
        return Some(count);
    }
    let factor = match text.as_bytes().last()? {
        b'k' => 1e3,
        b'M' => 1e6,
        b'G' => 1e9,
        _ => return None,
    };
    let count: f64 = text[..text.len() - 1].parse().ok()?;
    Some((count * factor) as i64)
}

/// The bar that a frame is, if it is one of Keras:
/// `8/8 ━━━━━━━━ 0s 29ms/step - loss: 4.5703 - val_loss: 4.4824`.
pub(crate) fn keras(frame: &[u8]) -> Option<Frame<'_>> {
    let frame = frame.trim_ascii_start();
    let slash = frame.iter().take(12).position(|b| *b == b'/')?;
    let count = std::str::from_utf8(&frame[..slash]).ok()?.parse().ok()?;
    let digits = frame[slash + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
    let total = std::str::from_utf8(&frame[slash + 1..slash + 1 + digits]).ok()?.parse().ok();
    if total.is_none() && !frame[slash + 1..].starts_with(b"Unknown") {
        return None;
    }
    let step = memmem::find(frame, b"/step - ").map(|at| at + b"/step - ".len());
    let epoch = || memmem::find(frame, b"/epoch - ").map(|at| at + b"/epoch - ".len());
    let mut values = Vec::new();
    take_pairs(&frame[step.or_else(epoch)?..], &mut values);
    (!values.is_empty()).then_some(Frame { title: b"", count, total, values, rest: b"" })
}

fn take_pairs(text: &[u8], values: &mut Vec<(String, Number)>) {
    let mut found = Vec::new();
    pairs::scan(text, &mut found);
    let kept = found.iter().map(|p| p.named()).filter(|(name, _)| {
        let key = name.as_bytes();
        words::step_rank(key).is_none() && !words::is_never(key) && !words::is_epoch(key)
    });
    values.extend(kept);
}

/// The epoch of a title, counted from 0: Lightning's `Epoch 3`, or `Epoch 4/10` and `epoch 4 of 10`.
fn epoch_of(title: &[u8]) -> Option<(i64, i64)> {
    let words: Vec<&[u8]> = title.split(|b| !b.is_ascii_alphanumeric()).take(16).collect();
    let number = |word: &[u8]| std::str::from_utf8(word).ok()?.parse::<i64>().ok();
    let at = words.iter().position(|w| words::is_epoch(w))?;
    let shown = words[at + 1..].iter().find(|w| !w.is_empty()).and_then(|w| number(w))?;
    let out_of = words[at + 1..].iter().filter_map(|w| number(w)).nth(1).is_some();
    Some((shown, shown - i64::from(out_of)))
}

/// The bars of one stream, as far as they were drawn.
#[derive(Debug, Default)]
pub(crate) struct Bars {
    bars: Vec<Bar>,
}

#[derive(Debug)]
struct Bar {
    title: Vec<u8>,
    /// The last drawing, not given yet.
    drawn: Option<(Mark, Found)>,
    given: Vec<(String, Number)>,
}

impl Bars {
    /// Takes a drawing; answers with the point that it completes.
    pub(crate) fn draw(
        &mut self,
        mark: Mark,
        frame: Frame<'_>,
        epoch: Option<i64>,
    ) -> Option<(Mark, Found)> {
        if frame.values.is_empty() {
            return None;
        }
        let (step, shown) = position(&frame, epoch);
        let mut values = frame.values;
        if let Some(shown) = shown {
            values.insert(0, ("epoch".to_owned(), Number::Whole(shown)));
        }
        let bar = self.bar(frame.title);
        let next = Found { step: Some(step), values };
        let before = bar.drawn.replace((mark, next))?;
        if before.1.step == Some(step) { None } else { bar.give(before) }
    }

    /// What was drawn last, when nothing more will come or a line ended it.
    pub(crate) fn flush(&mut self) -> Vec<(Mark, Found)> {
        let last = |bar: &mut Bar| bar.drawn.take().and_then(|drawn| bar.give(drawn));
        self.bars.iter_mut().filter_map(last).collect()
    }

    fn bar(&mut self, title: &[u8]) -> &mut Bar {
        // Numbers in a title move: they are no part of its name.
        let name = |b: &&u8| b.is_ascii_alphabetic();
        let title: Vec<u8> = title.iter().filter(name).copied().take(64).collect();
        let at = self.bars.iter().position(|bar| bar.title == title).unwrap_or_else(|| {
            if self.bars.len() >= MAX_BARS {
                self.bars.remove(0);
            }
            self.bars.push(Bar { title, drawn: None, given: Vec::new() });
            self.bars.len() - 1
        });
        &mut self.bars[at]
    }
}

impl Bar {
    fn give(&mut self, drawn: (Mark, Found)) -> Option<(Mark, Found)> {
        if same(&drawn.1.values, &self.given) {
            return None;
        }
        self.given.clone_from(&drawn.1.values);
        Some(drawn)
    }
}

/// Whether all values are the same, NaN like NaN; a new epoch with the values of the last one only
/// begins.
fn same(a: &[(String, Number)], b: &[(String, Number)]) -> bool {
    let values = |all: &[(String, Number)]| -> Vec<(String, u64)> {
        let measured = all.iter().filter(|(name, _)| !words::is_epoch(name.as_bytes()));
        measured.map(|(name, number)| (name.clone(), number.value().to_bits())).collect()
    };
    values(a) == values(b)
}

/// The step of a drawing over all epochs, and the epoch as it is shown.
fn position(frame: &Frame<'_>, epoch: Option<i64>) -> (i64, Option<i64>) {
    let (shown, before) = match epoch_of(frame.title) {
        Some((shown, before)) => (Some(shown), before),
        None => (epoch, epoch.map_or(0, |epoch| epoch - 1)),
    };
    let passed = before.checked_mul(frame.total.unwrap_or(0)).unwrap_or(0);
    (frame.count.saturating_add(passed), shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said((_, found): &(Mark, Found)) -> (i64, Vec<(&str, f64)>) {
        let values = found.values.iter().map(|(k, n)| (k.as_str(), n.value())).collect();
        (found.step.unwrap(), values)
    }

    #[test]
    fn drawings_of_tqdm() {
        let text =
            "Epoch 3:  45%|████▌     | 9/20 [00:01<00:01,  8.52it/s, v_num=0, train_loss=0.523]x";
        let frame = tqdm(text.as_bytes()).unwrap();
        assert_eq!((frame.title, frame.count, frame.total), (&b"Epoch 3:"[..], 9, Some(20)));
        assert_eq!(frame.values, [("train_loss".to_owned(), Number::Double(0.523))]);
        assert_eq!(frame.rest, b"x");
        let text = " 12it [00:01, 9.8it/s, loss=nan]";
        let frame = tqdm(text.as_bytes()).unwrap();
        assert_eq!((frame.count, frame.total, frame.values.len()), (12, None, 1));
        let text = "acc: 0.9:   3%|▎| 1.20k/40.0k [1:41:01<?, ?it/s]";
        let frame = tqdm(text.as_bytes()).unwrap();
        assert_eq!((frame.count, frame.total), (1200, Some(40_000)));
        assert_eq!(frame.values[0], ("acc".to_owned(), Number::Double(0.9)));
        for text in ["", " [", "x [y]", "1/2 [a<b]", "a b [00:01<00:02]", "Validation: |  | 0/?"] {
            assert_eq!(tqdm(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_count_gives_its_last_drawing_and_only_news() {
        let mut bars = Bars::default();
        let mut given = Vec::new();
        for (count, loss) in [(1, 1.0), (2, 1.0), (2, 0.5), (3, 0.5), (4, 0.5), (5, 0.2)] {
            let text = format!("Epoch 1:  9%|#| {count}/10 [00:01<00:01, 1it/s, loss={loss:.3}]");
            given.extend(bars.draw(Mark::default(), tqdm(text.as_bytes()).unwrap(), None));
        }
        given.extend(bars.flush());
        assert!(bars.flush().is_empty());
        let given: Vec<_> = given.iter().map(said).collect();
        let point = |step, loss| (step, vec![("epoch", 1.0), ("loss", loss)]);
        assert_eq!(given, [point(11, 1.0), point(12, 0.5), point(15, 0.2)]);
    }

    #[test]
    fn drawings_of_keras() {
        let text = "8/8 ━━━━ 0s 29ms/step - loss: 4.5703 - mae: 1.7172 - val_loss: -4.4e-05";
        let frame = keras(text.as_bytes()).unwrap();
        let mut bars = Bars::default();
        assert_eq!(bars.draw(Mark::default(), frame, Some(2)), None);
        let found = bars.flush().remove(0);
        let values = vec![("epoch", 2.0), ("loss", 4.5703), ("mae", 1.7172), ("val_loss", -4.4e-5)];
        assert_eq!(said(&found), (16, values));
        let plain = "1875/1875 - 4s - 2ms/step - accuracy: 0.8778 - loss: 0.4285";
        assert_eq!(keras(plain.as_bytes()).unwrap().values.len(), 2);
        for text in ["", "8/8", "8/x/step - loss: 1", "a/8 1/step - loss: 1", "3/4 - loss: 1"] {
            assert_eq!(keras(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_frame_is_read_or_not(
            bytes: Vec<u8>, near in "(Epoch |[0-9]{1,20}|/|\\[|\\]|00:01<00:01, |/step - |loss=0.5|[|: ,%]){0,16}",
        ) {
            let mut bars = Bars::default();
            for text in [&bytes[..], near.as_bytes()] {
                for frame in [tqdm(text), keras(text)].into_iter().flatten() {
                    bars.draw(Mark::default(), frame, Some(i64::MAX));
                }
            }
            bars.flush();
        }
    }
}
