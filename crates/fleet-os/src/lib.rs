//! Everything of fleet that is Linux.
mod boot;
mod clock;
mod files;
mod host;
mod proc;
mod reader;
mod tree;
mod usage;
pub use boot::boot_id;
pub use clock::{boot_clock, page_bytes, ticks_per_second};
pub use files::{ProcessFiles, Reader, has_gone};
pub use host::{Cpu, HostMemory, Load};
pub use proc::{Proc, Stat};
pub use reader::sleep_unless_left;
pub use tree::descendants;
pub use usage::{Io, Rollup};
