//! Pausing and resuming whole trees.

use std::thread;
use std::time::{Duration, Instant};

use fleet_census::{Tree, signal_shim};
use fleet_core::{ProcessRecord, Signal, State};
use fleet_os::{PidFd, Proc};
use fleet_registry::Home;

use crate::target::{Refusal, Target, nobody_there, wait};

/// How long a tree may take to stand still or to go on; only who hangs in the kernel takes longer
/// than some milliseconds.
const TREE: Duration = Duration::from_secs(5);
/// And its shim to record it.
const RECORDING: Duration = Duration::from_secs(5);

/// Stops each tree and waits until its record says so.
pub(crate) fn pause(home: &Home, targets: &mut [Target]) {
    let stopped = act(targets, |record| match record.state {
        State::Stopping => Err(Target::no("is being stopped")),
        _ => stop_all(&Tree::of(home, record)),
    });
    let pending: Vec<usize> =
        stopped.into_iter().filter(|&at| has_main(&targets[at].record)).collect();
    wait(
        home,
        targets,
        &pending,
        Instant::now() + RECORDING,
        |_, record| record.state != State::Running,
        |_| format!("stands still, but its shim has not recorded it for {RECORDING:?}"),
    );
    for at in pending {
        let target = &mut targets[at];
        if target.refusal.is_none() && target.record.state != State::Paused {
            target.refusal = Some(Target::no(format!("is {} meanwhile", target.record.state)));
        }
    }
}

/// Lets each tree go on and waits until its record says so.
pub(crate) fn resume(home: &Home, targets: &mut [Target]) {
    let resumed = act(targets, |record| continue_all(&Tree::of(home, record)));
    wait(
        home,
        targets,
        &resumed,
        Instant::now() + RECORDING,
        |_, record| record.state != State::Paused,
        |_| format!("goes on, but its shim has not recorded it for {RECORDING:?}"),
    );
}

/// Does it to all that have processes; returns the places of those with whom it worked.
fn act(targets: &mut [Target], work: impl Fn(&ProcessRecord) -> Result<(), Refusal>) -> Vec<usize> {
    let mut done = Vec::new();
    for (at, target) in targets.iter_mut().enumerate() {
        let record = &target.record;
        match nobody_there(record).map_or_else(|| work(record), Err) {
            Ok(()) => {
                // A shim that adopted the process is not told by the kernel: it has to look.
                signal_shim(record, Signal::CHLD);
                done.push(at);
            }
            Err(refusal) => target.refusal = Some(refusal),
        }
    }
    done
}

/// Whether the main process lives: what it does is what is recorded.
fn has_main(record: &ProcessRecord) -> bool {
    let main = record.main().and_then(|main| PidFd::of(main).ok().flatten());
    main.is_some_and(|main| !main.has_exited())
}

/// Stops parents before their children, so that none is told that a child stopped, and looks
/// again until a pass finds nobody who runs: forks race.
fn stop_all(tree: &Tree<'_>) -> Result<(), Refusal> {
    until_all(
        tree,
        |state| !matches!(state, 'T' | 't'),
        |running| {
            running.iter().for_each(|(_, held)| drop(held.signal(Signal::STOP)));
        },
    )
    .map_err(|left| Target::no(format!("still runs in part (pid and state): {left}")))
}

/// Continues children before their parents, the main process last, and looks again until nobody
/// is stopped. The first pass is to all: a stop may be under way.
fn continue_all(tree: &Tree<'_>) -> Result<(), Refusal> {
    let resume = |stopped: &[(i32, PidFd)]| {
        stopped.iter().rev().for_each(|(_, held)| drop(held.signal(Signal::CONT)));
    };
    resume(&tree.hold());
    until_all(tree, |state| state == 'T', resume)
        .map_err(|left| Target::no(format!("stands still in part (pid and state): {left}")))
}

/// Acts on all in a state that is not wanted until there are none; this process, should it be one
/// of them, is left out. What is left after a while is told.
fn until_all(
    tree: &Tree<'_>,
    unwanted: impl Fn(char) -> bool,
    act: impl Fn(&[(i32, PidFd)]),
) -> Result<(), String> {
    let (proc, me) = (Proc::default(), std::process::id() as i32);
    let state = |pid: i32| proc.stat(pid).ok().filter(|stat| !stat.is_dead()).map(|s| s.state);
    let since = Instant::now();
    loop {
        let mut left = tree.hold();
        left.retain(|&(pid, _)| pid != me && state(pid).is_some_and(&unwanted));
        if left.is_empty() {
            return Ok(());
        }
        if since.elapsed() > TREE {
            let words = left.iter().filter_map(|&(pid, _)| Some(format!("{pid} {}", state(pid)?)));
            return Err(words.collect::<Vec<String>>().join(", "));
        }
        act(&left);
        thread::sleep(Duration::from_millis(1));
    }
}
