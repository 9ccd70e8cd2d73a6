//! Which GPUs a run gets.
//!
//! A GPU is given whole to one run, or shared to several that all said that they share. Who holds
//! what is told by the records of the living; the driver is asked only for what is there, how much
//! memory is free and who computes. So nothing here looks at the machine: the same wish, devices
//! and reservations always give the same answer.

use std::cmp::Reverse;

use fleet_core::{GpuShare, GpuWish, Id, Which, size_text};
use serde::Deserialize;

use crate::Vendor;

/// What an allotment has to know of a GPU or a MIG instance: a part of [`crate::Gpu`], so that a
/// supervisor need not carry all the rest.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Device {
    /// Its name for good.
    pub uuid: String,
    /// Number among the GPUs of its driver.
    pub index: u32,
    /// Whose it is.
    pub vendor: Vendor,
    /// UUID of the GPU that this MIG instance is a part of.
    #[serde(default)]
    pub parent: Option<String>,
    /// MIG is enabled: work runs on its instances alone.
    #[serde(default)]
    pub divided: bool,
    /// Why nothing can be had from it any more.
    #[serde(default)]
    pub lost: Option<String>,
    /// All its memory.
    #[serde(default, rename = "gpu_memory_total_bytes")]
    pub total_bytes: Option<u64>,
    /// Memory that nobody uses.
    #[serde(default, rename = "gpu_memory_free_bytes")]
    pub free_bytes: Option<u64>,
    /// Who is on it; absent where the driver would not say.
    #[serde(default)]
    pub holders: Option<Vec<OnIt>>,
}

/// A process on a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct OnIt {
    /// As the driver numbers processes.
    pub pid: i32,
}

impl Device {
    /// The processes that the driver knows on it.
    pub fn pids(&self) -> impl Iterator<Item = i32> + '_ {
        self.holders.iter().flatten().map(|on_it| on_it.pid)
    }

    fn takes_work(&self) -> bool {
        self.lost.is_none() && !self.divided
    }
}

/// A GPU that a living run holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// Whose it is.
    pub by: Id,
    /// Which one, and whether it is shared.
    pub share: GpuShare,
}

impl Reserved {
    /// Whether it stands in the way of work on this device, which may be a part of it.
    fn is_of(&self, device: &Device) -> bool {
        self.share.uuid == device.uuid || device.parent.as_ref() == Some(&self.share.uuid)
    }
}

/// Why a wish is not met, as a sentence about who has it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    /// Others have what is wanted; when they end it can be met.
    #[error("{0}")]
    Now(String),
    /// This machine has not what is wanted.
    #[error("{0}")]
    Never(String),
}

/// Chooses GPUs for a wish: of one vendor, those first that nobody computes on and then those with
/// the most free memory; shared ones so that the fewest have each.
///
/// # Errors
/// The wish cannot be met now, or by this machine ever.
pub fn choose(
    wish: &GpuWish,
    devices: &[Device],
    reserved: &[Reserved],
) -> Result<Vec<GpuShare>, Shortage> {
    let candidates = candidates(wish, devices)?;
    let wanted = match &wish.set.which {
        Which::Count(count) => *count as usize,
        Which::These(names) => names.len(),
    };
    can_ever(wish, wanted, &candidates)?;
    let judged: Vec<_> =
        candidates.iter().map(|device| (*device, judge(wish, device, reserved))).collect();
    let named = matches!(wish.set.which, Which::These(_));
    for vendor in [Vendor::Nvidia, Vendor::Amd] {
        let mut free: Vec<(&Rank, &Device)> = judged
            .iter()
            .filter(|(device, _)| named || device.vendor == vendor)
            .filter_map(|(device, verdict)| Some((verdict.as_ref().ok()?, *device)))
            .collect();
        if free.len() < wanted {
            continue;
        }
        // Who names them says in which order the program finds them.
        if !named {
            free.sort_by_key(|(rank, _)| **rank);
            free.truncate(wanted);
            free.sort_by_key(|(_, device)| device.index);
        }
        let shared = wish.set.shared;
        let share = |(_, device): (_, &Device)| GpuShare { uuid: device.uuid.clone(), shared };
        return Ok(free.into_iter().map(share).collect());
    }
    Err(Shortage::Now(shortage(wish, wanted, &judged)))
}

/// Whether a wish could be met if nobody else had any GPU.
///
/// # Errors
/// It could not: always [`Shortage::Never`].
pub fn could_be(wish: &GpuWish, devices: &[Device]) -> Result<(), Shortage> {
    match choose(wish, devices, &[]) {
        Err(never @ Shortage::Never(_)) => Err(never),
        _ => Ok(()),
    }
}

/// The devices that may be given: those that are named, or all that take work.
fn candidates<'a>(wish: &GpuWish, devices: &'a [Device]) -> Result<Vec<&'a Device>, Shortage> {
    let Which::These(names) = &wish.set.which else {
        return Ok(devices.iter().filter(|device| device.takes_work()).collect());
    };
    let mut found: Vec<&Device> = Vec::new();
    for name in names {
        let device = named(name, devices)?;
        if found.contains(&device) {
            return Err(Shortage::Never(format!("'{name}' names '{}' once more", device.uuid)));
        }
        found.push(device);
    }
    Ok(found)
}

fn named<'a>(name: &str, devices: &'a [Device]) -> Result<&'a Device, Shortage> {
    let begins = |uuid: &str| uuid.get(..name.len()).is_some_and(|b| b.eq_ignore_ascii_case(name));
    let found: Vec<&Device> = devices.iter().filter(|device| begins(&device.uuid)).collect();
    let never = |words: String| Err(Shortage::Never(words));
    match found.as_slice() {
        [] => never(format!("there is no GPU '{name}' here; there {}", list(devices.iter()))),
        [device] if device.divided => {
            let parts = devices.iter().filter(|d| d.parent.as_ref() == Some(&device.uuid));
            never(format!("'{}' is divided into MIG instances; there {}", device.uuid, list(parts)))
        }
        [device] => Ok(device),
        several => never(format!(
            "the UUIDs of {} GPUs begin with '{name}', write more of it; there {}",
            several.len(),
            list(several.iter().copied())
        )),
    }
}

/// The UUIDs, as the end of a sentence.
fn list<'a>(devices: impl Iterator<Item = &'a Device>) -> String {
    let uuids: Vec<String> = devices.map(|device| format!("'{}'", device.uuid)).collect();
    match uuids.as_slice() {
        [] => "is none".to_owned(),
        [one] => format!("is {one}"),
        several => format!("are {}", some_of(several)),
    }
}

/// The first ones of many.
fn some_of(words: &[String]) -> String {
    const SHOWN: usize = 16;
    let more = words.len().saturating_sub(SHOWN);
    let shown = words[..words.len() - more].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

fn can_ever(wish: &GpuWish, wanted: usize, candidates: &[&Device]) -> Result<(), Shortage> {
    let of = |vendor| candidates.iter().filter(|device| device.vendor == vendor).count();
    let most = of(Vendor::Nvidia).max(of(Vendor::Amd));
    if most < wanted && matches!(wish.set.which, Which::Count(_)) {
        let words = format!("{}, and this machine has {most} that take work", wants(wish, wanted));
        return Err(Shortage::Never(words));
    }
    let Some(bytes) = wish.memory_bytes else { return Ok(()) };
    let total = |device: &&Device| device.total_bytes.unwrap_or(u64::MAX);
    let large = candidates.iter().filter(|device| total(device) >= bytes).count();
    match candidates.iter().map(total).max() {
        Some(largest) if large < wanted => {
            let largest = size_text(largest);
            let words = format!(
                "{}, and only {large} are so large; the largest has {largest}",
                wants(wish, wanted)
            );
            Err(Shortage::Never(words))
        }
        _ => Ok(()),
    }
}

/// How good a device is that may be given, the best one first: how many share it already, whether
/// somebody is on it, how little memory is used, its number.
type Rank = (usize, bool, Reverse<u64>, u32);

/// Whether a device may be given, or why not in words that follow its name.
fn judge(wish: &GpuWish, device: &Device, reserved: &[Reserved]) -> Result<Rank, String> {
    if let Some(why) = &device.lost {
        return Err(format!("is lost ({why})"));
    }
    let theirs: Vec<&Reserved> = reserved.iter().filter(|one| one.is_of(device)).collect();
    let in_the_way = |one: &&&Reserved| !wish.set.shared || !one.share.shared;
    if let Some(one) = theirs.iter().find(in_the_way) {
        let others = match theirs.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        return Err(format!("is held by '{}'{others}", one.by));
    }
    if let Some(bytes) = wish.memory_bytes {
        match device.free_bytes {
            Some(free) if free >= bytes => {}
            Some(free) => return Err(format!("has only {} free", size_text(free))),
            None => return Err("does not tell how much memory is free".to_owned()),
        }
    }
    let used = device.pids().next().is_some();
    Ok((theirs.len(), used, Reverse(device.free_bytes.unwrap_or(0)), device.index))
}

fn wants(wish: &GpuWish, wanted: usize) -> String {
    let shared = if wish.set.shared { "shared " } else { "" };
    let s = if wanted == 1 { "" } else { "s" };
    let memory =
        wish.memory_bytes.map_or(String::new(), |b| format!(" with {} free", size_text(b)));
    format!("wants {wanted} {shared}GPU{s}{memory}")
}

fn shortage(wish: &GpuWish, wanted: usize, judged: &[(&Device, Result<Rank, String>)]) -> String {
    let refused: Vec<String> = judged
        .iter()
        .filter_map(|(device, verdict)| {
            Some(format!("'{}' {}", device.uuid, verdict.as_ref().err()?))
        })
        .collect();
    let free = judged.len() - refused.len();
    let is = if free == 1 { "is" } else { "are" };
    format!(
        "{}, and {free} of {} {is} free: {}",
        wants(wish, wanted),
        judged.len(),
        some_of(&refused)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GIB: u64 = 1 << 30;

    fn device(uuid: &str, index: u32) -> Device {
        Device {
            uuid: uuid.to_owned(),
            index,
            vendor: Vendor::Nvidia,
            parent: None,
            divided: false,
            lost: None,
            total_bytes: Some(80 * GIB),
            free_bytes: Some(79 * GIB),
            holders: Some(Vec::new()),
        }
    }

    fn machine(count: u32) -> Vec<Device> {
        (0..count).map(|index| device(&format!("GPU-{index:04}"), index)).collect()
    }

    fn wish(set: &str) -> GpuWish {
        GpuWish { set: set.parse().unwrap(), memory_bytes: None }
    }

    fn held(by: &str, uuid: &str, shared: bool) -> Reserved {
        Reserved { by: by.parse().unwrap(), share: GpuShare { uuid: uuid.to_owned(), shared } }
    }

    fn chosen(wish: &GpuWish, devices: &[Device], reserved: &[Reserved]) -> Vec<String> {
        choose(wish, devices, reserved).unwrap().into_iter().map(|share| share.uuid).collect()
    }

    fn now(wish: &GpuWish, devices: &[Device], reserved: &[Reserved]) -> String {
        match choose(wish, devices, reserved) {
            Err(Shortage::Now(words)) => words,
            other => panic!("{other:?}"),
        }
    }

    fn never(wish: &GpuWish, devices: &[Device]) -> String {
        match could_be(wish, devices) {
            Err(Shortage::Never(words)) => words,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_whole_gpu_is_nobody_elses_and_best_unused_with_most_memory() {
        let mut all = machine(4);
        all[1].holders = Some(vec![OnIt { pid: 7 }]);
        all[3].free_bytes = Some(80 * GIB);
        let held = [held("a", "GPU-0000", false)];
        assert_eq!(chosen(&wish("1"), &all, &held), ["GPU-0003"]);
        assert_eq!(chosen(&wish("2"), &all, &held), ["GPU-0002", "GPU-0003"]);
        assert_eq!(chosen(&wish("3"), &all, &held), ["GPU-0001", "GPU-0002", "GPU-0003"]);
        let words = now(&wish("4"), &all, &held);
        assert_eq!(words, "wants 4 GPUs, and 3 of 4 are free: 'GPU-0000' is held by 'a'");
        let words = never(&wish("5"), &all);
        assert_eq!(words, "wants 5 GPUs, and this machine has 4 that take work");
    }

    #[test]
    fn shared_ones_are_spread_and_never_with_a_whole_holder() {
        let all = machine(2);
        let mut reserved = vec![held("whole", "GPU-0000", false)];
        for sharer in ["a", "b"] {
            assert_eq!(chosen(&wish("shared:1"), &all, &reserved), ["GPU-0001"]);
            reserved.push(held(sharer, "GPU-0001", true));
        }
        let words = now(&wish("1"), &all, &reserved);
        assert!(
            words.ends_with("'GPU-0000' is held by 'whole', 'GPU-0001' is held by 'a' and 1 more"),
            "{words}"
        );
        reserved.remove(0);
        assert_eq!(chosen(&wish("shared:2"), &all, &reserved), ["GPU-0000", "GPU-0001"]);
        reserved.push(held("c", "GPU-0000", true));
        assert_eq!(chosen(&wish("shared:1"), &all, &reserved), ["GPU-0000"]);
    }

    #[test]
    fn named_ones_are_found_by_the_beginning_of_their_uuids() {
        let mut all = machine(2);
        all.push(device("GPU-ab", 2));
        assert_eq!(chosen(&wish("GPU-AB,GPU-0001"), &all, &[]), ["GPU-ab", "GPU-0001"]);
        assert!(never(&wish("GPU-00"), &all).contains("2 GPUs begin with 'GPU-00'"));
        assert!(never(&wish("GPU-a,GPU-ab"), &all).contains("names 'GPU-ab' once more"));
        let words = never(&wish("GPU-77"), &all);
        assert_eq!(
            words,
            "there is no GPU 'GPU-77' here; there are 'GPU-0000', 'GPU-0001', 'GPU-ab'"
        );
        assert!(now(&wish("GPU-ab"), &all, &[held("a", "GPU-ab", true)]).contains("held by 'a'"));
    }

    #[test]
    fn memory_only_filters() {
        let mut all = machine(2);
        all[0].free_bytes = Some(3 * GIB);
        let wanted = |gib: u64| GpuWish { memory_bytes: Some(gib * GIB), ..wish("1") };
        assert_eq!(chosen(&wanted(10), &all, &[]), ["GPU-0001"]);
        all[1].free_bytes = None;
        let words = now(&wanted(10), &all, &[]);
        assert!(words.contains("'GPU-0000' has only 3.0G free"), "{words}");
        assert!(words.contains("'GPU-0001' does not tell"), "{words}");
        assert!(never(&wanted(100), &all).contains("the largest has"));
    }

    #[test]
    fn what_takes_no_work_is_not_given() {
        let mut all = machine(2);
        all[0].divided = true;
        all[1].lost = Some("it fell off the bus".to_owned());
        let part = Device { parent: Some("GPU-0000".into()), ..device("MIG-1", 0) };
        all.push(part);
        assert_eq!(chosen(&wish("1"), &all, &[]), ["MIG-1"]);
        assert!(never(&wish("2"), &all).ends_with("has 1 that take work"));
        let words = never(&wish("GPU-0000"), &all);
        assert_eq!(words, "'GPU-0000' is divided into MIG instances; there is 'MIG-1'");
        assert!(now(&wish("GPU-0001"), &all, &[]).contains("is lost (it fell off the bus)"));
        assert!(now(&wish("1"), &all, &[held("a", "GPU-0000", false)]).contains("held by 'a'"));
    }

    #[test]
    fn gpus_of_two_makers_are_not_given_together() {
        let mut all = machine(3);
        all[0].vendor = Vendor::Amd;
        all[1].vendor = Vendor::Amd;
        assert_eq!(chosen(&wish("2"), &all, &[]), ["GPU-0000", "GPU-0001"]);
        assert_eq!(chosen(&wish("1"), &all, &[]), ["GPU-0002"]);
        assert!(never(&wish("3"), &all).contains("has 2 that take work"));
    }

    #[test]
    fn a_device_is_read_from_what_fleet_gpus_says() {
        let mut gpu = crate::Gpu::new("GPU-1".into(), 3, Vendor::Amd);
        gpu.measures.gpu_memory_free_bytes = Some(5);
        let text = serde_json::to_string(&gpu).unwrap();
        let device: Device = serde_json::from_str(&text).unwrap();
        assert_eq!((device.uuid.as_str(), device.index, device.free_bytes), ("GPU-1", 3, Some(5)));
        assert_eq!((device.holders, device.total_bytes), (None, None));
    }

    proptest! {
        /// Whatever order wishes come in: nobody gets a whole GPU that another has.
        #[test]
        fn no_gpu_is_given_twice(wishes in prop::collection::vec((1_u32..4, any::<bool>()), 0..12)) {
            let all = machine(4);
            let mut reserved: Vec<Reserved> = Vec::new();
            for (at, (count, shared)) in wishes.into_iter().enumerate() {
                let set = if shared { format!("shared:{count}") } else { count.to_string() };
                if let Ok(shares) = choose(&wish(&set), &all, &reserved) {
                    prop_assert_eq!(shares.len(), count as usize);
                    reserved.extend(shares.into_iter().map(|share| held(&format!("p{at}"), &share.uuid, share.shared)));
                }
            }
            for one in &reserved {
                let others = reserved.iter().filter(|o| o.share.uuid == one.share.uuid && o.by != one.by);
                prop_assert!(others.clone().all(|other| one.share.shared && other.share.shared));
                let own = reserved.iter().filter(|o| o.share.uuid == one.share.uuid && o.by == one.by);
                prop_assert_eq!(own.count(), 1);
            }
        }
    }
}
