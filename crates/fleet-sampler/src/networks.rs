//! The samples of network interfaces.

use std::path::Path;

use fleet_core::{Measures, Sample, Subject};
use fleet_os::{Interface, Reader, interfaces};

use crate::Part;
use crate::host::collect;

/// A sample of each interface through which traffic leaves the machine.
pub(crate) fn sample(
    reader: &mut Reader,
    sys: &Path,
    part: &mut Part<'_>,
    problems: &mut Vec<String>,
) -> Vec<Sample> {
    // The file in the root of /proc is a link to this one.
    let found = collect(reader, "self/net/dev", problems, |text| Some(interfaces(text, sys)));
    found.unwrap_or_default().into_iter().map(|one| of_interface(one, part)).collect()
}

fn of_interface(interface: Interface, part: &mut Part<'_>) -> Sample {
    let traffic = interface.traffic;
    let counts = [
        traffic.receive_bytes,
        traffic.transmit_bytes,
        traffic.receive_packets,
        traffic.transmit_packets,
        traffic.errors,
        traffic.dropped,
    ];
    let mut sample = Sample::new(Subject::Network, part.at.ts);
    fill(&mut sample.measures, part.totals(&format!("network {}", interface.name), counts));
    sample.name = Some(interface.name);
    sample
}

/// Puts the sum over the interfaces into the sample of the host; it goes on when one of them is
/// taken away.
pub(crate) fn add_up(host: &mut Sample, networks: &[Sample], part: &mut Part<'_>) {
    if networks.is_empty() {
        return;
    }
    let sum = |of: fn(&Measures) -> Option<u64>| {
        networks.iter().filter_map(|one| of(&one.measures)).fold(0, u64::saturating_add)
    };
    let sums = [
        sum(|m| m.network_receive_bytes),
        sum(|m| m.network_transmit_bytes),
        sum(|m| m.network_receive_packets),
        sum(|m| m.network_transmit_packets),
        sum(|m| m.network_errors),
        sum(|m| m.network_dropped),
    ];
    fill(&mut host.measures, part.totals("host", sums));
}

fn fill(measures: &mut Measures, totals: [Option<u64>; 6]) {
    let [receive, transmit, received, transmitted, errors, dropped] = totals;
    measures.network_receive_bytes = receive;
    measures.network_transmit_bytes = transmit;
    measures.network_receive_packets = received;
    measures.network_transmit_packets = transmitted;
    measures.network_errors = errors;
    measures.network_dropped = dropped;
}
