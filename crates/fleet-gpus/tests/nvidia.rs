//! The tool over a stand-in for NVIDIA's library.

use fleet_testkit::{StandIn, TestFleet};

const TWO: &str = "\
gpu 0 87 40 81920 20480 61 412000 NVIDIA H100 80GB HBM3
gpu 1 0 0 81920 512 33 71000 NVIDIA H100 80GB HBM3
proc 0 4242 20000 85
";

#[test]
fn gpus_are_listed_as_samples() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(TWO));
    let samples = fleet.run("fleet-gpus").with_gpus(&gpus).succeeds().records();
    assert_eq!(samples.len(), 2);
    assert_eq!(samples[0]["subject"], "gpu");
    assert_eq!(samples[0]["name"], StandIn::uuid(0).as_str());
    assert_eq!(samples[0]["gpu_memory_bytes"], 20480_u64 << 20);
    assert_eq!(samples[1]["gpu_memory_free_bytes"], (81920_u64 - 512) << 20);
}
