//! The runtimes that are here, run now: what they print today is still what the corpus holds.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]
#![allow(clippy::print_stderr, reason = "a test that is passed over says so")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use fleet_traceback::{Grouped, Grouper, Said, Traceback};

struct Line(Vec<u8>);

impl Said for Line {
    fn text(&self) -> &[u8] {
        &self.0
    }

    fn lane(&self) -> usize {
        0
    }
}

/// All tracebacks of a text.
fn tracebacks(text: &[u8]) -> Vec<Traceback> {
    let mut grouper = Grouper::default();
    let mut found = Vec::new();
    let mut take = |grouped| match grouped {
        Grouped::Line(_) => {}
        Grouped::Traceback(traceback, _) => found.push(*traceback),
    };
    for line in text.split(|&b| b == b'\n') {
        grouper.push(Line(line.to_vec()), &mut take);
    }
    grouper.finish(&mut take);
    found
}

/// What a line of shell prints in a folder that holds the programs of one language.
fn said(language: &str, script: &str) -> Vec<u8> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(language);
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec 2>&1; {script}")]).current_dir(folder.path());
    // No core is left behind, and no setting of this session changes what is printed.
    for name in ["RUST_BACKTRACE", "FORCE_COLOR", "PYTHONFAULTHANDLER", "NODE_OPTIONS"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).output().unwrap().stdout
}

fn is_here(program: &str) -> bool {
    let mut asked = Command::new(program);
    asked.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    let here = asked.status().is_ok_and(|status| status.success());
    if !here {
        eprintln!("passed over: no {program} here");
    }
    here
}

/// Runs a program, which ends with a traceback of this type in these functions.
fn fails_with(language: &str, script: &str, kind: &str, functions: &[&str]) {
    let text = said(language, script);
    let found = tracebacks(&text);
    let shown = String::from_utf8_lossy(&text);
    let last = found.last().unwrap_or_else(|| panic!("{script} has no traceback: {shown}"));
    assert_eq!(last.language.word(), language, "{shown}");
    assert_eq!(last.kind.as_deref(), Some(kind), "{shown}");
    let names: Vec<&str> = last.frames.iter().filter_map(|f| f.function.as_deref()).collect();
    for function in functions {
        assert!(names.contains(function), "{names:?} lacks {function}: {shown}");
    }
}

#[test]
fn python() {
    if !is_here("python3") {
        return;
    }
    fails_with("python", "python3 plain.py 3", "FileNotFoundError", &["main", "load"]);
    fails_with("python", "python3 cause.py 3", "RuntimeError", &["<module>", "read"]);
    fails_with("python", "python3 thread.py 3", "ConnectionResetError", &["feed"]);
    fails_with("python", "python3 pool.py 3", "ZeroDivisionError", &["<module>"]);
    fails_with("python", "python3 recursion.py 3", "RecursionError", &["down"]);
    fails_with(
        "python",
        "ulimit -c 0; exec python3 segfault.py 3",
        "Fatal Python error",
        &["crash"],
    );
}

#[test]
fn node() {
    if !is_here("node") {
        return;
    }
    fails_with("node", "node cause.js 3", "Error", &["read"]);
    fails_with("node", "node rejected.js 3", "RangeError", &["load"]);
    fails_with("node", "node throws.js 3", "SyntaxError", &["parse"]);
}

#[test]
fn rust() {
    if !is_here("rustc") {
        return;
    }
    let run = "rustc -g -o made plain.rs && RUST_BACKTRACE=1 ./made 3";
    fails_with("rust", run, "panic", &["plain::half", "plain::main"]);
    fails_with("rust", "rustc -o made plain.rs && RUST_BACKTRACE=0 ./made 3", "panic", &[]);
}

#[test]
fn native() {
    if !is_here("g++") {
        return;
    }
    let build = "ulimit -c 0; g++ -w -o made aborts.cc -pthread";
    fails_with("native", &format!("{build} && ./made throw 3"), "std::runtime_error", &[]);
    fails_with(
        "native",
        &format!("{build} && ./made assert 3"),
        "assertion failed",
        &["int main(int, char**)"],
    );
}
