//! Links a static release shim without tables for unwinding, a tenth of its size.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=discard.ld");
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let is_static = features.split(',').any(|feature| feature == "crt-static");
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if is_static && is_release {
        let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        let script = Path::new(&folder).join("discard.ld");
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{},-z,noseparate-code", script.display());
    }
}
