//! A full disk under the log: the process goes on, and what was dropped is counted and told.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;

use fleet_testkit::{State, TestFleet};

/// Takes all the room that is left.
fn fill(fleet: &TestFleet) {
    fleet.shell("cat /dev/zero > \"$FLEET_HOME/filler\" 2>/dev/null; true").succeeds();
}

#[test]
fn what_is_dropped_is_counted_and_told_once_there_is_room() {
    let Some(fleet) = TestFleet::on_tmpfs("size=1m") else { return };
    // It prints more than there is room for when it is told to, and a line when told again. It may be
    // told before it waits.
    let printed = fleet.scratch().join("printed");
    let script = format!(
        "trap 'go=1' USR1; wait_for() {{ while [ -z $go ]; do sleep 0.01; done; go=; }}; \
         echo before; wait_for; seq 1 200000; touch '{}'; wait_for; echo after; wait_for; exit 5",
        printed.display()
    );
    fleet.spawn("job", &script);
    fleet.until_log("job", |log| log.text() == "before\n");
    let pid = fleet.pid("job");
    let tell = || fleet.shell(&format!("kill -USR1 {pid}")).succeeds();
    fill(&fleet);
    tell();
    // All of it was taken from the pipe, although nothing could be kept.
    let (shim, _) = fleet.supervisors("job");
    fleet.until("job", |record| record.log.is_some_and(|log| log.dropped_bytes > 0));
    fleet_testkit::until("all is printed", || printed.exists());
    assert_eq!(fleet.record("job").state, State::Running);
    fs::remove_file(fleet.file("filler")).unwrap();
    tell();
    let log = fleet.until_log("job", |log| log.text().ends_with("after\n"));
    assert_eq!(fleet.supervisors("job").0, shim);
    let notices = log.notices();
    assert!(notices.iter().any(|n| n.contains("bytes dropped from")), "{notices:?}");
    assert!(notices.iter().any(|n| n.contains("No space left")), "{notices:?}");
    fleet.until_event("job", "log_dropped");
    tell();
    let record = fleet.until_ended("job");
    assert_eq!(record.exit.unwrap().code, Some(5));
    let counted = record.log.unwrap();
    let kept = log.stdout().len() as u64;
    assert_eq!(counted.bytes, kept + counted.dropped_bytes);
    assert_eq!(counted.lines, 200_002);
}

#[test]
fn an_end_on_a_full_disk_is_recorded_all_the_same() {
    let Some(fleet) = TestFleet::on_tmpfs("size=512k") else { return };
    fleet.spawn("job", "trap 'exit 9' USR1; echo up; while :; do sleep 0.01; done");
    fleet.until_log("job", |log| log.text() == "up\n");
    fill(&fleet);
    fleet.shell(&format!("kill -USR1 {}", fleet.pid("job"))).succeeds();
    let record = fleet.until_ended("job");
    assert_eq!((record.state, record.exit.unwrap().code), (State::Failed, Some(9)));
    fs::remove_file(fleet.file("filler")).unwrap();
    assert_eq!(fleet.run("fleet-ps").arg("job").ends().record()["state"], "failed");
}

#[test]
fn a_stop_on_a_full_disk_stops() {
    let Some(fleet) = TestFleet::on_tmpfs("size=512k") else { return };
    fleet.spawn("job", "exec sleep 600");
    fill(&fleet);
    let ran = fleet.run("fleet-stop").arg("job").ends();
    assert_eq!(ran.code(), Some(0), "{ran}");
    assert_eq!(fleet.record("job").state, State::Stopped);
    assert!(fleet.workload().is_empty());
}

#[test]
fn a_home_that_becomes_read_only_does_not_end_the_process() {
    let Some(fleet) = TestFleet::on_tmpfs("size=1m") else { return };
    let script = "n=0; while :; do echo $((n+=1)); sleep 0.005; done";
    fleet.spawn("job", script);
    fleet.until_log("job", |log| log.text().lines().count() > 3);
    let pid = fleet.pid("job");
    // A remount is refused while files are open for writing, as a file system with errors is not.
    let ran = fleet.shell("mount -o remount,ro \"$FLEET_HOME\"").ends();
    if ran.code() == Some(0) {
        assert!(fleet_testkit::is_living(pid));
        fleet.shell("mount -o remount,rw \"$FLEET_HOME\"").succeeds();
    }
    let seen = fleet.log("job").text().lines().count();
    fleet.until_log("job", |log| log.text().lines().count() > seen + 3);
}
