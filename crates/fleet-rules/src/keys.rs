//! The keys of a record's instances: the values of `by` as one text, made once for a record however
//! many rules are about it.

use crate::fields::{Record, Slot};

/// What stands between two values.
pub(crate) const BETWEEN: char = '\u{1f}';

/// Which of the sets of fields that tell instances apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyOf(usize);

/// All sets of fields that tell instances apart, each with the key of the record at hand.
#[derive(Debug, Default)]
pub(crate) struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    by: Vec<Slot>,
    text: String,
    made: bool,
}

impl Keys {
    /// The place of this set of fields, a new one if it had none.
    pub(crate) fn want(&mut self, by: Vec<Slot>) -> KeyOf {
        let known = self.0.iter().position(|key| key.by == by);
        KeyOf(known.unwrap_or_else(|| {
            self.0.push(Key { by, text: String::new(), made: false });
            self.0.len() - 1
        }))
    }

    /// Goes on to the next record.
    pub(crate) fn next(&mut self) {
        self.0.iter_mut().for_each(|key| key.made = false);
    }

    /// Lends the key of a record, to be given back.
    pub(crate) fn lend(&mut self, of: KeyOf, record: &Record<'_>) -> String {
        let Some(key) = self.0.get_mut(of.0) else { return String::new() };
        if !std::mem::replace(&mut key.made, true) {
            key.text.clear();
            for (at, slot) in key.by.iter().enumerate() {
                if at > 0 {
                    key.text.push(BETWEEN);
                }
                key.text.push_str(&record.get(*slot).key());
            }
        }
        std::mem::take(&mut key.text)
    }

    /// Takes a key back.
    pub(crate) fn back(&mut self, of: KeyOf, text: String) {
        if let Some(key) = self.0.get_mut(of.0) {
            key.text = text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Fields;

    #[test]
    fn a_key_is_that_of_its_record() {
        let (mut fields, mut keys) = (Fields::default(), Keys::default());
        let (id, gpu) = (fields.want("id"), fields.want("gpu"));
        let (one, both) = (keys.want(vec![id]), keys.want(vec![id, gpu]));
        for (line, alone, together) in [
            (r#"{"id":"a","gpu":1}"#, "a", "a\u{1f}1"),
            (r#"{"id":"long"}"#, "long", "long\u{1f}"),
            (r#"{"gpu":2}"#, "", "\u{1f}2"),
        ] {
            let record = Record::read(&fields, line.as_bytes()).unwrap();
            keys.next();
            for (of, expected) in [(one, alone), (both, together), (one, alone)] {
                let key = keys.lend(of, &record);
                assert_eq!(key, expected, "{line}");
                keys.back(of, key);
            }
        }
        assert_eq!(keys.want(vec![id]).0, one.0);
    }
}
