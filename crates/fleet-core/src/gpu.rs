//! GPUs that are wanted, and GPUs that were given.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Most GPUs that a number can ask for: no machine has more, not even in MIG instances.
const MOST: u32 = 1024;
/// Longest name of a GPU: that of a MIG instance, as drivers before 470 wrote it.
const LONGEST: usize = 80;

/// Which GPUs: so many, or these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Any so many, at least one.
    Count(u32),
    /// Those whose UUIDs begin so, each another.
    These(Vec<String>),
}

/// GPUs as they are typed: `2`, `GPU-5f3a,GPU-77…`, or `shared:1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GpuSet {
    /// Which.
    pub which: Which,
    /// Whether others who share may have them, too.
    pub shared: bool,
}

/// Why a text names no GPUs.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadGpus {
    /// Neither a number nor UUIDs.
    #[error("{0:?} is no number of GPUs and no UUID; write 1, GPU-5f3a…, or shared:1")]
    Form(String),
    /// A number that no machine has.
    #[error("{0:?} is no number of GPUs; write 1 to {MOST}, or leave it out")]
    Count(String),
    /// Numbers in a list can only be indices.
    #[error(
        "{0:?} names GPUs by their numbers, and the driver and CUDA count in different orders; \
         write their UUIDs, which 'fleet-gpus' lists"
    )]
    Index(String),
    /// One GPU twice.
    #[error("{0:?} names one GPU twice")]
    Twice(String),
}

impl FromStr for GpuSet {
    type Err = BadGpus;

    fn from_str(text: &str) -> Result<GpuSet, BadGpus> {
        let typed = text.trim();
        let (shared, which) = match typed.strip_prefix("shared:") {
            Some(rest) => (true, rest),
            None => (false, typed),
        };
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if is_number(which) {
            let count = which.parse().ok().filter(|count| (1..=MOST).contains(count));
            let count = count.ok_or_else(|| BadGpus::Count(text.to_owned()))?;
            return Ok(GpuSet { which: Which::Count(count), shared });
        }
        let names: Vec<String> = which.split(',').map(|part| part.trim().to_owned()).collect();
        if names.iter().all(|name| is_number(name)) {
            return Err(BadGpus::Index(text.to_owned()));
        }
        if !names.iter().all(|name| is_uuid(name)) {
            return Err(BadGpus::Form(text.to_owned()));
        }
        let twice = names.iter().enumerate().any(|(at, name)| names[..at].contains(name));
        match twice {
            true => Err(BadGpus::Twice(text.to_owned())),
            false => Ok(GpuSet { which: Which::These(names), shared }),
        }
    }
}

/// The beginning of a UUID as NVML and ROCm write it, the word before the dash and something of
/// what follows it.
fn is_uuid(name: &str) -> bool {
    let rest = name.strip_prefix("GPU-").or_else(|| name.strip_prefix("MIG-"));
    rest.is_some_and(|rest| {
        let of_uuid = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'/';
        !rest.is_empty() && name.len() <= LONGEST && rest.bytes().all(of_uuid)
    })
}

impl fmt::Display for GpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.shared { "shared:" } else { "" })?;
        match &self.which {
            Which::Count(count) => write!(f, "{count}"),
            Which::These(names) => f.write_str(&names.join(",")),
        }
    }
}

impl TryFrom<String> for GpuSet {
    type Error = BadGpus;

    fn try_from(text: String) -> Result<GpuSet, BadGpus> {
        text.parse()
    }
}

impl From<GpuSet> for String {
    fn from(set: GpuSet) -> String {
        set.to_string()
    }
}

/// What is wanted of the GPUs of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuWish {
    /// Which, and whether they may be shared.
    pub set: GpuSet,
    /// Only those with at least so much memory free when they are given: nothing holds anybody to
    /// it later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// A GPU that was given to a run, whole or shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuShare {
    /// Its UUID, or that of its MIG instance, as the driver writes it.
    pub uuid: String,
    /// Whether others who share may have it, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
}

impl GpuShare {
    /// Whether it is one of AMD's: ROCm names a GPU by the 16 hexadecimal digits of its
    /// `unique_id`, NVIDIA's UUIDs have dashes in them.
    pub fn is_amd(&self) -> bool {
        let digits = self.uuid.strip_prefix("GPU-");
        digits.is_some_and(|d| d.len() == 16 && d.bytes().all(|b| b.is_ascii_hexdigit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn gpus_as_typed() {
        let read = |text: &str| text.parse::<GpuSet>();
        let set = |which, shared| Ok(GpuSet { which, shared });
        assert_eq!(read("2"), set(Which::Count(2), false));
        assert_eq!(read("shared:1"), set(Which::Count(1), true));
        let two = vec!["GPU-5f3a".to_owned(), "MIG-7".to_owned()];
        assert_eq!(read("GPU-5f3a, MIG-7"), set(Which::These(two), false));
        let old = vec!["MIG-GPU-5f3a/1/0".to_owned()];
        assert_eq!(read("shared:MIG-GPU-5f3a/1/0"), set(Which::These(old), true));
        for text in ["0", "shared:0", "1025", "99999999999999999999"] {
            assert_eq!(read(text), Err(BadGpus::Count(text.into())));
        }
        assert_eq!(read("0,1"), Err(BadGpus::Index("0,1".into())));
        assert_eq!(read("GPU-a,GPU-a"), Err(BadGpus::Twice("GPU-a,GPU-a".into())));
        for text in ["", "-1", "all", "shared", "shared:", "1.5", "GPU-", "GPU-a,", "GPU-a b", "+1"]
        {
            assert_eq!(read(text), Err(BadGpus::Form(text.into())));
        }
    }

    #[test]
    fn the_maker_shows_in_the_uuid() {
        let is_amd = |uuid: &str| GpuShare { uuid: uuid.into(), shared: false }.is_amd();
        assert!(is_amd("GPU-6b4e2f1a9c8d7e35"));
        assert!(!is_amd("GPU-5f3a0000-0000-0000-0000-000000000001"));
        assert!(!is_amd("MIG-6b4e2f1a9c8d7e35"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,30}|(shared:)?((GPU|MIG)-[0-9a-f/-]{0,9},?){0,3}") {
            if let Ok(set) = text.parse::<GpuSet>() {
                prop_assert_eq!(set.to_string().parse(), Ok(set));
            }
        }
    }
}
