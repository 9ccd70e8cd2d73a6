//! `fleet-shim`: adopts a run whose supervisor died. Started by any tool that finds one; never
//! typed by a person.
//!
//! Its arguments are the home, the id and the run; descriptor 3 is the run's lock, held.
#![cfg_attr(not(test), no_main)]

use std::env;
use std::io::{self, Write};

use fleet_core::{Id, RunKey};
use fleet_os::{close_from, inherited};
use fleet_registry::Home;

fleet_os::bare_main!(adopt);

#[cfg_attr(test, allow(dead_code, reason = "called by the C runtime alone"))]
fn adopt() -> i32 {
    let lock = inherited(3);
    close_from(4);
    let mut args = env::args_os().skip(1);
    let (home, id, run) = (args.next(), args.next(), args.next());
    let id: Option<Id> = id.and_then(|id| id.to_str()?.parse().ok());
    let run: Option<u32> = run.and_then(|run| run.to_str()?.parse().ok());
    let (Some(home), Some(id), Some(run), Some(lock)) = (home, id, run, lock) else {
        let words = "fleet-shim is started by other tools; see fleet-spawn --help\n";
        let _ = io::stderr().write_all(words.as_bytes());
        return 2;
    };
    fleet_shim::serve(Home::at(home), &RunKey { id, run }, lock, None, true)
}
