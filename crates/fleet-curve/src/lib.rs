//! Training curves out of log lines, tfevents files and CSV.
