//! List the GPUs of this machine, who uses them and who has reserved them.
