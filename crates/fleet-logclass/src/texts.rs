//! Which of many texts stand in a line, whatever the case of their letters.
//!
//! A process that shows one line must not wait until an automaton is built, and one that shows
//! millions must not look at each of them for long. Of each text three bytes are noted that stand
//! behind each other in it, those that lines have least often; a line is looked at by a table of
//! such threes, and only where one is found is the text compared.

/// So many bits of a byte count: letters differ by them, whatever their case.
const BITS: u32 = 5;

/// Different threes of bytes.
const KEYS: usize = 1 << (3 * BITS);

/// Bytes by how often lines have them, the most frequent last; others are rare.
const FREQUENT: &[u8] = b"zqxjkvbpygfwmucldrhsnioate 0123456789";

/// Finds texts of three bytes or more.
#[derive(Debug)]
pub(crate) struct Texts {
    /// A bit for each three of bytes that is noted.
    noted: Box<[u64; KEYS / 64]>,
    /// In order of their keys.
    texts: Vec<Text>,
}

/// A text that is looked for.
#[derive(Debug)]
struct Text {
    /// The three bytes by which it is found.
    key: usize,
    /// Where the last of them stands in the text.
    at: usize,
    bytes: Vec<u8>,
    owner: usize,
}

impl Texts {
    /// Finds these, each for its owner.
    pub(crate) fn new<'t>(texts: impl IntoIterator<Item = (&'t [u8], usize)>) -> Texts {
        let texts = texts.into_iter().filter_map(|(bytes, owner)| Text::new(bytes, owner));
        let mut texts: Vec<Text> = texts.collect();
        texts.sort_by_key(|text| text.key);
        let mut noted = Box::new([0; KEYS / 64]);
        for Text { key, .. } in &texts {
            noted[key / 64] |= 1 << (key % 64);
        }
        Texts { noted, texts }
    }

    /// The owners of all that stand in the line, some perhaps more than once.
    pub(crate) fn owners(&self, line: &[u8], found: &mut Vec<usize>) {
        let mut last = 0;
        for (end, byte) in line.iter().enumerate() {
            last = last << BITS | usize::from(byte & 31);
            let key = last % KEYS;
            if self.noted[key / 64] >> (key % 64) & 1 != 0 {
                let of_key = self.texts.partition_point(|text| text.key < key);
                let texts = self.texts.iter().skip(of_key).take_while(|text| text.key == key);
                found.extend(texts.filter(|text| text.stands(line, end)).map(|text| text.owner));
            }
        }
    }
}

impl Text {
    fn new(bytes: &[u8], owner: usize) -> Option<Text> {
        let threes = bytes.windows(3).enumerate();
        let (start, three) = threes.min_by_key(|(_, three)| frequency(three))?;
        let key = three.iter().fold(0, |key: usize, byte| key << BITS | usize::from(byte & 31));
        Some(Text { key, at: start + 2, bytes: bytes.to_vec(), owner })
    }

    /// Whether it stands where its three bytes end here.
    fn stands(&self, line: &[u8], end: usize) -> bool {
        let part = end.checked_sub(self.at).and_then(|from| line.get(from..));
        let part = part.and_then(|rest| rest.get(..self.bytes.len()));
        part.is_some_and(|part| part.eq_ignore_ascii_case(&self.bytes))
    }
}

fn frequency(bytes: &[u8]) -> usize {
    let of = |byte: &u8| FREQUENT.iter().position(|b| *b == byte.to_ascii_lowercase());
    bytes.iter().filter_map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn owners(texts: &[&str], line: &str) -> Vec<usize> {
        let texts = texts.iter().enumerate().map(|(at, text)| (text.as_bytes(), at));
        let mut found = Vec::new();
        Texts::new(texts).owners(line.as_bytes(), &mut found);
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn texts_are_found_whatever_their_case() {
        let texts = ["out of memory", "oom", "refused", "é wie"];
        assert_eq!(owners(&texts, "CUDA Out Of Memory"), [0]);
        assert_eq!(owners(&texts, "oomoom: connection REFUSED"), [1, 2]);
        assert_eq!(owners(&texts, "refuse, oo om, out  of memory"), [0; 0]);
        assert_eq!(owners(&texts, "é WIE"), [3]);
        assert_eq!(owners(&texts, ""), [0; 0]);
    }

    proptest! {
        #[test]
        fn as_a_plain_search_finds_them(
            texts in proptest::collection::vec("[a-c0 .é]{3,6}", 0..20),
            line in "[a-cA-C0 .é]{0,60}",
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let small = line.to_ascii_lowercase();
            let expected: Vec<usize> =
                (0..texts.len()).filter(|at| small.contains(texts[*at])).collect();
            prop_assert_eq!(owners(&texts, &line), expected);
        }
    }
}
