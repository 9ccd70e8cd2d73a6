//! Say something from within a process: a metric.
