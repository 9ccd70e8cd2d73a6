//! The GPUs of a machine: what each does and who uses it.
//!
//! # Theory of operation
//!
//! A GPU is asked through its driver, and drivers block for seconds or for ever, crash, and want
//! their library loaded, which a static program cannot do. So one program, `fleet-gpus`, loads
//! them, and everybody else asks it through a pipe: a [`Request`] in, an [`Answer`] out, each one
//! line of JSON. Who asks never waits longer than the deadline that he gave: [`ask_once`] for one look,
//! [`Gpus`] for a look at every beat, which serves the last good answer with its age meanwhile.
//!
//! Which GPUs a run gets is decided by [`choose`] alone, from a wish, the devices and what the living
//! hold.
//!
//! Where no driver is loaded nothing is started: [`may_have_gpus`] looks at a few paths.

mod allot;
mod ask;
mod child;
mod devices;
mod gpu;
mod missing;
mod presence;
mod request;
mod usage;

pub use allot::{Device, OnIt, Reserved, Shortage, choose, could_be};
pub use ask::{GpuError, Gpus, PROGRAM, Reading, answer_once, ask_once};
pub use devices::{Devices, devices_once};
pub use gpu::{Answer, Gpu, Holder, Use, Vendor};
pub use missing::{Missing, missing};
pub use presence::{NVML_VARIABLE, SYS_VARIABLE, amd_cards, may_have_gpus, may_have_nvidia, sys};
pub use request::Request;
pub use usage::{Usage, usage_by};
