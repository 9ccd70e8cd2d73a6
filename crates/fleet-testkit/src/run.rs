//! Running tools, with assertions that read as sentences.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

/// A tool that has not come back after this time hangs.
const HANGS: Duration = Duration::from_secs(60);

/// A tool of the workspace, found beside the test that runs.
///
/// # Panics
/// It is not built.
pub fn tool(name: &str) -> PathBuf {
    let path = tools().join(name);
    assert!(path.is_file(), "{} is missing: run `cargo build --workspace` first", path.display());
    path
}

/// The folder of all tools: `target/debug` for a test at `target/debug/deps/x`.
pub(crate) fn tools() -> PathBuf {
    let test = env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().to_owned()
}

/// A tool about to be run.
pub struct Run {
    command: std::process::Command,
    stdin: Vec<u8>,
}

impl Run {
    /// A program with what a prefix such as `nsenter` needs before it.
    pub(crate) fn new(prefix: &[String], program: &Path, home: &Path) -> Run {
        let mut words: Vec<&OsStr> = prefix.iter().map(OsStr::new).collect();
        words.push(program.as_os_str());
        let mut command = std::process::Command::new(words[0]);
        command.args(&words[1..]);
        // What a surrounding fleet or session says must not be seen by the tools.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("FLEET_") || text.starts_with("XDG_") || text == "NOTIFY_SOCKET" {
                command.env_remove(&name);
            }
        }
        let path = env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", tools().display())).env("FLEET_HOME", home);
        Run { command, stdin: Vec::new() }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Run {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Run {
        self.command.args(args);
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Run {
        self.command.env(name, value);
        self
    }

    /// Takes a variable away.
    pub fn without_env(mut self, name: &str) -> Run {
        self.command.env_remove(name);
        self
    }

    /// Runs it in this folder.
    pub fn within(mut self, folder: &Path) -> Run {
        self.command.current_dir(folder);
        self
    }

    /// Gives it this on standard input.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Run {
        self.stdin = bytes.into();
        self
    }

    /// Runs it to its end, whatever that is.
    ///
    /// # Panics
    /// It cannot be run, or hangs.
    #[track_caller]
    pub fn ends(self) -> Ran {
        let line = format!("{:?}", self.command);
        let mut command = assert_cmd::Command::from_std(self.command);
        let output = command.write_stdin(self.stdin).timeout(HANGS).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { line, code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs it; it ends with 0 and has nothing to say.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn succeeds(self) -> Ran {
        let ran = self.succeeds_and_says("");
        assert!(ran.err.is_empty(), "it was to be silent on stderr\n{ran}");
        ran
    }

    /// Runs it; it ends with 0 and says this among other things on stderr.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn succeeds_and_says(self, text: &str) -> Ran {
        let ran = self.ends();
        assert!(ran.code == Some(0), "it was to succeed\n{ran}");
        ran.stderr_has(text)
    }

    /// Runs it; it ends with this status and says why on stderr.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn fails_with(self, code: i32) -> Ran {
        let ran = self.ends();
        assert!(ran.code == Some(code), "it was to fail with {code}\n{ran}");
        assert!(!ran.err.contains("panicked"), "a panic is no answer\n{ran}");
        ran
    }

    /// Starts it and does not wait for it.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn starts(mut self) -> std::process::Child {
        use std::process::Stdio;
        let piped = self.command.stdin(Stdio::piped()).stdout(Stdio::piped());
        piped.stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// A tool that has run.
#[derive(Debug)]
pub struct Ran {
    line: String,
    code: Option<i32>,
    out: String,
    err: String,
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ran { line, code, out, err } = self;
        write!(f, "{line}\nstatus: {code:?}\nstdout: {out}\nstderr: {err}")
    }
}

impl Ran {
    /// Its exit status; `None` when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.code
    }

    /// What it printed.
    pub fn stdout(&self) -> &str {
        &self.out
    }

    /// What it said.
    pub fn stderr(&self) -> &str {
        &self.err
    }

    /// Asserts that it said this.
    ///
    /// # Panics
    /// It did not.
    #[track_caller]
    pub fn stderr_has(self, text: &str) -> Ran {
        assert!(self.err.contains(text), "stderr was to have {text:?}\n{self}");
        self
    }

    /// Asserts that it did not say this.
    ///
    /// # Panics
    /// It did.
    #[track_caller]
    pub fn stderr_lacks(self, text: &str) -> Ran {
        assert!(!self.err.contains(text), "stderr was not to have {text:?}\n{self}");
        self
    }

    /// Asserts that it printed this among other things.
    ///
    /// # Panics
    /// It did not.
    #[track_caller]
    pub fn stdout_has(self, text: &str) -> Ran {
        assert!(self.out.contains(text), "stdout was to have {text:?}\n{self}");
        self
    }

    /// Asserts that it printed this and nothing else.
    ///
    /// # Panics
    /// It did not.
    #[track_caller]
    pub fn stdout_is(self, text: &str) -> Ran {
        assert!(self.out == text, "stdout was to be {text:?}\n{self}");
        self
    }

    /// The JSON lines that it printed.
    ///
    /// # Panics
    /// A line is no JSON.
    #[track_caller]
    pub fn records(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}\n{self}"));
        self.out.lines().map(parse).collect()
    }

    /// The only JSON line that it printed.
    ///
    /// # Panics
    /// It is not one line.
    #[track_caller]
    pub fn record(&self) -> Value {
        let mut records = self.records();
        assert!(records.len() == 1, "it was to print one record\n{self}");
        records.remove(0)
    }
}
