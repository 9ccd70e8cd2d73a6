//! The table for people.

use std::io;

use fleet_cli::{Align, Cell, Column, Out, Table};
use fleet_core::{RunKey, size_text};
use fleet_gpu::Gpu;

use crate::fleet::Stake;

/// So much of a UUID tells the GPUs of one machine apart.
const SHORT: usize = 12;

/// A column.
struct Shown {
    title: &'static str,
    align: Align,
    /// In which tables: in the narrow one, the wide one or both.
    narrow: bool,
    wide: bool,
    text: fn(&Gpu, &Stake) -> Option<String>,
}

const fn both(
    title: &'static str,
    align: Align,
    text: fn(&Gpu, &Stake) -> Option<String>,
) -> Shown {
    Shown { title, align, narrow: true, wide: true, text }
}

const fn wide(
    title: &'static str,
    align: Align,
    text: fn(&Gpu, &Stake) -> Option<String>,
) -> Shown {
    Shown { title, align, narrow: false, wide: true, text }
}

const SHOWN: &[Shown] = &[
    both("INDEX", Align::Left, |gpu, _| Some(index(gpu))),
    Shown {
        title: "UUID",
        align: Align::Left,
        narrow: true,
        wide: false,
        text: |gpu, _| Some(gpu.uuid.chars().take(SHORT).collect()),
    },
    wide("UUID", Align::Left, |gpu, _| Some(gpu.uuid.clone())),
    both("PRODUCT", Align::Left, |gpu, _| gpu.product.clone()),
    both("UTIL", Align::Right, |gpu, _| percent(gpu.measures.gpu_percent)),
    both("MEM", Align::Right, |gpu, _| memory(gpu)),
    both("TEMP", Align::Right, |gpu, _| {
        gpu.measures.temperature_celsius.map(|t| format!("{t:.0}C"))
    }),
    both("POWER", Align::Right, |gpu, _| power(gpu)),
    wide("CLOCK", Align::Right, |gpu, _| gpu.measures.gpu_clock_hertz.map(megahertz)),
    wide("THROTTLED", Align::Left, throttled),
    wide("ECC", Align::Right, |gpu, _| {
        gpu.measures.gpu_ecc_uncorrected_total.map(|n| n.to_string())
    }),
    wide("PCI", Align::Left, |gpu, _| gpu.pci.clone()),
    wide("NUMA", Align::Right, |gpu, _| gpu.numa.map(|node| node.to_string())),
    wide("DRIVER", Align::Left, |gpu, _| gpu.driver.clone()),
    both("USED BY", Align::Left, |_, stake| used_by(stake)),
    both("RESERVED BY", Align::Left, |_, stake| reserved_by(stake)),
    both("LOST", Align::Left, |gpu, _| gpu.lost.clone()),
];

/// Writes the table. Whether a GPU is lost has a column only when one is.
pub(crate) fn table(
    out: &mut Out,
    is_wide: bool,
    gpus: &[Gpu],
    stakes: &[Stake],
) -> io::Result<()> {
    let any_lost = gpus.iter().any(|gpu| gpu.lost.is_some());
    let shown: Vec<&Shown> = SHOWN
        .iter()
        .filter(|shown| if is_wide { shown.wide } else { shown.narrow })
        .filter(|shown| any_lost || shown.title != "LOST")
        .collect();
    let columns = shown.iter().map(|shown| Column { title: shown.title, align: shown.align });
    let mut table = Table::new(columns.collect());
    for (gpu, stake) in gpus.iter().zip(stakes) {
        table.row(shown.iter().map(|shown| Cell::maybe((shown.text)(gpu, stake))).collect());
    }
    table.write(out)
}

/// An instance by its number stands under its GPU.
fn index(gpu: &Gpu) -> String {
    match gpu.parent {
        Some(_) => format!("  .{}", gpu.index),
        None => gpu.index.to_string(),
    }
}

fn percent(share: Option<f64>) -> Option<String> {
    share.map(|share| format!("{share:.0}%"))
}

fn memory(gpu: &Gpu) -> Option<String> {
    let used = gpu.measures.gpu_memory_bytes.map(size_text)?;
    let total = gpu.total_bytes().map(|total| format!("/{}", size_text(total)));
    Some(used + &total.unwrap_or_default())
}

fn power(gpu: &Gpu) -> Option<String> {
    let drawn = gpu.measures.gpu_power_watts?;
    let limit = gpu.measures.gpu_power_limit_watts.map(|limit| format!("/{limit:.0}"));
    Some(format!("{drawn:.0}{}W", limit.unwrap_or_default()))
}

fn megahertz(hertz: u64) -> String {
    format!("{}MHz", hertz / 1_000_000)
}

fn throttled(gpu: &Gpu, _: &Stake) -> Option<String> {
    let reasons = gpu.throttle_reasons.as_ref()?;
    Some(if reasons.is_empty() { "no".to_owned() } else { reasons.join(",") })
}

fn used_by(stake: &Stake) -> Option<String> {
    let (runs, strangers) = stake.users()?;
    let mut words: Vec<String> = runs.into_iter().collect();
    match strangers {
        0 => {}
        1 => words.push("1 other".to_owned()),
        n => words.push(format!("{n} others")),
    }
    (!words.is_empty()).then(|| words.join(","))
}

fn reserved_by(stake: &Stake) -> Option<String> {
    let words: Vec<String> = stake.reserved_by.iter().map(RunKey::to_string).collect();
    (!words.is_empty()).then(|| words.join(","))
}
