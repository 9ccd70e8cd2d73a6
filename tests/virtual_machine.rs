//! What this host cannot show, in a small virtual machine: see scripts/vm/run.sh.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::path::Path;
use std::process::Command;

/// What the scripts end with where the machine cannot be had: no Debian, no network.
const CANNOT_BE_HAD: i32 = 3;

/// Runs a script of scripts/vm in the machine, with the tools built for it.
#[allow(clippy::print_stderr, reason = "a test that is passed over says so")]
fn holds_in_the_machine(script: &str) {
    let repo = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut test = Command::new(repo.join("scripts/vm/test.sh"));
    test.arg(repo.join("scripts/vm").join(script)).env("VM_SECONDS", "300");
    let output = test.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(CANNOT_BE_HAD) {
        eprintln!("passed over: no virtual machine here: {why}");
        return;
    }
    assert!(output.status.success() && said.contains("RESULT rc=0"), "{said}\n{why}");
}

#[test]
fn slow_limits_hold_under_cgroups_of_version_2() {
    holds_in_the_machine("limits.sh");
}
