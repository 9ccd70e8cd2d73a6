//! Everything of fleet that is Linux, behind plain functions, and all of its `unsafe`.
//!
//! # Theory of operation
//!
//! *Identity.* A pid alone may name a stranger. [`PidFd::of`] first takes hold of whatever has the
//! pid, then compares it with what was recorded, and signals go through that hold.
//!
//! *Starting.* [`Launch`] prepares everything before the fork, for the child may not allocate;
//! the child tells through shared words how far it came, so that whoever dies in between leaves
//! the truth behind.
//!
//! *Limiting.* [`make_cgroup`] finds where this process may make a cgroup, of either version, and
//! [`Cgroup`] is one that was made; a child puts itself under its [`Terms`] before it becomes the
//! command.
//!
//! *Surviving.* [`Shared`] is memory that a family of processes shares. Output is moved into it
//! by the kernel, which counts in the same system call what it moved.
//!
//! *Looking.* [`Proc`] reads /proc one process at a time, by number; it takes its root as a
//! value, so that tests can build a small one. What a file system holds is asked by a process of
//! its own ([`SpaceQuestion`]), because the answer of a server that is gone never comes.

mod begin;
mod boot;
mod cgroup;
mod clock;
mod disks;
mod ending;
mod fifo;
mod files;
mod filesystem;
mod host;
mod interfaces;
mod launch;
mod leash;
mod mounts;
mod net;
mod pidfd;
mod pressure;
mod proc;
mod program;
mod random;
mod reader;
mod sensors;
mod shared;
mod signals;
mod sockets;
mod tally;
mod terms;
mod tree;
mod usage;
mod wait;
mod watch;

pub use begin::begin;
pub use boot::{allow_many_files, boot_id, host_name, is_on_network, monotonic_nanos, this_user};
pub use cgroup::{Cgroup, CgroupError, CgroupUse, MemoryKills, make_cgroup};
pub use clock::{boot_clock, page_bytes, ticks_per_second};
pub use disks::{DiskUse, parse_disks};
pub use ending::before_end;
pub use fifo::{open_fifo, output_end, resize_pipe, waiting};
pub use files::{ProcessFiles, Reader, has_gone};
pub use filesystem::{Space, SpaceAnswer, SpaceQuestion};
pub use host::{Cpu, HostMemory, Load};
pub use interfaces::{Interface, Traffic, interfaces};
pub use launch::{
    Launch, Report, Step, close_from, fork, inherited, leave_now, name_self, received,
    replace_arguments, take_place,
};
pub use leash::end_with_this_thread;
pub use mounts::{Mount, parse_mounts};
pub use net::begin_connect;
pub use pidfd::{PidFd, incarnation, living};
pub use pressure::{Pressure, Stall};
pub use proc::{Proc, Stat};
pub use program::program;
pub use random::random_bytes;
pub use reader::{readable_until, sleep_unless_left};
pub use sensors::{Sensor, sensors};
pub use shared::{Pages, Shared};
pub use signals::{Received, Signals};
pub use sockets::{Protocol, Socket, SocketState};
pub use tally::Tally;
pub use terms::{Terms, rlimits_in_force};
pub use tree::{descendants, has_marks, marked, unsupervised};
pub use usage::{Io, Rollup, Status};
pub use wait::{Change, Usage, look, take};
pub use watch::{Changes, Watch, Woken};
