//! A fleet in a file: started, looked at, changed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;

use fleet_testkit::{Ran, Run, Signal, State, TestFleet, Value, tool, until};
use nix::pty::openpty;

const SLEEPS: &str = "command = 'sleep 600'\n";

/// Writes a fleet file.
fn write(fleet: &TestFleet, text: &str) -> PathBuf {
    let path = fleet.scratch().join("fleet.toml");
    fs::write(&path, text).unwrap();
    path
}

fn file(fleet: &TestFleet, options: &[&str]) -> Run {
    let path = fleet.scratch().join("fleet.toml");
    fleet.run("fleet-spawn").arg("--file").arg(path).args(options)
}

/// What differs, as `id what key` each.
fn differences(fleet: &TestFleet, code: i32) -> Vec<String> {
    let ran = file(fleet, &["--diff"]).ends();
    assert_eq!(ran.code(), Some(code), "{ran}");
    let word = |record: &Value, key: &str| record[key].as_str().unwrap_or_default().to_owned();
    let line = |r: &Value| [word(r, "id"), word(r, "what"), word(r, "key")].join(" ");
    ran.records().iter().map(|record| line(record).trim_end().to_owned()).collect()
}

fn applied(fleet: &TestFleet, options: &[&str]) -> Ran {
    let ran = file(fleet, &["--apply"]).args(options).ends();
    assert_eq!(ran.code(), Some(0), "{ran}");
    ran
}

#[test]
fn what_is_missing_is_started_and_what_lives_is_left_alone() {
    let fleet = TestFleet::new();
    write(&fleet, &format!("[process.b]\n{SLEEPS}[process.a]\n{SLEEPS}"));
    file(&fleet, &[]).succeeds().stdout_is("b\na\n");
    let pids = [fleet.pid("a"), fleet.pid("b")];
    file(&fleet, &[]).succeeds_and_says("b, a").stdout_is("");
    fleet.run("fleet-stop").arg("b").succeeds();
    assert_eq!(differences(&fleet, 1), ["b missing"]);
    file(&fleet, &[]).succeeds_and_says("live already: a").stdout_is("b\n");
    assert_eq!(fleet.pid("a"), pids[0]);
    assert_eq!((fleet.record("a").run, fleet.record("b").run), (1, 2));
    assert!(differences(&fleet, 0).is_empty());
    let record = fleet.record("a");
    let named = record.file.unwrap();
    assert!(named.ends_with("/fleet.toml"), "{named}");
}

#[test]
fn a_process_may_run_in_the_folder_of_its_own() {
    let fleet = TestFleet::new();
    write(&fleet, "[process.a]\ncommand = 'pwd'\ncwd = '{dir}'\n");
    file(&fleet, &["--wait", "ended"]).succeeds_and_says("1 of 1 ended");
    let data = fs::canonicalize(fleet.file("processes/a/data")).unwrap();
    let said = fleet.run("fleet-logs").args(["--raw", "a"]).succeeds();
    assert_eq!(said.stdout().trim_end(), data.to_string_lossy());
}

#[test]
fn a_line_of_one_file_goes_in_its_order() {
    let fleet = TestFleet::new();
    write(&fleet, "[process.a]\ncommand = 'sleep 0.05'\nqueue = 'gpu'\nreplicas = 5\n");
    file(&fleet, &["--wait", "ended"]).succeeds_and_says("5 of 5 ended");
    let started = |number: usize| fleet.record(&format!("a-{number}")).started_at;
    let turns: Vec<_> = (0..5).map(started).collect();
    assert!(turns.is_sorted(), "{turns:?}");
}

#[test]
fn a_person_sees_one_line_of_progress_that_never_wraps() {
    let fleet = TestFleet::new();
    let path = write(&fleet, "[process.a]\ncommand = 'sleep 0.1'\n");
    let pty = openpty(None, None).unwrap();
    let ran = Command::new(tool("fleet-spawn"))
        .env("FLEET_HOME", fleet.home())
        .args(["--wait", "ended", "--file"])
        .arg(path)
        .stderr(pty.slave)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let mut shown = [0; 4096];
    let count = File::from(pty.master).read(&mut shown).unwrap();
    let shown = String::from_utf8_lossy(&shown[..count]);
    assert!(shown.contains("\u{1b}[?7l0 of 1 ended; waiting for a\u{1b}[?7h"), "{shown:?}");
    assert!(shown.ends_with("\u{1b}[?7l1 of 1 ended\u{1b}[?7h\r\n"), "{shown:?}");
}

#[test]
fn a_process_gets_all_that_its_profiles_say_and_placeholders() {
    let fleet = TestFleet::new();
    let folder = fs::canonicalize(fleet.scratch()).unwrap();
    fs::write(folder.join("secrets.env"), "export TOKEN=\"a {id} b\" # secret\r\n").unwrap();
    let text = r#"
        [profile.base]
        env = { LEVEL = "base", WHO = "{id}" }
        env_file = "secrets.env"
        labels = { team = "a" }
        [profile.loud]
        profile = "base"
        env = { LEVEL = "loud" }
        [process.web]
        profile = ["loud"]
        replicas = 2
        port = "auto:2"
        env = { PLACE = "{index} {port1} {dir} {home}" }
        command = 'echo "$LEVEL $WHO $TOKEN $PLACE {port} {{port}} {x}"; pwd'
        shell = true
    "#;
    write(&fleet, text);
    file(&fleet, &[]).succeeds().stdout_is("web-0\nweb-1\n");
    let home = fleet.home();
    for (index, name) in ["web-0", "web-1"].into_iter().enumerate() {
        let record = fleet.until_ended(name);
        let [port, port1] = record.ports[..] else { panic!("it has two ports") };
        let dir = home.join("processes").join(name).join("data");
        let (dir, home) = (dir.display(), home.display());
        let line = format!(
            "loud {name} a {{id}} b {index} {port1} {dir} {home} {port} {{port}} {{x}}\n{}\n",
            folder.display()
        );
        fleet.until_log(name, |log| log.text() == line);
        assert_eq!(record.labels["team"], "a");
    }
}

#[test]
fn selectors_and_labels_choose_with_what_is_waited_for() {
    let fleet = TestFleet::new();
    write(
        &fleet,
        &format!(
            "[process.db]\n{SLEEPS}[process.api]\n{SLEEPS}labels = {{ tier = 'front' }}\n\
             [process.worker]\n{SLEEPS}replicas = 3\n[process.other]\n{SLEEPS}"
        ),
    );
    file(&fleet, &["worker-1"]).succeeds().stdout_is("worker-1\n");
    file(&fleet, &["-l", "tier=front"]).succeeds().stdout_is("api\n");
    file(&fleet, &["work*"]).succeeds_and_says("worker-1").stdout_is("worker-0\nworker-2\n");
    file(&fleet, &["worker", "d?"]).succeeds_and_says("worker-0").stdout_is("db\n");
    let ran = file(&fleet, &["wroker"]).fails_with(2).stdout_is("");
    ran.stderr_has("did you mean 'worker");
    file(&fleet, &["-l", "tier=none"]).fails_with(2).stdout_is("");
    file(&fleet, &[":80"]).fails_with(2).stdout_is("");
}

#[test]
fn one_failure_does_not_hold_up_the_others() {
    let fleet = TestFleet::new();
    write(
        &fleet,
        &format!("[process.bad]\ncommand = '/no/such/command'\n[process.good]\n{SLEEPS}"),
    );
    let ran = file(&fleet, &[]).fails_with(127).stdout_is("good\n");
    ran.stderr_has("'bad' is not started").stderr_has("/no/such/command");
    assert_eq!(fleet.record("good").state, State::Running);
}

#[test]
fn apply_restarts_exactly_what_changed() {
    let fleet = TestFleet::new();
    let text = "[process.a]\ncommand = 'sleep 600'\nenv = { KEY = 'one' }\n\
                [process.b]\ncommand = ['sleep', '600']\n[process.c]\ncommand = 'sleep 600'\n";
    write(&fleet, text);
    applied(&fleet, &[]).stdout_is("a\nb\nc\n");
    // Another way to write the same changes nothing.
    write(&fleet, &text.replace("['sleep', '600']", "'sleep \"600\"'"));
    assert!(differences(&fleet, 0).is_empty());
    write(&fleet, &text.replace("one", "two").replace("['sleep', '600']", "'sleep 601'"));
    assert_eq!(differences(&fleet, 1), ["a changed env.KEY", "b changed command"]);
    let said = file(&fleet, &["--diff", "-o", "table"]).fails_with(1);
    assert!(!said.stdout().contains("two") && !said.stdout().contains("one"), "{said}");
    file(&fleet, &[]).succeeds_and_says("--apply restarts them): a, b").stdout_is("");
    let pid = fleet.pid("c");
    applied(&fleet, &[]).stdout_is("a\nb\n");
    assert_eq!(fleet.pid("c"), pid);
    assert_eq!((fleet.record("a").run, fleet.record("c").run), (2, 1));
    assert!(differences(&fleet, 0).is_empty());
    applied(&fleet, &[]).stdout_is("");
}

#[test]
fn limits_change_while_it_runs_and_what_is_refused_leaves_it_alone() {
    let fleet = TestFleet::new();
    let with = |limits: &str| {
        write(&fleet, &format!("[process.job]\n{SLEEPS}limits = {{ {limits} }}\n"));
    };
    with("memory = '200M', pids = 20");
    if !file(&fleet, &[]).ends().stderr().is_empty() {
        // It was said why there is no cgroup here.
        return;
    }
    let before = fleet.record("job");
    with("memory = '300M', pids = 30");
    assert_eq!(differences(&fleet, 1), ["job changed limits.memory", "job changed limits.pids"]);
    applied(&fleet, &[]).stderr_has("changed the limits of job");
    let after = fleet.record("job");
    assert_eq!((after.run, after.pid), (before.run, before.pid));
    assert_eq!((after.limits.memory_bytes, after.limits.pids), (Some(300 << 20), Some(30)));
    assert!(differences(&fleet, 0).is_empty());
    // It needs more than that by now, and goes on with what it had.
    with("memory = '4K', pids = 30");
    file(&fleet, &["--apply"]).fails_with(1).stderr_has("the limits of 'job' are as before");
    assert_eq!(fleet.record("job").limits.memory_bytes, Some(300 << 20));
    assert_eq!(differences(&fleet, 1), ["job changed limits.memory"]);
    // Another key needs a new start, which brings the limits with it.
    with("memory = '250M', pids = 30, nice = 5");
    applied(&fleet, &[]).stderr_has("stopping job");
    let anew = fleet.record("job");
    assert_eq!((anew.run, anew.limits.memory_bytes), (before.run + 1, Some(250 << 20)));
}

/// A service that others wait for, two that share a slot, and one that crashes.
const STORY: &str = r#"
[process.web]
command = "python3 -m http.server {port} --bind 127.0.0.1"
port = "auto"
port_range = "21200-21299"
health = { http = "http://127.0.0.1:{port}/", interval = "1s" }

[process.trainer]
replicas = 2
command = "sh -c 'echo {id} begins; sleep 0.5; echo done'"
after = "web:healthy"
queue = "gpu"
slots = 1
limits = { memory = "200M" }

[process.crasher]
command = "sh -c 'echo boom >&2; exit 3'"
restart = "on-failure"
backoff = "100ms-1s"
crash_limit = "3/1m"
"#;

#[test]
fn a_whole_fleet_comes_up_in_order_and_ps_tells_the_story() {
    let fleet = TestFleet::new();
    write(&fleet, STORY);
    let ran = file(&fleet, &["--wait", "healthy", "--wait-timeout", "60s"]).ends();
    assert_eq!(ran.stdout(), "web\ntrainer-0\ntrainer-1\ncrasher\n");
    assert_eq!(fleet.ps("web")["health"], "healthy");
    let (first, second) = (fleet.until_ended("trainer-0"), fleet.until_ended("trainer-1"));
    assert_eq!((first.state, second.state), (State::Completed, State::Completed));
    // Both were free to go at the same moment: either may have been the first.
    let apart = first.ended_at <= second.started_at || second.ended_at <= first.started_at;
    assert!(apart, "one slot held both");
    let crasher = fleet.until_ended("crasher");
    assert!(crasher.exit.unwrap().reason.starts_with("crash loop"), "{:?}", crasher.state);
    let table = fleet.run("fleet-ps").args(["-o", "table"]).succeeds();
    table.stdout_has("HEALTH").stdout_has("healthy").stdout_has("crash loop");
    fleet.run("fleet-ps").args(["--health", "-o", "table", "web"]).succeeds();
}

#[test]
fn a_changed_environment_file_is_a_difference() {
    let fleet = TestFleet::new();
    let secrets = fleet.scratch().join("s.env");
    fs::write(&secrets, "KEY=hunter2\n").unwrap();
    write(&fleet, &format!("[process.a]\n{SLEEPS}env_file = 's.env'\n"));
    applied(&fleet, &[]);
    fs::write(&secrets, "KEY=hunter3\n").unwrap();
    assert_eq!(differences(&fleet, 1), ["a changed env_file.KEY"]);
    let check = file(&fleet, &["--check"]).succeeds();
    assert!(check.stdout().contains("KEY") && !check.stdout().contains("hunter"), "{check}");
    applied(&fleet, &[]).stdout_is("a\n");
}

#[test]
fn replicas_are_scaled_and_orphans_removed_when_asked() {
    let fleet = TestFleet::new();
    let replicas = |n: u32| write(&fleet, &format!("[process.w]\n{SLEEPS}replicas = {n}\n"));
    replicas(2);
    applied(&fleet, &[]).stdout_is("w-0\nw-1\n");
    replicas(3);
    applied(&fleet, &[]).stdout_is("w-2\n");
    replicas(1);
    assert_eq!(differences(&fleet, 1), ["w-1 orphan", "w-2 orphan"]);
    applied(&fleet, &[]).stdout_is("");
    assert_eq!(fleet.record("w-2").state, State::Running, "it was not asked for");
    // What came from elsewhere is nobody's orphan.
    fleet.spawn("w-9", "exec sleep 600");
    applied(&fleet, &["--remove-orphans"]).stdout_is("");
    assert_eq!(fleet.record("w-1").state, State::Stopped);
    assert_eq!(fleet.record("w-2").state, State::Stopped);
    assert_eq!(fleet.record("w-0").state, State::Running);
    assert_eq!(fleet.record("w-9").state, State::Running);
    assert!(differences(&fleet, 0).is_empty());
}

#[test]
fn what_lives_by_the_name_and_is_none_of_the_file_is_left_alone() {
    let fleet = TestFleet::new();
    fleet.spawn("a", "exec sleep 600");
    write(&fleet, &format!("[process.a]\n{SLEEPS}"));
    assert_eq!(differences(&fleet, 1), ["a stranger"]);
    let ran = applied(&fleet, &["--remove-orphans"]).stdout_is("");
    ran.stderr_has("not of this file");
    assert_eq!((fleet.record("a").run, fleet.record("a").state), (1, State::Running));
}

#[test]
fn an_apply_that_was_killed_half_way_converges_when_it_is_run_again() {
    let fleet = TestFleet::new();
    let text = |number: u32| -> String {
        let process = |at: u32| {
            format!("[process.p{at}]\ncommand = 'sleep {number}'\nenv = {{ N = '{number}' }}\n")
        };
        (0..12).map(process).collect()
    };
    write(&fleet, &text(600));
    applied(&fleet, &[]);
    for (round, number) in (601..606).enumerate() {
        write(&fleet, &text(number));
        let mut child = file(&fleet, &["--apply"]).starts();
        // Each time a little further: the end of one process is the sign to strike.
        let struck = format!("p{}", round * 2);
        until("it has begun", || fleet.record(&struck).state != State::Running);
        fleet_testkit::kill(child.id() as i32, Signal::KILL);
        let status = child.wait().unwrap();
        assert!(status.signal() == Some(9) || status.success(), "{status}");
        applied(&fleet, &[]);
        assert!(differences(&fleet, 0).is_empty());
        let all = fleet.run("fleet-ps").ends().records();
        let running: Vec<&Value> = all.iter().filter(|r| r["state"] == "running").collect();
        assert_eq!(running.len(), 12, "each lives once");
        let new = format!("{number}");
        assert!(running.iter().all(|r| r["command"][1] == new.as_str()), "{running:?}");
    }
}

#[test]
fn two_starts_of_one_file_start_each_process_once() {
    let fleet = TestFleet::new();
    let text: String = (0..10).map(|at| format!("[process.p{at}]\n{SLEEPS}")).collect();
    write(&fleet, &text);
    let both = [file(&fleet, &[]).starts(), file(&fleet, &[]).starts()];
    let printed: Vec<String> = both
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success());
            String::from_utf8(output.stdout).unwrap()
        })
        .collect();
    let mut names: Vec<&str> = printed.iter().flat_map(|out| out.lines()).collect();
    names.sort_unstable();
    assert_eq!(names.len(), 10, "{names:?}");
    assert!((0..10).all(|at| fleet.record(&format!("p{at}")).run == 1));
}

#[test]
fn a_hundred_processes_start_and_are_waited_for() {
    let fleet = TestFleet::new();
    write(&fleet, &format!("[process.p]\n{SLEEPS}replicas = 100\n"));
    let ran = file(&fleet, &["--wait", "started"]).ends();
    assert_eq!((ran.code(), ran.stdout().lines().count()), (Some(0), 100), "{ran}");
    let ran = ran.stderr_has("100 of 100 started");
    assert!(ran.stdout().starts_with("p-0\np-1\n"));
    assert_eq!(fleet.run("fleet-ps").succeeds().records().len(), 100);
    write(&fleet, "");
    let gone = file(&fleet, &["--remove-orphans"]).ends();
    assert_eq!(gone.code(), Some(0), "{gone}");
    assert!(fleet.workload().is_empty());
}

#[test]
fn waiting_says_what_is_missing_and_what_became_of_it() {
    let fleet = TestFleet::new();
    write(&fleet, "[process.good]\ncommand = 'true'\n[process.bad]\ncommand = 'false'\n");
    let ran = file(&fleet, &["--wait", "ended"]).fails_with(1);
    ran.stderr_has("2 of 2 ended").stderr_has("'bad' failed");
    write(&fleet, &format!("[process.slow]\n{SLEEPS}"));
    let ran = file(&fleet, &["--wait", "ended", "--wait-timeout", "100ms"]).fails_with(124);
    ran.stderr_has("waiting for slow").stderr_has("not ended in time");
}

#[test]
fn what_is_typed_beside_a_file_goes_over_it() {
    let fleet = TestFleet::new();
    write(&fleet, "[profile.loud]\nenv = { A = '1', B = '1' }\n[process.a]\ncommand = 'env'\n");
    file(&fleet, &["--profile", "loud", "--env", "B=2"]).succeeds();
    fleet.until_ended("a");
    let log = fleet.log("a").text();
    assert!(log.contains("A=1\n") && log.contains("B=2\n"), "{log}");
    file(&fleet, &["--profile", "lound"]).fails_with(2).stderr_has("did you mean 'loud'?");
}

#[test]
fn a_command_builds_on_a_profile() {
    let fleet = TestFleet::new();
    let path = write(&fleet, "[profile.base]\nenv = { A = '1' }\nlabels = { team = 'x' }\n");
    let run = file(&fleet, &["--profile", "base", "-l", "team=y", "--name", "a", "--", "env"]);
    run.succeeds().stdout_is("a\n");
    let record = fleet.until_ended("a");
    assert_eq!(record.labels["team"], "y");
    assert!(fleet.log("a").text().contains("A=1\n"));
    assert_eq!(record.file, None);
    let config = fleet.scratch().join("config");
    fs::create_dir_all(config.join("fleet")).unwrap();
    fs::copy(path, config.join("fleet/fleet.toml")).unwrap();
    let spawn = || fleet.run("fleet-spawn").env("XDG_CONFIG_HOME", &config);
    spawn().args(["--profile", "base", "--name", "b", "--", "env"]).succeeds();
    assert_eq!(fleet.until_ended("b").labels["team"], "x");
    let wrong = spawn().args(["--profile", "bse", "--", "env"]).fails_with(2);
    wrong.stderr_has("no profile 'bse'").stderr_has("did you mean 'base'?");
}

#[test]
fn a_command_without_dashes_is_told_to_have_them() {
    let fleet = TestFleet::new();
    let ran = fleet.run("fleet-spawn").args(["python", "train.py"]).fails_with(2);
    ran.stderr_has("fleet-spawn -- python train.py");
    fleet.run("fleet-spawn").fails_with(2).stderr_has("--");
}
