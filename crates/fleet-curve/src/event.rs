//! The messages in tfevents records, as far as scalars need them (`event.proto`, `summary.proto`,
//! `tensor.proto` of TensorFlow). Fields that are not declared are passed over unread.

use prost::Message;

use crate::number::Number;

/// One record.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub(crate) wall_time: f64,
    #[prost(int64, tag = "2")]
    pub(crate) step: i64,
    #[prost(message, optional, tag = "5")]
    pub(crate) summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    pub(crate) session: Option<Session>,
}

/// The same without its values, for who looks for restarts alone.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Head {
    #[prost(int64, tag = "2")]
    pub(crate) step: i64,
    #[prost(message, optional, tag = "7")]
    pub(crate) session: Option<Session>,
}

/// The beginning or the end of a training.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Session {
    #[prost(int32, tag = "1")]
    status: i32,
}

impl Session {
    /// Whether a training begins: what was written before with this step or a later one is stale.
    pub(crate) fn is_start(&self) -> bool {
        self.status == 1
    }
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub(crate) values: Vec<Value>,
}

/// A value under its tag.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Value {
    #[prost(string, tag = "1")]
    pub(crate) tag: String,
    #[prost(float, optional, tag = "2")]
    simple: Option<f32>,
    #[prost(message, optional, tag = "8")]
    tensor: Option<Tensor>,
    #[prost(message, optional, tag = "9")]
    metadata: Option<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(message, optional, tag = "1")]
    plugin: Option<Plugin>,
}

#[derive(Clone, PartialEq, Message)]
struct Plugin {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int32, tag = "1")]
    dtype: i32,
    #[prost(bytes = "vec", tag = "4")]
    content: Vec<u8>,
    #[prost(float, repeated, tag = "5")]
    floats: Vec<f32>,
    #[prost(double, repeated, tag = "6")]
    doubles: Vec<f64>,
    #[prost(int32, repeated, tag = "7")]
    ints: Vec<i32>,
    #[prost(int64, repeated, tag = "10")]
    longs: Vec<i64>,
    #[prost(bool, repeated, tag = "11")]
    bools: Vec<bool>,
    #[prost(int32, repeated, tag = "13")]
    halves: Vec<i32>,
    #[prost(uint32, repeated, tag = "16")]
    unsigned_ints: Vec<u32>,
    #[prost(uint64, repeated, tag = "17")]
    unsigned_longs: Vec<u64>,
}

impl Value {
    /// The plugin of TensorBoard that its tag is for, where this value says so: the first one of a
    /// tag does.
    pub(crate) fn plugin(&self) -> Option<&str> {
        let plugin = self.metadata.as_ref()?.plugin.as_ref()?;
        (!plugin.name.is_empty()).then_some(plugin.name.as_str())
    }

    /// The one number that it holds.
    pub(crate) fn number(&self) -> Option<Number> {
        self.simple.map(Number::Single).or_else(|| self.tensor.as_ref()?.number())
    }
}

impl Tensor {
    /// The only element of a tensor of numbers, in whichever of the encodings it is.
    fn number(&self) -> Option<Number> {
        let bytes = self.content.as_slice();
        let whole = |value: Option<i64>| value.map(Number::Whole);
        match self.dtype {
            1 => {
                one(&self.floats).or_else(|| le(bytes).map(f32::from_le_bytes)).map(Number::Single)
            }
            2 => {
                one(&self.doubles).or_else(|| le(bytes).map(f64::from_le_bytes)).map(Number::Double)
            }
            3 => whole(self.int().or_else(|| le(bytes).map(|b| i32::from_le_bytes(b).into()))),
            4 => whole(self.int().or_else(|| le(bytes).map(|b| u8::from_le_bytes(b).into()))),
            5 => whole(self.int().or_else(|| le(bytes).map(|b| i16::from_le_bytes(b).into()))),
            6 => whole(self.int().or_else(|| le(bytes).map(|b| i8::from_le_bytes(b).into()))),
            9 => whole(one(&self.longs).or_else(|| le(bytes).map(i64::from_le_bytes))),
            10 => whole(one(&self.bools).map(i64::from).or_else(|| le(bytes).map(|[b]| b.into()))),
            14 => {
                self.half(bytes).map(|bits| Number::Single(f32::from_bits(u32::from(bits) << 16)))
            }
            17 => whole(self.int().or_else(|| le(bytes).map(|b| u16::from_le_bytes(b).into()))),
            19 => self.half(bytes).map(|bits| Number::Single(of_half(bits))),
            22 => whole(
                one(&self.unsigned_ints)
                    .or_else(|| le(bytes).map(u32::from_le_bytes))
                    .map(i64::from),
            ),
            23 => one(&self.unsigned_longs).or_else(|| le(bytes).map(u64::from_le_bytes)).map(long),
            _ => None,
        }
    }

    fn int(&self) -> Option<i64> {
        one(&self.ints).map(i64::from)
    }

    fn half(&self, bytes: &[u8]) -> Option<u16> {
        let listed = one(&self.halves).and_then(|bits| u16::try_from(bits).ok());
        listed.or_else(|| le(bytes).map(u16::from_le_bytes))
    }
}

fn one<T: Copy>(values: &[T]) -> Option<T> {
    if let [one] = values { Some(*one) } else { None }
}

fn le<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn long(value: u64) -> Number {
    i64::try_from(value).map_or(Number::Double(value as f64), Number::Whole)
}

/// IEEE 754 binary16.
fn of_half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len() / 2)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn an_event_of_tensorboards_writer() {
        let bytes = unhex("0900001040fc54d94110072a130a110a0a747261696e2f6c6f7373150000003f");
        let event = Event::decode(bytes.as_slice()).unwrap();
        assert_eq!((event.wall_time, event.step), (1_700_000_000.25, 7));
        let value = &event.summary.unwrap().values[0];
        assert_eq!((value.tag.as_str(), value.number()), ("train/loss", Some(Number::Single(0.5))));
    }

    #[test]
    fn every_encoding_of_a_tensor() {
        let content = |dtype, content: &[u8]| Tensor {
            dtype,
            content: content.to_vec(),
            ..Tensor::default()
        };
        for (tensor, number) in [
            (content(1, &unhex("a4707d3f")), Number::Single(0.99)),
            (Tensor { dtype: 1, floats: vec![0.5], ..Tensor::default() }, Number::Single(0.5)),
            (content(2, &0.99f64.to_le_bytes()), Number::Double(0.99)),
            (Tensor { dtype: 2, doubles: vec![-1.5], ..Tensor::default() }, Number::Double(-1.5)),
            (content(3, &(-7i32).to_le_bytes()), Number::Whole(-7)),
            (Tensor { dtype: 3, ints: vec![-7], ..Tensor::default() }, Number::Whole(-7)),
            (content(4, &[200]), Number::Whole(200)),
            (content(5, &(-2i16).to_le_bytes()), Number::Whole(-2)),
            (content(6, &[0xff]), Number::Whole(-1)),
            (content(9, &i64::MIN.to_le_bytes()), Number::Whole(i64::MIN)),
            (Tensor { dtype: 9, longs: vec![3], ..Tensor::default() }, Number::Whole(3)),
            (content(10, &[1]), Number::Whole(1)),
            (Tensor { dtype: 10, bools: vec![true], ..Tensor::default() }, Number::Whole(1)),
            (content(14, &[0x80, 0x3f]), Number::Single(1.0)),
            (content(17, &[0xff, 0xff]), Number::Whole(65535)),
            (content(19, &[0x00, 0x38]), Number::Single(0.5)),
            (Tensor { dtype: 19, halves: vec![0xc000], ..Tensor::default() }, Number::Single(-2.0)),
            (content(19, &[0x01, 0x00]), Number::Single(2f32.powi(-24))),
            (content(22, &u32::MAX.to_le_bytes()), Number::Whole(4_294_967_295)),
            (content(23, &u64::MAX.to_le_bytes()), Number::Double(u64::MAX as f64)),
        ] {
            // Through the wire, which has its own ways of leaving out and packing.
            let tensor = Tensor::decode(tensor.encode_to_vec().as_slice()).unwrap();
            assert_eq!(tensor.number(), Some(number), "{tensor:?}");
        }
        assert!(of_half(0x7e00).is_nan() && of_half(0xfc00) == f32::NEG_INFINITY);
        assert_eq!(content(1, &[0; 8]).number(), None);
        assert_eq!(content(7, b"text").number(), None);
        // Not packed: each element with its own key.
        let tensor = Tensor::decode(&[0x08, 3, 0x38, 5][..]).unwrap();
        assert_eq!(tensor.number(), Some(Number::Whole(5)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_event_or_not(bytes: Vec<u8>) {
            if let Ok(event) = Event::decode(bytes.as_slice()) {
                let values = event.summary.unwrap_or_default().values;
                let _ = values.iter().map(Value::number).count();
            }
            let _ = Head::decode(bytes.as_slice());
        }
    }
}
