//! GPUs: a stand-in for NVIDIA's library says what they do; all that reads it is real.

use fleet_testkit::{StandIn, TestFleet, Value, until};

use crate::case::Case;
use crate::story::{about, held, sampled, slowed};

/// The rules about GPUs.
pub(crate) const CASES: &[Case] = &[
    Case {
        rule: "gpu_utilization_low",
        severity: "warning",
        id: "",
        bad: |fleet| held(&on_gpu(fleet, 30, 200_000, "gpu"), 300),
        good: |fleet| held(&on_gpu(fleet, 60, 200_000, "gpu"), 300),
    },
    Case {
        rule: "gpu_hang",
        severity: "critical",
        id: "job",
        bad: |fleet| hung(fleet, 110_000),
        // As busy and as silent, but it draws what work draws.
        good: |fleet| hung(fleet, 550_000),
    },
];

/// Samples of this subject while a process keeps a GPU busy for so many percent of the time, with
/// so many milliwatts of 700 W.
fn on_gpu(fleet: &TestFleet, percent: u32, milliwatts: u32, subject: &str) -> Vec<Value> {
    fleet.spawn("job", "seq 30; exec sleep 600");
    let pid = fleet.pid("job");
    let gpus = StandIn::new(&format!(
        "gpu 0 {percent} 40 81920 20480 61 {milliwatts} NVIDIA H100 80GB HBM3\n\
         set 0 limit_mw 700000\nproc 0 {pid} 1000 {percent}\n"
    ));
    let mut seen = Vec::new();
    until("it has been silent for a moment", || {
        let all = sampled(fleet.run("fleet-metrics").arg("--no-collectors").with_gpus(&gpus));
        seen = about(&all, subject);
        about(&all, "process")[0]["silent_seconds"].as_f64() > Some(0.1)
    });
    seen
}

fn hung(fleet: &TestFleet, milliwatts: u32) -> Vec<Value> {
    let samples = on_gpu(fleet, 100, milliwatts, "process");
    held(&[slowed(&samples[0], 1e5)], 300)
}
