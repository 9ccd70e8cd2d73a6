//! Lines that fire the rules about logs.

/// Each rule about logs, with the class of its process, a line, and how often it must be printed.
pub(crate) const LINES: [(&str, &str, &str, usize); 15] = [
    ("log_errors", "", "2026-11-22 06:00:00,123 ERROR shop: no cheese", 10),
    ("log_critical", "", "CRITICAL:root:no cheese at all", 1),
    ("log_warnings", "", r#"{"level":"warning","msg":"little cheese"}"#, 20),
    ("log_timeouts", "", "INFO TIMEOUT calling the tool", 5),
    ("log_crash", "", "Segmentation fault (core dumped)", 1),
    ("log_crash", "", "Traceback (most recent call last):", 1),
    (
        "log_connection_refused",
        "",
        "curl: (7) Failed to connect to db port 5432: Connection refused",
        1,
    ),
    (
        "log_out_of_memory",
        "",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB.",
        1,
    ),
    ("log_out_of_memory", "", "std::bad_alloc", 1),
    ("log_permission_denied", "", "open /etc/shadow: permission denied", 1),
    (
        "auth_failures",
        "security",
        "sshd[9]: Failed password for root from 203.0.113.7 port 51044 ssh2",
        6,
    ),
    ("integration_errors", "integration", "service=billing status=502", 1),
    ("resource_conflict", "system", "bind: address already in use", 1),
    ("safety_violation", "security", "SAFETY VIOLATION: the tool left its sandbox", 1),
    ("log_timeouts", "training", "Watchdog caught collective operation timeout", 5),
];
