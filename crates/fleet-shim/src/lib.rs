//! The supervisor of one process of a fleet.
//!
//! # Theory of operation
//!
//! Two processes share each post: the *shim*, one thread around poll(2), and its parent, the
//! *keeper*, asleep in waitid(2). All that a shim knows of its run lies in memory that both share
//! (the board), or in the run's folder. When the shim is killed, the keeper forks the next one
//! from its own image, so that nothing is executed or loaded anew; it reads the board and goes
//! on, to the byte. When the keeper is killed, the shim takes the keeper's place and forks a shim
//! below itself. Only when both die at once is the run left to the healing: any tool that
//! meets it executes `fleet-shim`, which adopts it.
//!
//! fleet-spawn forks its supervisor from itself, before it does anything else ([`Nursery`]).

mod adopt;
mod board;
mod care;
mod gpus;
mod health;
mod keeper;
mod life;
mod limits;
mod notify;
mod nursery;
mod oom;
mod output;
mod post;
mod publish;
mod queue;
mod report;
mod stop;
mod supervise;
mod suspension;
mod take_up;
mod tree;
mod wake;

use std::env;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use fleet_core::RunKey;
use fleet_os::{Signals, fork, name_self, replace_arguments};
use fleet_registry::Home;

pub use health::{BadPattern, Pattern};
pub use nursery::Nursery;

use crate::keeper::{Watch, keep_watch};
use crate::post::Post;
use crate::supervise::{Leave, supervise};

/// Takes up the post of a run, whose lock is held, and holds it until the run is over. The fate
/// of the first attempt is told on `report` in one line, `ok PID` or `err STATUS WORDS`. Returns
/// an exit status.
///
/// Must be called in a process of its own, with one thread.
pub fn serve(home: Home, run: &RunKey, lock: OwnedFd, report: Option<File>, adopts: bool) -> i32 {
    let _ = env::set_current_dir("/");
    replace_arguments(&format!("fleet-shim {run}"));
    let post = Post::open(home, run, lock).and_then(|mut post| {
        if adopts {
            adopt::put_on_board(&mut post)?;
        }
        Ok(post)
    });
    match post {
        Ok(post) => hold(post, report),
        Err(e) => {
            if let Some(mut report) = report {
                let _ = writeln!(report, "err 2 cannot supervise '{}': {e}", run.id);
            }
            2
        }
    }
}

/// Holds the post until the run is over, as keeper or as shim, in turns as the other one dies.
fn hold(mut post: Post, mut report: Option<File>) -> i32 {
    // The keeper ignores all signals: it must not die of what is meant for others.
    let _ = Signals::block_all();
    let _ = nix::sys::prctl::set_child_subreaper(true);
    loop {
        post.keeper = std::process::id() as i32;
        match fork() {
            Ok(Some(shim)) => {
                report = None;
                name_self("fleet-keeper");
                match keep_watch(&post, shim) {
                    Watch::Over => return 0,
                    Watch::Replaced => {
                        post.board.add(board::Word::Replaced);
                    }
                }
            }
            Ok(None) => {}
            // Without a second process the post is held by one: less safe, but held.
            Err(_) => {}
        }
        name_self("fleet-shim");
        match supervise(&mut post, report.take()) {
            Ok(Leave::Over) => return 0,
            Ok(Leave::KeeperDied) => {
                post.board.add(board::Word::Replaced);
            }
            Err(_) => return 2,
        }
    }
}
