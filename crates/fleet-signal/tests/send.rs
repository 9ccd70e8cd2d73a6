//! Signals as they are: to the main process, to the tree, never to a stranger.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use fleet_testkit::{Run, Signal, State, Stranger, TestFleet, kill};

fn send(fleet: &TestFleet, args: &[&str]) -> Run {
    fleet.run("fleet-signal").args(args)
}

/// Says which signals it gets, and so does its child.
const TELLS: &str = "tell() { trap \"echo $1 hup\" HUP; trap \"echo $1 usr1\" USR1; \
                     trap \"echo $1 int; exit 5\" INT; echo $1 up; while :; do sleep 0.02; done; }; \
                     (tell child) & tell main";

fn telling(fleet: &TestFleet) {
    fleet.spawn("web", TELLS);
    fleet.until_log("web", |log| log.text().lines().count() == 2);
}

#[test]
fn the_main_process_alone_is_signalled() {
    let fleet = TestFleet::new();
    telling(&fleet);
    for (action, said) in [("reload", "hup"), ("usr1", "usr1"), ("SIGHUP", "hup"), ("10", "usr1")] {
        let before = fleet.log("web").text().len();
        assert_eq!(send(&fleet, &[action, "web"]).succeeds().record()["id"], "web");
        let log = fleet.until_log("web", |log| log.text().len() > before);
        assert!(log.text().ends_with(&format!("main {said}\n")), "{}", log.text());
    }
    assert!(!fleet.log("web").text().contains("child hup"));
}

#[test]
fn with_tree_all_are() {
    let fleet = TestFleet::new();
    telling(&fleet);
    send(&fleet, &["USR1", "web", "--tree"]).succeeds();
    let both = |text: String| text.contains("main usr1\n") && text.contains("child usr1\n");
    fleet.until_log("web", |log| both(log.text()));
}

#[test]
fn a_deadly_signal_is_no_stop() {
    let fleet = TestFleet::new();
    let script = "[ $FLEET_ATTEMPT = 2 ] && exit 0; exec sleep 600";
    fleet.spawn_with("job", &["--restart", "on-failure", "--backoff", "1ms-1ms"], script);
    send(&fleet, &["KILL", "job"]).succeeds();
    assert_eq!(fleet.until_ended("job").state, State::Completed);
    fleet.spawn("plain", "exec sleep 600");
    send(&fleet, &["TERM", "plain"]).succeeds();
    let record = fleet.until_ended("plain");
    assert_eq!((record.state, record.exit.unwrap().signal), (State::Failed, Some(Signal::TERM)));
    send(&fleet, &["TERM", "plain"]).fails_with(1).stderr_has("has ended: failed");
}

#[test]
fn who_is_paused_sees_it_later() {
    let fleet = TestFleet::new();
    telling(&fleet);
    send(&fleet, &["pause", "web"]).succeeds();
    send(&fleet, &["reload", "web"]).succeeds_and_says("sees SIGHUP when it is resumed");
    send(&fleet, &["resume", "web"]).succeeds();
    fleet.until_log("web", |log| log.text().contains("main hup\n"));
}

#[test]
fn a_stranger_with_the_pid_is_not_signalled() {
    let stranger = Stranger::new();
    let who = stranger.who();
    for action in [&["KILL"][..], &["KILL", "--tree"], &["pause"], &["resume"]] {
        let fleet = TestFleet::new();
        fleet.spawn("web", "exec sleep 600");
        let true_pid = fleet.pid("web");
        // Its shim lives, so that the record is believed; the pid in it is the stranger's.
        fleet.forge("web", |record| {
            record.pid = Some(who.pid);
            if let Some(shim) = &mut record.shim {
                shim.keeper = Some(who.pid);
            }
        });
        let ran = send(&fleet, action).arg("web").ends();
        if action == ["KILL"] {
            assert_eq!(ran.code(), Some(1), "{ran}");
            ran.stderr_has("has no main process any more");
        }
        assert!(stranger.lives());
        let letter = fleet_os::Proc::default().stat(who.pid).unwrap().state;
        assert_eq!(letter, 'S', "{action:?}");
        kill(true_pid, Signal::CONT);
    }
}
