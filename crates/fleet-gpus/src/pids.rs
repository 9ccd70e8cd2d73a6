//! Whether pids that a driver tells are those that are seen here.

use std::fs;

/// The number that every Linux gives to its first PID namespace (PROC_PID_INIT_INO).
const FIRST: &str = "pid:[4026531836]";

/// Whether we are in a PID namespace of our own, as in most containers: drivers number processes as
/// the host does.
pub(crate) fn are_foreign() -> bool {
    let namespace = fs::read_link("/proc/self/ns/pid");
    // Who cannot look may trust as little.
    namespace.map_or(true, |namespace| namespace.as_os_str() != FIRST)
}
