//! The records of a tfevents file: `u64 length, u32 crc, payload, u32 crc`, little-endian, with
//! CRC-32C of the length and of the payload, masked (TensorFlow `lib/io/record_writer.h`).

/// A longer record holds pictures, not scalars, and is passed over without being held.
const MAX_PAYLOAD: u64 = 16 << 20;

/// Bytes before the payload.
const HEAD: usize = 12;

/// What comes next in a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A payload whose checksum is right.
    Whole(&'a [u8]),
    /// A payload whose checksum is wrong. Its length can be trusted, so that the next one follows.
    Damaged,
    /// So long that it was passed over.
    TooLong,
    /// A length whose checksum is wrong: nothing behind it can be found.
    Broken,
}

/// Finds the records in the bytes of a file, which may come in any pieces.
#[derive(Debug, Default)]
pub struct Framing {
    buffer: Vec<u8>,
    from: usize,
    /// So many bytes of a record that is passed over have not come yet.
    skip: u64,
    broken: bool,
}

impl Framing {
    /// Takes the next bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.from);
        self.from = 0;
        let passed = self.skip.min(bytes.len() as u64) as usize;
        self.skip -= passed as u64;
        if !self.broken {
            self.buffer.extend_from_slice(&bytes[passed..]);
        }
    }

    /// The next record; `None` where it has not come whole.
    pub fn next_record(&mut self) -> Option<Record<'_>> {
        let rest = &self.buffer[self.from..];
        let head: &[u8; HEAD] = rest.first_chunk()?;
        let length = u64::from_le_bytes([
            head[0], head[1], head[2], head[3], head[4], head[5], head[6], head[7],
        ]);
        if masked(&head[..8]) != little(&head[8..]) {
            self.broken = true;
            self.buffer = Vec::new();
            self.from = 0;
            return Some(Record::Broken);
        }
        if length > MAX_PAYLOAD {
            let there = rest.len() as u64;
            let whole = length.saturating_add(HEAD as u64 + 4);
            self.skip = whole.saturating_sub(there);
            self.from += whole.min(there) as usize;
            return Some(Record::TooLong);
        }
        let end = HEAD + length as usize;
        let (payload, tail) = (rest.get(HEAD..end)?, rest.get(end..end + 4)?);
        let right = masked(payload) == little(tail);
        let begin = self.from + HEAD;
        self.from += end + 4;
        Some(match right {
            true => Record::Whole(&self.buffer[begin..begin + length as usize]),
            false => Record::Damaged,
        })
    }

    /// Whether a length was damaged, so that nothing behind it can be found.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether the file ends within a record, as far as it came.
    pub fn is_torn(&self) -> bool {
        self.from < self.buffer.len() || self.skip > 0
    }
}

fn little(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |four| u32::from_le_bytes(*four))
}

/// The checksum as it is stored: rotated and shifted, so that a checksum of data that holds
/// checksums stays sound.
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u64).to_le_bytes();
        let checked = |bytes: &[u8]| masked(bytes).to_le_bytes();
        [&length[..], &checked(&length), payload, &checked(payload)].concat()
    }

    fn all(framing: &mut Framing) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        while let Some(record) = framing.next_record() {
            records.push(match record {
                Record::Whole(payload) => payload.to_vec(),
                other => format!("{other:?}").into_bytes(),
            });
        }
        records
    }

    #[test]
    fn checksums_are_those_of_tensorflow() {
        assert_eq!(masked(b"\x1a\x11CRC test, one two"), 0x5794_d08a);
        assert_eq!(masked(&24u64.to_le_bytes()), 0x224b_7fa3);
        assert_eq!(masked(&32u64.to_le_bytes()), 0x50a9_ed29);
        let event = b"\x09\x00\x00\x80\x38\x99\xd6\xd7\x41\x1a\x0dbrain.Event:2";
        assert_eq!(masked(event), 0xab36_4b12);
    }

    #[test]
    fn what_is_too_long_is_passed_over() {
        let length = (MAX_PAYLOAD + 1).to_le_bytes();
        let mut framing = Framing::default();
        framing.push(&[&length[..], &masked(&length).to_le_bytes(), b"xyz"].concat());
        assert_eq!(framing.next_record(), Some(Record::TooLong));
        assert!(framing.is_torn());
        let rest = vec![0; (MAX_PAYLOAD + 1 + 4 - 3) as usize];
        for block in rest.chunks(1 << 20) {
            framing.push(block);
            assert_eq!(framing.next_record(), None);
        }
        framing.push(&framed(b"next"));
        assert_eq!(framing.next_record(), Some(Record::Whole(b"next")));
        assert!(!framing.is_torn());
    }

    proptest! {
        #[test]
        fn payloads_come_back_in_any_pieces(
            payloads in proptest::collection::vec(any::<Vec<u8>>(), 0..8), size in 1usize..50,
        ) {
            let file: Vec<u8> = payloads.iter().flat_map(|p| framed(p)).collect();
            let (mut framing, mut records) = (Framing::default(), Vec::new());
            for piece in file.chunks(size) {
                framing.push(piece);
                records.extend(all(&mut framing));
            }
            prop_assert_eq!(records, payloads);
        }

        #[test]
        fn any_bytes_are_records_or_not(bytes: Vec<u8>) {
            let mut framing = Framing::default();
            framing.push(&bytes);
            all(&mut framing);
        }
    }
}
