//! The errors that the driver tells of a GPU, by the numbers of NVIDIA's table of XIDs.

use fleet_core::Measures;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, EventSet, Nvml};

use super::calls::Calls;

/// More than these are left for the next look.
const MOST: usize = 1000;

/// Counts the errors of a GPU. The driver tells only of those that happen while somebody listens,
/// so that there are none in the first answer.
#[derive(Default)]
pub(crate) struct XidWatch {
    listening: Listening,
    count: u64,
    last: Option<u64>,
}

#[derive(Default)]
enum Listening {
    /// One look may be all there is; listening starts with its end.
    #[default]
    NotYet,
    /// Not to this GPU, or not with this driver.
    Cannot,
    To(EventSet<'static>),
}

impl XidWatch {
    /// Takes what was told since the last look.
    pub(crate) fn look(
        &mut self,
        nvml: &'static Nvml,
        device: &Device<'static>,
        calls: &mut Calls<'_>,
        measures: &mut Measures,
    ) {
        match &self.listening {
            Listening::NotYet => self.listening = listen(nvml, device, calls),
            Listening::Cannot => {}
            Listening::To(events) => {
                for _ in 0..MOST {
                    let Some(Some(xid)) = calls.get("errors (XID)", || next(events)) else { break };
                    self.count += 1;
                    self.last = xid.or(self.last);
                }
                measures.gpu_xid_errors_total = Some(self.count);
                measures.gpu_xid = self.last;
            }
        }
    }
}

fn listen(nvml: &'static Nvml, device: &Device<'static>, calls: &mut Calls<'_>) -> Listening {
    let register = || {
        let events = nvml.create_event_set()?;
        device.register_events(EventTypes::CRITICAL_XID_ERROR, events).map_err(|e| e.error)
    };
    calls.get("errors (XID)", register).map_or(Listening::Cannot, Listening::To)
}

/// The next error, by its number if it has one; `None` when there is none.
fn next(events: &EventSet<'static>) -> Result<Option<Option<u64>>, NvmlError> {
    match events.wait(0) {
        Ok(event) => Ok(Some(match event.event_data {
            Some(XidError::Value(xid)) => Some(xid),
            _ => None,
        })),
        Err(NvmlError::Timeout) => Ok(None),
        Err(error) => Err(error),
    }
}
