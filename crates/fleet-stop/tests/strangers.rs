//! A pid that is used again names a stranger: nobody may signal it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use fleet_testkit::{ProcessRecord, State, Stranger, TestFleet};

/// A fleet whose only process died with its supervisors, and whose pid a stranger has now.
fn reused(stranger: &Stranger, change: impl Fn(&mut ProcessRecord)) -> TestFleet {
    let fleet = TestFleet::new();
    fleet.spawn("web", "exec sleep 600");
    fleet.kill_with_supervisors("web");
    let who = stranger.who();
    fleet.forge("web", |record| {
        record.pid = Some(who.pid);
        if let Some(shim) = &mut record.shim {
            (shim.who.pid, shim.keeper) = (who.pid, Some(who.pid));
        }
        change(record);
    });
    fleet
}

#[test]
fn a_stranger_with_the_pid_is_neither_listed_nor_stopped() {
    let stranger = Stranger::new();
    let start = stranger.who().start;
    let changes: [&dyn Fn(&mut ProcessRecord); 3] = [
        // The old start time and inode; another start time alone; the right time, another inode.
        &|_| {},
        &|record| (record.pid_start, record.pid_inode) = (Some(start - 1), None),
        &|record| (record.pid_start, record.pid_inode) = (Some(start), Some(1)),
    ];
    for change in changes {
        let fleet = reused(&stranger, change);
        let ran = fleet.run("fleet-ps").args(["--no-heal", "web"]).succeeds();
        assert_eq!(ran.record()["state"], "lost");
        fleet.run("fleet-stop").args(["--force", "web"]).ends();
        assert_eq!(fleet.record("web").state, State::Lost);
        let by_pid = format!("pid:{}", stranger.who().pid);
        fleet.run("fleet-stop").args(["--force", &by_pid]).ends();
        assert!(stranger.lives());
    }
}

#[test]
fn healing_leaves_a_stranger_alone() {
    let stranger = Stranger::new();
    let fleet = reused(&stranger, |_| {});
    let ran = fleet.run("fleet-ps").arg("web").succeeds_and_says("'web#1' is lost");
    assert_eq!(ran.record()["state"], "lost");
    assert!(stranger.lives());
    fleet.spawn("web", "exec sleep 600");
    assert!(stranger.lives());
}
