//! Training curves of processes and of files.
