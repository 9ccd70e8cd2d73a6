//! NVIDIA's own binding of NVML for Python says the same of the same library: so the stand-in speaks as
//! NVML does, and what is read of it is right.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod support;

use std::env;
use std::os::unix::fs::symlink;
use std::process::Command;

use fleet_testkit::StandIn;
use serde_json::{Value, json};
use support::{Server, TWO, gpu};

const ASK: &str = "
import json
from pynvml import *
nvmlInit()
gpu = nvmlDeviceGetHandleByIndex(0)
rates, memory = nvmlDeviceGetUtilizationRates(gpu), nvmlDeviceGetMemoryInfo(gpu, nvmlMemory_v2)
shares = {s.pid: s.smUtil for s in nvmlDeviceGetProcessUtilization(gpu, 0)}
def on(how, processes):
    return [dict(pid=p.pid, use=how, memory_bytes=p.usedGpuMemory, percent=float(shares.get(p.pid, 0)))
            for p in processes]
print(json.dumps(dict(
    uuid=nvmlDeviceGetUUID(gpu), product=nvmlDeviceGetName(gpu), driver=nvmlSystemGetDriverVersion(),
    pci=nvmlDeviceGetPciInfo_v3(gpu).busIdLegacy,
    gpu_percent=float(rates.gpu), gpu_memory_busy_percent=float(rates.memory),
    gpu_memory_bytes=memory.used, gpu_memory_free_bytes=memory.free, gpu_memory_total_bytes=memory.total,
    temperature_celsius=float(nvmlDeviceGetTemperature(gpu, NVML_TEMPERATURE_GPU)),
    gpu_power_watts=nvmlDeviceGetPowerUsage(gpu) / 1000,
    gpu_power_limit_watts=nvmlDeviceGetEnforcedPowerLimit(gpu) / 1000,
    gpu_energy_joules_total=nvmlDeviceGetTotalEnergyConsumption(gpu) / 1000,
    gpu_clock_hertz=nvmlDeviceGetClockInfo(gpu, NVML_CLOCK_SM) * 10**6,
    gpu_clock_max_hertz=nvmlDeviceGetMaxClockInfo(gpu, NVML_CLOCK_SM) * 10**6,
    gpu_memory_clock_hertz=nvmlDeviceGetClockInfo(gpu, NVML_CLOCK_MEM) * 10**6,
    gpu_fan_percent=float(nvmlDeviceGetFanSpeed_v2(gpu, 0)),
    gpu_encoder_percent=float(nvmlDeviceGetEncoderUtilization(gpu)[0]),
    gpu_decoder_percent=float(nvmlDeviceGetDecoderUtilization(gpu)[0]),
    gpu_ecc_corrected_total=nvmlDeviceGetTotalEccErrors(gpu, NVML_MEMORY_ERROR_TYPE_CORRECTED, NVML_VOLATILE_ECC),
    gpu_ecc_uncorrected_total=nvmlDeviceGetTotalEccErrors(gpu, NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC),
    gpu_pcie_replays_total=nvmlDeviceGetPcieReplayCounter(gpu),
    throttle_reasons=['sw_power_cap'] if nvmlDeviceGetCurrentClocksThrottleReasons(gpu) ==
        nvmlClocksThrottleReasonSwPowerCap else None,
    holders=on('compute', nvmlDeviceGetComputeRunningProcesses_v3(gpu)) +
        on('graphics', nvmlDeviceGetGraphicsRunningProcesses_v3(gpu)))))
";

#[test]
fn nvidias_own_binding_says_the_same() {
    let tests = env::current_exe().unwrap();
    let python = tests.ancestors().nth(3).unwrap().join("metrics-venv/bin/python");
    let has = Command::new(&python).args(["-c", "import pynvml"]).output();
    if !has.is_ok_and(|ran| ran.status.success()) {
        eprintln!("passed over: no pynvml in target/metrics-venv, scripts/setup.sh installs it");
        return;
    }
    let gpus = StandIn::new(TWO);
    let [(_, library), state] = gpus.variables();
    symlink(library, gpus.folder().join("libnvidia-ml.so.1")).unwrap();
    let mut ask = Command::new(python);
    ask.args(["-c", ASK]).env("LD_LIBRARY_PATH", gpus.folder()).env(state.0, state.1);
    let ran = ask.output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let theirs: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let ours = json!(gpu(&Server::start(&gpus).ask(), 0));
    for (name, value) in theirs.as_object().unwrap() {
        assert_eq!(&ours[name], value, "{name}");
    }
}
