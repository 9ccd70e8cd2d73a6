//! `fleet-shim`: the supervisor of one process. Started by fleet-spawn, and by any tool that finds
//! a process whose supervisor died; never typed by a person.
//!
//! # Theory of operation
//!
//! Two processes share each post: the *shim*, one thread around poll(2), and its parent, the
//! *keeper*, asleep in waitid(2). All that a shim knows of its run lies in memory that both share
//! (the board), or in the run's folder. When the shim is killed, the keeper forks the next one
//! from its own image, so that nothing is executed or loaded anew; it reads the board and goes
//! on, to the byte. When the keeper is killed, the shim takes the keeper's place and forks a shim
//! below itself. Only when both die at once is the run left to the healing: any tool that
//! meets it starts a shim that adopts it.
//!
//! Descriptors: 3 is a pipe to fleet-spawn, which waits for one line (`ok PID` or
//! `err STATUS WORDS`); 4 is the run's `shim.lock`, locked.
#![cfg_attr(not(test), no_main)]

mod adopt;
mod board;
mod keeper;
mod life;
mod notify;
mod oom;
mod output;
mod post;
mod publish;
mod stop;
mod supervise;
mod tree;

use std::env;
use std::fs::File;
use std::io::{self, Write};

use fleet_core::Id;
use fleet_os::{Signals, close_from, fork, inherited};
use fleet_registry::Home;

use crate::keeper::{Watch, keep_watch};
use crate::post::Post;
use crate::supervise::{Leave, supervise};

#[cfg(not(test))]
fleet_os::bare_main!(shim_main);

/// Parses the arguments, takes up the post, and holds it.
#[cfg_attr(test, allow(dead_code))]
fn shim_main() -> i32 {
    let report = inherited(3).map(File::from);
    let lock = inherited(4);
    close_from(5);
    let mut args = env::args_os().skip(1);
    let (verb, home, id, run) = (args.next(), args.next(), args.next(), args.next());
    let adopts = match verb.as_ref().and_then(|v| v.to_str()) {
        Some("run") => false,
        Some("adopt") => true,
        _ => return usage(),
    };
    let id: Option<Id> = id.and_then(|id| id.to_str()?.parse().ok());
    let run: Option<u32> = run.and_then(|run| run.to_str()?.parse().ok());
    let (Some(home), Some(id), Some(run), Some(lock)) = (home, id, run, lock) else {
        return usage();
    };
    let _ = env::set_current_dir("/");
    let post = Post::open(Home::at(home), &id, run, lock).and_then(|mut post| {
        if adopts {
            adopt::put_on_board(&mut post)?;
        }
        Ok(post)
    });
    match post {
        Ok(post) => hold(post, report),
        Err(e) => {
            if let Some(mut report) = report {
                let _ = writeln!(report, "err 2 cannot supervise '{id}': {e}");
            }
            2
        }
    }
}

fn usage() -> i32 {
    let words = "fleet-shim is started by fleet-spawn; see fleet-spawn --help\n";
    let _ = io::stderr().write_all(words.as_bytes());
    2
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
        match supervise(&mut post, report.take()) {
            Ok(Leave::Over) => return 0,
            Ok(Leave::KeeperDied) => {
                post.board.add(board::Word::Replaced);
            }
            Err(_) => return 2,
        }
    }
}
