//! What a GPU does.

use fleet_core::Measures;
use fleet_gpu::Gpu;
use nvml_wrapper::Device;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, EccCounter, MemoryError, TemperatureSensor};

use super::calls::{Calls, given32, given64, percent};

/// Reads all that the driver tells of a GPU.
pub(crate) fn measure(device: &Device<'_>, calls: &mut Calls<'_>, gpu: &mut Gpu) {
    memory(device, calls, &mut gpu.measures);
    utilization(device, calls, &mut gpu.measures);
    power(device, calls, &mut gpu.measures);
    clocks(device, calls, &mut gpu.measures);
    errors(device, calls, &mut gpu.measures);
    throttling(device, calls, gpu);
}

/// Reads the memory, which is all that there is to read of a MIG instance.
pub(crate) fn memory(device: &Device<'_>, calls: &mut Calls<'_>, measures: &mut Measures) {
    let Some(memory) = calls.get("memory", || device.memory_info()) else { return };
    measures.gpu_memory_total_bytes = given64(memory.total);
    measures.gpu_memory_free_bytes = given64(memory.free);
    measures.gpu_memory_bytes = given64(memory.used);
    let parts = measures.gpu_memory_bytes.zip(measures.gpu_memory_total_bytes);
    measures.gpu_memory_percent =
        parts.filter(|(_, total)| *total > 0).map(|(used, total)| share(used, total));
}

/// Hundredths of a percent are all that anybody reads.
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    (part as f64 / whole as f64 * 10_000.0).round() / 100.0
}

fn utilization(device: &Device<'_>, calls: &mut Calls<'_>, measures: &mut Measures) {
    if let Some(rates) = calls.get("utilization", || device.utilization_rates()) {
        measures.gpu_percent = percent(rates.gpu);
        measures.gpu_memory_busy_percent = percent(rates.memory);
    }
    let encoder = calls.get("encoder's utilization", || device.encoder_utilization());
    measures.gpu_encoder_percent = encoder.and_then(|encoder| percent(encoder.utilization));
    let decoder = calls.get("decoder's utilization", || device.decoder_utilization());
    measures.gpu_decoder_percent = decoder.and_then(|decoder| percent(decoder.utilization));
}

fn power(device: &Device<'_>, calls: &mut Calls<'_>, measures: &mut Measures) {
    let watts = |milliwatts| given32(milliwatts).map(|milliwatts| f64::from(milliwatts) / 1000.0);
    measures.gpu_power_watts = calls.get("power", || device.power_usage()).and_then(watts);
    let limit = calls.get("power limit", || device.enforced_power_limit());
    measures.gpu_power_limit_watts = limit.and_then(watts);
    let energy = calls.get("energy", || device.total_energy_consumption()).and_then(given64);
    measures.gpu_energy_joules_total = energy.map(|millijoules| millijoules as f64 / 1000.0);
    let heat = calls.get("temperature", || device.temperature(TemperatureSensor::Gpu));
    measures.temperature_celsius = heat.and_then(given32).map(f64::from);
    // A GPU that is cooled by its server has no fan.
    let fan = calls.get("fan", || device.fan_speed(0));
    measures.gpu_fan_percent = fan.and_then(percent);
}

fn clocks(device: &Device<'_>, calls: &mut Calls<'_>, measures: &mut Measures) {
    let hertz = |megahertz| given32(megahertz).map(|megahertz| u64::from(megahertz) * 1_000_000);
    let clock = calls.get("clock", || device.clock_info(Clock::SM));
    measures.gpu_clock_hertz = clock.and_then(hertz);
    let highest = calls.get("highest clock", || device.max_clock_info(Clock::SM));
    measures.gpu_clock_max_hertz = highest.and_then(hertz);
    let memory = calls.get("memory clock", || device.clock_info(Clock::Memory));
    measures.gpu_memory_clock_hertz = memory.and_then(hertz);
}

fn errors(device: &Device<'_>, calls: &mut Calls<'_>, measures: &mut Measures) {
    let count = |kind: MemoryError| move || device.total_ecc_errors(kind, EccCounter::Volatile);
    let corrected = calls.get("corrected memory errors", count(MemoryError::Corrected));
    measures.gpu_ecc_corrected_total = corrected.and_then(given64);
    let uncorrected = calls.get("uncorrected memory errors", count(MemoryError::Uncorrected));
    measures.gpu_ecc_uncorrected_total = uncorrected.and_then(given64);
    let replays = calls.get("PCI replays", || device.pcie_replay_counter());
    measures.gpu_pcie_replays_total = replays.and_then(given32).map(u64::from);
}

/// The reasons by their words, and which of the three measures each of them sets. An idle GPU and a
/// chosen clock throttle nothing.
const REASONS: &[(ThrottleReasons, &str)] = &[
    (ThrottleReasons::GPU_IDLE, "idle"),
    (ThrottleReasons::APPLICATIONS_CLOCKS_SETTING, "applications_clocks_setting"),
    (ThrottleReasons::SW_POWER_CAP, "sw_power_cap"),
    (ThrottleReasons::HW_SLOWDOWN, "hw_slowdown"),
    (ThrottleReasons::SYNC_BOOST, "sync_boost"),
    (ThrottleReasons::SW_THERMAL_SLOWDOWN, "sw_thermal_slowdown"),
    (ThrottleReasons::HW_THERMAL_SLOWDOWN, "hw_thermal_slowdown"),
    (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "hw_power_brake_slowdown"),
    (ThrottleReasons::DISPLAY_CLOCK_SETTING, "display_clock_setting"),
];
const POWER: ThrottleReasons =
    ThrottleReasons::SW_POWER_CAP.union(ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN);
const THERMAL: ThrottleReasons =
    ThrottleReasons::SW_THERMAL_SLOWDOWN.union(ThrottleReasons::HW_THERMAL_SLOWDOWN);
const HARDWARE: ThrottleReasons = ThrottleReasons::HW_SLOWDOWN
    .union(ThrottleReasons::HW_THERMAL_SLOWDOWN)
    .union(ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN);

fn throttling(device: &Device<'_>, calls: &mut Calls<'_>, gpu: &mut Gpu) {
    let reasons = calls.get("throttle reasons", || device.current_throttle_reasons());
    let Some(reasons) = reasons else { return };
    gpu.throttle_reasons = Some(words(reasons));
    let has = |any: ThrottleReasons| Some(u64::from(reasons.intersects(any)));
    gpu.measures.gpu_throttled_power = has(POWER);
    gpu.measures.gpu_throttled_thermal = has(THERMAL);
    gpu.measures.gpu_throttled_hardware = has(HARDWARE);
}

fn words(reasons: ThrottleReasons) -> Vec<String> {
    let known = REASONS.iter().filter(|(reason, _)| reasons.contains(*reason));
    known.map(|(_, word)| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_word() {
        let named: ThrottleReasons = REASONS.iter().map(|(reason, _)| *reason).collect();
        assert_eq!(named, ThrottleReasons::all());
        assert_eq!(
            words(ThrottleReasons::from_bits_truncate(4 | 64)),
            ["sw_power_cap", "hw_thermal_slowdown"]
        );
    }

    #[test]
    fn shares_have_two_digits() {
        assert_eq!(share(1, 3), 33.33);
    }
}
