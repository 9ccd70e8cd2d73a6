//! Limits hold, and what becomes of them: against the cgroups of this host where it has some.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::path::{Path, PathBuf};

use fleet_testkit::{Cause, ProcessRecord, Signal, State, TestFleet, kill, status_field, until};

/// A file of its own cgroup, in whichever folder has it.
fn file(record: &ProcessRecord, names: [&str; 2]) -> Option<PathBuf> {
    let folders = record.limits.cgroups.iter();
    let all = folders.flat_map(|folder| names.map(|name| Path::new(folder).join(name)));
    all.into_iter().find(|path| path.exists())
}

fn number(record: &ProcessRecord, names: [&str; 2]) -> u64 {
    let path = file(record, names).unwrap();
    let text = fs::read_to_string(path).unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

const MEMORY: [&str; 2] = ["memory.max", "memory.limit_in_bytes"];
const CPU: [&str; 2] = ["cpu.max", "cpu.cfs_quota_us"];
const PIDS: [&str; 2] = ["pids.max", "pids.max"];

/// Starts it with these limits; `None`, with a printed reason, where this host lets no cgroup be
/// made for one of them.
#[allow(clippy::print_stderr, reason = "a test that is passed over says so")]
fn limited(fleet: &TestFleet, name: &str, options: &[&str], script: &str) -> Option<ProcessRecord> {
    let run = fleet.run("fleet-spawn").args(["--name", name]).args(options);
    let ran = run.args(["--", "sh", "-c", script]).ends();
    let record = fleet.record(name);
    if record.limits.weaker.is_empty() {
        assert_eq!(ran.code(), Some(0), "{ran}");
        return Some(record);
    }
    eprintln!("passed over: no cgroup here: {:?}", record.limits.weaker);
    None
}

#[track_caller]
fn until_removed(record: &ProcessRecord) {
    assert!(!record.limits.cgroups.is_empty());
    until("its cgroup is removed", || {
        !record.limits.cgroups.iter().any(|folder| Path::new(folder).exists())
    });
}

/// A shell that takes as much memory as it gets.
const EATER: &str = "x=$(head -c 300M /dev/zero | tr '\\0' x); echo ${#x}";

#[test]
fn a_process_beyond_its_memory_is_out_of_memory_with_limit_and_peak() {
    let fleet = TestFleet::new();
    let options = ["--memory", "50M", "--restart", "no"];
    let Some(record) = limited(&fleet, "eats", &options, EATER) else { return };
    let end = fleet.until_ended("eats").exit.unwrap();
    assert_eq!(end.cause, Cause::OutOfMemory, "{end:?}");
    assert_eq!(end.oom.as_deref(), Some("cgroup"));
    assert!(end.reason.contains("its limit of 50M); its peak was 50M"), "{}", end.reason);
    assert_eq!(end.memory_limit_bytes, Some(50 << 20));
    assert!(end.memory_peak_bytes.is_some_and(|peak| peak > 45 << 20 && peak <= 50 << 20));
    until_removed(&record);
}

#[test]
fn a_worker_that_was_killed_explains_why_the_main_process_failed() {
    let fleet = TestFleet::new();
    let script = format!("bash -c '{}'; exit 7", EATER.replace('\'', "\""));
    let Some(_) = limited(&fleet, "parent", &["--memory", "50M"], &script) else { return };
    let end = fleet.until_ended("parent").exit.unwrap();
    assert_eq!((end.cause, end.code), (Cause::OutOfMemory, Some(7)), "{end:?}");
    assert!(end.reason.contains("had killed a process of its tree"), "{}", end.reason);
}

#[test]
fn each_attempt_is_counted_by_itself() {
    let fleet = TestFleet::new();
    let script = format!("[ $FLEET_ATTEMPT = 2 ] && exit 3; {EATER}");
    let options = [
        "--memory",
        "50M",
        "--restart",
        "on-failure",
        "--backoff",
        "10ms-10ms",
        "--crash-limit",
        "2/1m",
    ];
    let Some(record) = limited(&fleet, "twice", &options, &script) else { return };
    let end = fleet.until_ended("twice").exit.unwrap();
    assert_eq!((end.oom, end.code), (None, Some(3)), "the kill was of the attempt before");
    assert!(end.memory_peak_bytes.is_some_and(|peak| peak < 45 << 20), "so was the peak");
    until_removed(&record);
}

#[test]
fn a_share_of_a_processor_is_not_exceeded() {
    let fleet = TestFleet::new();
    let options = ["--cpu", "0.2", "--max-runtime", "3s"];
    let script = "while :; do :; done & while :; do :; done";
    let Some(record) = limited(&fleet, "busy", &options, script) else { return };
    let stat = file(&record, ["cpu.stat", "cpu.stat"]).unwrap();
    until("it was throttled", || {
        let text = fs::read_to_string(&stat).unwrap_or_default();
        let times = text.lines().find_map(|line| line.strip_prefix("nr_throttled "));
        times.and_then(|n| n.parse::<u64>().ok()).is_some_and(|n| n > 3)
    });
    let ended = fleet.until_ended("busy").exit.unwrap();
    assert_eq!(ended.cause, Cause::TimedOut);
    // One of the two processes; both together have 0.2 × 3 s, and some for their end.
    assert!(ended.cpu_seconds.unwrap() < 1.0, "{ended:?}");
    until_removed(&record);
}

#[test]
fn a_fork_beyond_the_limit_fails() {
    let fleet = TestFleet::new();
    let script = "(for i in 1 2 3 4 5 6 7 8; do sleep 600 & done); exec sleep 600";
    let options = ["--pids", "4", "--max-runtime", "20s"];
    let Some(record) = limited(&fleet, "forks", &options, script) else { return };
    let events = file(&record, ["pids.events", "pids.events"]).unwrap();
    until("a fork was refused", || {
        fs::read_to_string(&events).is_ok_and(|text| text.trim() != "max 0")
    });
    assert!(number(&record, ["pids.current", "pids.current"]) <= 4);
    // All of it is stopped, although its cgroup is full.
    fleet.run("fleet-stop").arg("forks").succeeds();
    until_removed(&record);
}

#[test]
fn what_cannot_even_start_ends_with_words() {
    let fleet = TestFleet::new();
    let run =
        fleet.run("fleet-spawn").args(["--name", "tiny", "--memory", "4K", "--", "sleep", "9"]);
    run.fails_with(126).stderr_has("its limit of 4.0K of memory may be too small");
    let record = fleet.record("tiny");
    assert_eq!(record.state, State::Failed);
    assert_eq!(record.exit.unwrap().cause, Cause::ExecFailed);
    let Some(_) = limited(&fleet, "alone", &["--pids", "1"], "(true); (true)") else { return };
    let end = fleet.until_ended("alone").exit.unwrap();
    assert!(end.code.is_some_and(|code| code != 0), "{end:?}");
    assert!(end.reason.contains("its limit of 1 processes and threads refused"), "{}", end.reason);
}

#[test]
fn limits_outlive_the_supervisors() {
    let fleet = TestFleet::new();
    let options = ["--memory", "50M", "--pids", "50"];
    let script = format!("while [ ! -e \"$FLEET_DIR/go\" ]; do sleep 0.05; done; {EATER}");
    let Some(record) = limited(&fleet, "kept", &options, &script) else { return };
    kill(fleet.supervisors("kept").0, Signal::KILL);
    fleet.until_event("kept", "shim_replaced");
    fleet.kill_supervisors("kept");
    fleet.run("fleet-ps").ends().stderr_has("a new one took over");
    fleet.until_event("kept", "adopted");
    fs::write(fleet.file("processes/kept/data/go"), "").unwrap();
    let end = fleet.until_ended("kept").exit.unwrap();
    assert_eq!(end.memory_limit_bytes, Some(50 << 20));
    assert!(end.reason.contains("its limit of 50M"), "{end:?}");
    until_removed(&record);
}

#[test]
fn a_busy_tree_that_is_hardly_let_run_is_stopped() {
    let fleet = TestFleet::new();
    let script = "trap '' TERM; for i in 1 2 3 4 5 6; do while :; do :; done & done; wait";
    let options = ["--cpu", "0.01", "--pids", "7", "--memory", "50M"];
    let Some(record) = limited(&fleet, "stuck", &options, script) else { return };
    fleet.run("fleet-stop").args(["--grace", "200ms", "stuck"]).succeeds();
    until_removed(&record);
    // When its supervisors are gone, too.
    let Some(record) = limited(&fleet, "stuck", &options, script) else { return };
    fleet.kill_supervisors("stuck");
    let stop = fleet.run("fleet-stop").args(["--grace", "200ms", "stuck"]);
    stop.succeeds_and_says("a new one took over");
    until_removed(&record);
}

#[test]
fn what_is_left_of_a_lost_run_is_removed() {
    let fleet = TestFleet::new();
    let Some(record) = limited(&fleet, "lost", &["--memory", "50M"], "exec sleep 600") else {
        return;
    };
    fleet.kill_with_supervisors("lost");
    fleet.run("fleet-ps").ends().stderr_has("'lost#1' is lost");
    until_removed(&record);
    // What lives in the cgroup of a lost run keeps it until that is pruned.
    let script = "sleep 600 & echo ready; wait";
    let Some(record) = limited(&fleet, "left", &["--memory", "50M"], script) else { return };
    fleet.until_log("left", |log| log.text().contains("ready"));
    fleet.kill_with_supervisors("left");
    fleet.run("fleet-ps").ends().stderr_has("'left#1' is lost");
    assert!(Path::new(&record.limits.cgroups[0]).exists());
    fleet.workload().into_iter().for_each(|pid| kill(pid, Signal::KILL));
    until("what was left is gone", || fleet.workload().is_empty());
    fleet.run("fleet-ps").args(["--prune", "--keep", "0"]).ends();
    until_removed(&record);
}

#[test]
fn limits_change_while_it_runs_and_stay_changed() {
    let fleet = TestFleet::new();
    let options = ["--memory", "50M", "--cpu", "0.5", "--pids", "50"];
    let script = "trap 'x=$(head -c 30M /dev/zero | tr \"\\0\" x); echo full' USR1; \
        while :; do sleep 0.05; done";
    let Some(record) = limited(&fleet, "live", &options, script) else { return };
    let home = fleet_registry::Home::at(fleet.home());
    let mut wanted = record.limits.clone();
    (wanted.memory_bytes, wanted.cpus, wanted.pids) = (Some(100 << 20), Some(1.0), Some(60));
    fleet_census::amend(&home, &record.key(), &wanted, None).unwrap();
    assert_eq!(number(&record, MEMORY), 100 << 20);
    assert_eq!(number(&record, CPU), 100_000);
    assert_eq!(number(&record, PIDS), 60);
    assert_eq!(fleet.record("live").limits, wanted);
    fleet.until_event("live", "limits_changed");
    // A successor knows them.
    kill(fleet.supervisors("live").0, Signal::KILL);
    fleet.until_event("live", "shim_replaced");
    assert_eq!(fleet.record("live").limits, wanted);
    // What it needs now is not taken from it.
    kill(fleet.pid("live"), Signal::from_number(10).unwrap());
    fleet.until_log("live", |log| log.text().contains("full"));
    let too_low = fleet_core::Limits { memory_bytes: Some(20 << 20), ..wanted.clone() };
    let refused = fleet_census::amend(&home, &record.key(), &too_low, None).unwrap_err();
    assert!(refused.to_string().contains("of memory now"), "{refused}");
    assert_eq!((number(&record, MEMORY), fleet.record("live").limits), (100 << 20, wanted.clone()));
    // And the next attempt.
    kill(fleet.supervisors("live").0, Signal::from_number(1).unwrap());
    let again = fleet.until("live", |record| record.attempt == 2 && record.state == State::Running);
    assert_eq!((number(&again, MEMORY), again.limits), (100 << 20, wanted.clone()));
    let nicer = fleet_core::Limits { nice: Some(5), ..wanted };
    let refused = fleet_census::amend(&home, &record.key(), &nicer, None).unwrap_err();
    assert!(refused.to_string().contains("need a new start"), "{refused}");
}

#[test]
fn use_is_shown_beside_limits() {
    let fleet = TestFleet::new();
    let options = ["--memory", "50M", "--cpu", "0.5", "--pids", "50"];
    fleet
        .run("fleet-spawn")
        .args(["--name", "a"])
        .args(options)
        .args(["--", "sleep", "600"])
        .ends();
    fleet.spawn("b", "sleep 600");
    let wide = fleet.run("fleet-ps").args(["-o", "wide"]).succeeds();
    let line = |id: &str| {
        let lines = wide.stdout().lines();
        lines.map(str::trim).find(|line| line.starts_with(id)).unwrap().to_owned()
    };
    for part in ["/50M ", "/0.5 ", " 1/50 "] {
        assert!(line("a").contains(part), "{part}: {wide}");
        assert!(!line("b").contains(part), "{part}: {wide}");
    }
    fleet.run("fleet-ps").args(["a", "-o", "csv"]).succeeds().stdout_has(",52428800,0.5,50,");
}

#[test]
fn priorities_masks_and_rlimits_are_the_childs_own() {
    let fleet = TestFleet::new();
    let options = [
        "--nice",
        "7",
        "--ionice",
        "best-effort:6",
        "--oom-score",
        "300",
        "--umask",
        "027",
        "--rlimit",
        "nofile=100",
        "--rlimit",
        "core=1M:2M",
    ];
    let run = fleet.run("fleet-spawn").args(["--name", "a"]).args(options);
    run.args(["--", "sleep", "600"]).succeeds();
    let pid = fleet.pid("a");
    let read = |pid: i32, name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
    let nice = |pid: i32| {
        read(pid, "stat").rsplit_once(") ").unwrap().1.split(' ').nth(16).unwrap().to_owned()
    };
    assert_eq!(nice(pid), "7");
    assert_eq!(read(pid, "oom_score_adj").trim(), "300");
    assert_eq!(status_field(pid, "Umask"), "0027");
    let limits = read(pid, "limits");
    let limit = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(limit("Max open files"), ["100", "100"]);
    assert_eq!(limit("Max core file size"), ["1048576", "2097152"]);
    let said = fleet.shell(&format!("ionice -p {pid}")).succeeds();
    assert!(said.stdout().contains("best-effort: prio 6"), "{said}");
    // None of it is the shim's, with whose memory the child began.
    let shim = fleet.supervisors("a").0;
    assert_eq!((nice(shim).as_str(), read(shim, "oom_score_adj").trim()), ("0", "0"));
    assert_ne!(status_field(shim, "Umask"), "0027");
}

/// Runs a line of shell as an ordinary user, with the tools where that user can reach them; `None`,
/// with a printed reason, where that cannot be.
#[allow(clippy::print_stderr, reason = "a test that is passed over says so")]
fn as_nobody(fleet: &TestFleet, line: &str) -> Option<(i32, String)> {
    let place = fleet.scratch();
    let script = format!(
        "set -e; cd '{0}'; chmod 711 .; mkdir -p bin; mkdir -p -m 777 open
        for tool in fleet-spawn fleet-ps fleet-stop fleet-shim; do
            ln -f \"$(command -v $tool)\" bin/ 2>/dev/null || cp \"$(command -v $tool)\" bin/
        done
        export PATH='{0}/bin':/usr/bin:/bin FLEET_HOME='{0}/open/home'; cd /
        exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -c '{line}' 2>&1",
        place.display(),
    );
    if !nix_is_root() {
        eprintln!("passed over: only root can be another user");
        return None;
    }
    let ran = fleet.shell(&script).ends();
    Some((ran.code().unwrap(), ran.stdout().to_owned()))
}

fn nix_is_root() -> bool {
    status_field(std::process::id() as i32, "Uid").starts_with("0\t")
}

#[test]
fn what_may_not_be_set_is_an_end_with_words() {
    let fleet = TestFleet::new();
    for (option, words) in [
        ("--nice=-5", "cannot set the nice value -5: Permission denied"),
        ("--rlimit=nofile=9999999", "cannot set the rlimit nofile=9999999:9999999"),
        ("--oom-score=-500", "cannot set the OOM score -500: Permission denied"),
        ("--ionice=realtime:0", "cannot set the I/O priority"),
    ] {
        let line = format!("fleet-spawn --name a {option} -- sleep 600");
        let Some((code, said)) = as_nobody(&fleet, &line) else { return };
        assert_eq!(code, 126, "{said}");
        assert!(said.contains(words) && said.contains("CAP_SYS_"), "{option}: {said}");
    }
}

#[test]
fn without_a_cgroup_it_runs_and_what_is_weaker_is_said() {
    let fleet = TestFleet::new();
    let line = "fleet-spawn --name a --memory 64M --cpu 0.5 --pids 9 -- sleep 600; \
        pid=$(fleet-ps a -o jsonl | sed s/.*running.,.pid.:// | sed s/,.*//); \
        grep -E \"data|processes\" /proc/$pid/limits; fleet-ps a -o jsonl; \
        fleet-ps a -o wide | cat; fleet-stop a";
    let Some((code, said)) = as_nobody(&fleet, line) else { return };
    assert_eq!(code, 0, "{said}");
    for words in [
        "is limited less than was asked: no cgroup holds the tree to 64M",
        "nothing limits its processor time (",
        "in all that runs (RLIMIT_NPROC) (",
        "\"weaker\":{\"memory\":\"no cgroup",
        "\"state\":\"running\"",
        "/64M ",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let data = said.lines().find(|line| line.starts_with("Max data size")).unwrap();
    assert_eq!(data.split_whitespace().nth(3), Some("67108864"), "{said}");
}
