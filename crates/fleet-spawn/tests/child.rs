//! What a process finds when it starts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fleet_testkit::{Log, TestFleet, status_field, until};

fn environment(pid: i32) -> HashMap<String, String> {
    let read = || fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    // execve(2) lets the parent go on a moment before the kernel has put the environment there.
    until("it has an environment", || !read().is_empty());
    let text = read();
    text.split_terminator('\0')
        .map(|entry| entry.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn open_files(pid: i32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let mut numbers: Vec<String> =
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    numbers.sort();
    numbers
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_environment_says_where_it_is() {
    let fleet = TestFleet::new();
    let run = fleet.run("fleet-spawn").env("OURS", "kept").env("FLEET_ID", "of-the-caller");
    run.args(["--name", "web", "--", "sleep", "600"]).succeeds();
    let env = environment(fleet.pid("web"));
    let home = fleet.home().display().to_string();
    let expected = [
        ("FLEET_ID", "web"),
        ("FLEET_RUN", "1"),
        ("FLEET_ATTEMPT", "1"),
        ("FLEET_HOME", &home),
        ("FLEET_DIR", &format!("{home}/processes/web/data")),
        ("NOTIFY_SOCKET", &format!("{home}/processes/web/1/notify.sock")),
        ("PYTHONUNBUFFERED", "1"),
        ("OURS", "kept"),
    ];
    for (name, value) in expected {
        assert_eq!(env.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(fleet.file("processes/web/data").is_dir());
}

#[test]
fn what_was_typed_wins_over_files_and_files_over_the_caller() {
    let fleet = TestFleet::new();
    let file = fleet.scratch().join("vars");
    fs::write(&file, "export A=file\nB='file b'\nC=\"file\"\n# D=no\n").unwrap();
    let run = fleet.run("fleet-spawn").env("A", "caller").env("E", "caller");
    let run = run.env("PYTHONUNBUFFERED", "0").arg("--env-file").arg(&file);
    run.args(["--env", "C=typed=twice", "--name", "web", "--", "sleep", "600"]).succeeds();
    let env = environment(fleet.pid("web"));
    let got: Vec<&str> = ["A", "B", "C", "E", "PYTHONUNBUFFERED"].map(|n| env[n].as_str()).into();
    assert_eq!(got, ["file", "file b", "typed=twice", "caller", "0"]);
}

#[test]
fn secrets_are_in_no_record_and_private_in_the_spec() {
    let fleet = TestFleet::new();
    let run = fleet.run("fleet-spawn").args(["--env", "TOKEN=hunter2", "--name", "web"]);
    run.args(["--", "bash", "-c", "echo out; exit 3"]).succeeds();
    fleet.until_event("web", "ended");
    fleet.run("fleet-ps").args(["-o", "json"]).succeeds();
    let dir = fleet.run_dir("web");
    let day = fs::read_dir(fleet.file("events")).unwrap().next().unwrap().unwrap().path();
    for file in [fleet.file("registry.jsonl"), dir.join("record.json"), day.clone()] {
        assert!(!fs::read_to_string(&file).unwrap().contains("hunter2"), "{}", file.display());
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    assert!(fs::read_to_string(dir.join("spec.json")).unwrap().contains("hunter2"));
    assert_eq!(mode(&dir.join("spec.json")), 0o600);
    for folder in [&dir, dir.parent().unwrap(), &fleet.file("processes"), &fleet.file("events")] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    assert_eq!(mode(&dir.join("log/current")), 0o600);
}

#[test]
fn signals_are_as_if_nobody_had_touched_them() {
    let fleet = TestFleet::new();
    // bash can ignore and not block; perl blocks.
    let perl = "use POSIX;         sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGTERM, SIGUSR1, SIGCHLD));         $SIG{$_} = 'IGNORE' for qw(HUP PIPE INT QUIT TERM);         exec qw(fleet-spawn --name web -- sleep 600)";
    fleet.shell(&format!("exec perl -e '{}'", perl.replace('\'', "'\\''"))).succeeds();
    let pid = fleet.pid("web");
    for field in ["SigIgn", "SigBlk", "SigCgt"] {
        assert_eq!(status_field(pid, field), "0000000000000000", "{field}");
    }
}

#[test]
fn it_has_a_session_of_its_own_and_no_stray_descriptor() {
    let fleet = TestFleet::new();
    let script = "exec 7</etc/passwd 9>\"$FLEET_HOME\"/stray; fleet-spawn --name web -- sleep 600";
    fleet.shell(script).succeeds();
    let pid = fleet.pid("web");
    // While it starts, the program may have files of its own open for a moment.
    until("it has three open files", || open_files(pid) == ["0", "1", "2"]);
    assert_eq!(fs::read_link(format!("/proc/{pid}/fd/0")).unwrap(), Path::new("/dev/null"));
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let (group, session, terminal) = (after[2], after[3], after[4]);
    assert_ne!(session, std::process::id().to_string());
    assert_eq!((group, terminal), (pid.to_string().as_str(), "0"), "{stat}");
}

#[test]
fn it_runs_where_it_was_told() {
    let fleet = TestFleet::new();
    let here = fleet.scratch().join("here");
    fs::create_dir(&here).unwrap();
    let run = fleet.run("fleet-spawn").within(&here).args(["--name", "a", "--", "sleep", "600"]);
    run.succeeds();
    let run = fleet.run("fleet-spawn").within(fleet.scratch()).args(["--cwd", "here"]);
    run.args(["--name", "b", "--", "sleep", "600"]).succeeds();
    for name in ["a", "b"] {
        let cwd = fs::read_link(format!("/proc/{}/cwd", fleet.pid(name))).unwrap();
        assert_eq!(cwd, here.canonicalize().unwrap());
    }
}

#[test]
fn arguments_reach_it_byte_by_byte() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let fleet = TestFleet::new();
    let odd = OsStr::from_bytes(b"\xff \n$HOME '\"{port}");
    let run = fleet.run("fleet-spawn").args(["--name", "a", "--", "printf", "%s"]);
    run.arg(odd).arg("").arg("-x").succeeds();
    fleet.until_ended("a");
    assert_eq!(fleet.log("a").stdout(), [odd.as_bytes(), b"-x"].concat());
}

#[test]
fn a_home_too_deep_for_a_socket_works_without_one() {
    let fleet = TestFleet::new();
    let deep = fleet.home().join("d".repeat(100)).join("e".repeat(100));
    let run = fleet.run("fleet-spawn").arg("--home").arg(&deep).args(["--name", "web"]);
    run.args(["--wait", "ended", "--", "bash", "-c", "echo \"[$NOTIFY_SOCKET]\""]).succeeds();
    let log = Log::read(&deep.join("processes/web/1/log"));
    assert_eq!(log.text(), "[]\n");
}

#[test]
fn a_home_with_blanks_and_quotes_in_its_name_works() {
    let fleet = TestFleet::new();
    let odd = fleet.home().join("a b'c\"d$e");
    let run = fleet.run("fleet-spawn").arg("--home").arg(&odd).args(["--name", "web"]);
    run.args(["--wait", "ended", "--", "bash", "-c", "echo \"$FLEET_HOME\""]).succeeds();
    let log = Log::read(&odd.join("processes/web/1/log"));
    assert_eq!(log.text(), format!("{}\n", odd.display()));
    fleet.run("fleet-ps").arg("--home").arg(&odd).succeeds().stdout_has("completed");
}
