//! The GPUs of a machine: what each does, who uses it, who has reserved it.
