//! Leaves the unwinding tables out of a static release build, which makes the file 75 kB smaller.
//!
//! Only there: a debug build wants its backtraces, and a dynamic program's start files need the
//! tables.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=discard.ld");
    let set = |name: &str| env::var(name).unwrap_or_default();
    let is_static = set("CARGO_CFG_TARGET_FEATURE").split(',').any(|f| f == "crt-static");
    if set("PROFILE") == "release" && is_static && set("CARGO_CFG_TARGET_ENV") == "gnu" {
        let script = Path::new(&set("CARGO_MANIFEST_DIR")).join("discard.ld");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
    }
}
