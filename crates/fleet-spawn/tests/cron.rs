//! Scheduled runs as cron starts them: no terminal, hardly an environment, the home as folder.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::path::PathBuf;

use fleet_testkit::{Cause, Ran, State, TestFleet, tool};

/// The folder of the tools.
fn tools() -> PathBuf {
    tool("fleet-spawn").parent().unwrap().to_owned()
}

/// The environment that cron gives a job, with the PATH line that the README tells to write.
fn surroundings(fleet: &TestFleet) -> String {
    let home = fleet.scratch().display();
    let path = format!("{}:/usr/bin:/bin", tools().display());
    format!("HOME='{home}' LOGNAME=nobody SHELL=/bin/sh PATH='{path}' FLEET_HOME='{home}/home'")
}

/// Runs a line as cron does.
fn cron(fleet: &TestFleet, line: &str) -> Ran {
    let script = format!("cd ~ && exec env -i {} /bin/sh -c \"$LINE\"", surroundings(fleet));
    fleet.shell(&script).env("HOME", fleet.scratch()).env("LINE", line).ends()
}

#[test]
fn runs_that_overlap_start_nothing_twice() {
    let fleet = TestFleet::new();
    let line = "fleet-spawn --name nightly --reuse -- sh -c 'echo run; exec sleep 600'";
    for _ in 0..3 {
        let ran = cron(&fleet, line);
        assert_eq!((ran.code(), ran.stdout(), ran.stderr()), (Some(0), "nightly\n", ""), "{ran}");
    }
    let all = fleet.run("fleet-ps").args(["-a"]).succeeds();
    assert_eq!(all.records().len(), 1);
    fleet.until_log("nightly", |log| log.text() == "run\n");
    // Without a terminal, in the home, with what cron knows and nothing else.
    assert_eq!(fleet.record("nightly").cwd, fleet.scratch().to_str().unwrap());
    // When it is over the next one starts.
    fleet.run("fleet-stop").arg("nightly").succeeds();
    assert_eq!(cron(&fleet, line).code(), Some(0));
    assert_eq!(fleet.record("nightly").run, 2);
}

#[test]
fn a_run_beyond_its_limit_is_timed_out_and_the_next_one_starts() {
    let fleet = TestFleet::new();
    let line = "fleet-spawn --name sync --reuse --max-runtime 300ms -- sleep 600";
    assert_eq!(cron(&fleet, line).code(), Some(0));
    let record = fleet.until_ended("sync");
    let exit = record.exit.unwrap();
    assert_eq!((record.state, exit.cause), (State::Failed, Cause::TimedOut));
    assert!(exit.reason.contains("longer than its limit of 300ms"), "{}", exit.reason);
    assert_eq!(cron(&fleet, line).code(), Some(0));
    assert_eq!(fleet.until("sync", |record| record.run == 2).state, State::Running);
    assert_eq!(fleet.until_ended("sync").exit.unwrap().cause, Cause::TimedOut);
}

/// Starts the real daemon in the foreground. It reads one table: in a mount namespace of its own all
/// other jobs of this machine are hidden from it.
const DAEMON: &str = "
    mount -t tmpfs none /var/spool/cron && mkdir -m 1730 /var/spool/cron/crontabs &&
    cp \"$TABLE\" /var/spool/cron/crontabs/root && chmod 600 /var/spool/cron/crontabs/root &&
    mount -t tmpfs none /run && mount -t tmpfs none /etc/cron.d &&
    mount --bind /dev/null /etc/crontab && exec cron -f";

#[test]
#[allow(clippy::print_stderr, reason = "a test that is passed over says so")]
fn slow_the_real_cron_runs_them() {
    let fleet = TestFleet::new();
    let can = fleet.shell("command -v cron && [ -d /etc/cron.d ] && unshare -m true").ends();
    if can.code() != Some(0) {
        return eprintln!("passed over: no cron or no mount namespace here; run scripts/setup.sh");
    }
    let table = fleet.scratch().join("table");
    let lines = format!(
        "PATH={}:/usr/bin:/bin\nFLEET_HOME={}\n* * * * * fleet-spawn --name tick --reuse \
         --max-runtime 20s -- sleep 600 >/dev/null\n",
        tools().display(),
        fleet.home().display(),
    );
    std::fs::write(&table, lines).unwrap();
    let run = fleet.shell(&format!("exec unshare -m bash -c '{DAEMON}'")).env("TABLE", &table);
    let mut cron = run.starts();
    let since = std::time::Instant::now();
    let second = || fleet.file("processes/tick/2/record.json").exists();
    while !second() && since.elapsed().as_secs() < 150 {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    cron.kill().unwrap();
    cron.wait().unwrap();
    assert!(second(), "no second run in two and a half minutes");
    let first = fleet.run("fleet-ps").arg("tick#1").succeeds().record();
    assert_eq!(first["exit"]["cause"], "timed_out");
    fleet.run("fleet-stop").arg("tick").succeeds();
}
