//! A fleet in a temporary folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use fleet_core::{ProcessRecord, Signal};
use fleet_os::{Proc, marked};
use serde_json::Value;
use tempfile::TempDir;

use crate::log::Log;
use crate::process::{is_living, kill};
use crate::room::Room;
use crate::run::{Run, tool};
use crate::until::find;

/// How long what was killed may take to go.
const GONE: Duration = Duration::from_secs(10);
/// Number of SIGSTOP.
const STOP: i32 = 19;

/// A fleet of the test's own. All that lives in it is ended when it is dropped, even by a panic.
pub struct TestFleet {
    room: Option<Room>,
    folder: TempDir,
}

impl TestFleet {
    /// A fleet with an empty home.
    ///
    /// # Panics
    /// No temporary folder can be made.
    #[allow(clippy::new_without_default, reason = "it makes a folder and ends processes")]
    pub fn new() -> TestFleet {
        let folder = tempfile::Builder::new().prefix("fleet-test-").tempdir().unwrap();
        fs::create_dir(folder.path().join("home")).unwrap();
        TestFleet { room: None, folder }
    }

    /// A fleet whose home is a small memory file system that only its own processes see; `None`,
    /// with a printed reason, where this host does not permit that.
    #[allow(clippy::print_stderr, reason = "a test that is passed over says so")]
    pub fn on_tmpfs(options: &str) -> Option<TestFleet> {
        let mut fleet = TestFleet::new();
        match Room::with_tmpfs(&fleet.home(), options) {
            Ok(room) => {
                fleet.room = Some(room);
                Some(fleet)
            }
            Err(why) => {
                eprintln!("passed over: no mount namespace here: {why}");
                None
            }
        }
    }

    /// Its home, as its tools are told it.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A folder beside the home for what the test needs.
    pub fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// A file of the home, as the test can read it.
    pub fn file(&self, name: &str) -> PathBuf {
        let home = match &self.room {
            Some(room) => room.outside(&self.home()),
            None => self.home(),
        };
        home.join(name)
    }

    /// A tool about to be run in this fleet.
    ///
    /// # Panics
    /// It is not built.
    pub fn run(&self, name: &str) -> Run {
        self.command(&tool(name))
    }

    /// A line of shell about to be run, with the tools in its path.
    pub fn shell(&self, script: &str) -> Run {
        self.command(Path::new("bash")).args(["-c", script])
    }

    fn command(&self, program: &Path) -> Run {
        let prefix = self.room.as_ref().map(Room::prefix).unwrap_or_default();
        Run::new(&prefix, program, &self.home())
    }

    /// Starts a shell script under this name.
    ///
    /// # Panics
    /// It cannot be started.
    #[track_caller]
    pub fn spawn(&self, name: &str, script: &str) -> String {
        self.spawn_with(name, &[], script)
    }

    /// Starts a shell script under this name, with more options.
    ///
    /// # Panics
    /// It cannot be started.
    #[track_caller]
    pub fn spawn_with(&self, name: &str, options: &[&str], script: &str) -> String {
        let run = self.run("fleet-spawn").args(["--name", name]).args(options);
        run.args(["--", "bash", "-c", script]).succeeds().stdout_is(&format!("{name}\n"));
        name.to_owned()
    }

    /// The folder of the newest run of a process.
    ///
    /// # Panics
    /// It never ran.
    #[track_caller]
    pub fn run_dir(&self, name: &str) -> PathBuf {
        let folder = self.file("processes").join(name);
        let runs = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let numbers = runs.filter_map(|run| run.ok()?.file_name().to_str()?.parse::<u32>().ok());
        folder.join(numbers.max().expect("it has a run").to_string())
    }

    /// The newest record of a process, from its own folder.
    ///
    /// # Panics
    /// There is none.
    #[track_caller]
    pub fn record(&self, name: &str) -> ProcessRecord {
        let path = self.run_dir(name).join("record.json");
        let text = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_slice(&text).unwrap()
    }

    /// Pid of the main process.
    ///
    /// # Panics
    /// There is none.
    #[track_caller]
    pub fn pid(&self, name: &str) -> i32 {
        self.record(name).pid.expect("it has a main process")
    }

    /// Pids of shim and keeper.
    ///
    /// # Panics
    /// They are not recorded.
    #[track_caller]
    pub fn supervisors(&self, name: &str) -> (i32, i32) {
        let shim = self.record(name).shim.expect("it has a shim");
        (shim.who.pid, shim.keeper.expect("it has a keeper"))
    }

    /// Kills shim and keeper in one moment: both are suspended first, so that neither can step in
    /// for the other.
    ///
    /// # Panics
    /// They do not die.
    #[track_caller]
    pub fn kill_supervisors(&self, name: &str) {
        let (shim, keeper) = self.supervisors(name);
        self.kill_together(&[shim, keeper]);
    }

    /// Kills shim, keeper and the main process in one moment.
    ///
    /// # Panics
    /// They do not die.
    #[track_caller]
    pub fn kill_with_supervisors(&self, name: &str) {
        let (shim, keeper) = self.supervisors(name);
        let main = self.pid(name);
        // The process first, while they cannot see it: whoever waits for its supervisors must not
        // find it alive.
        for pid in [shim, keeper] {
            kill(pid, Signal::from_number(STOP).unwrap());
        }
        kill(main, Signal::KILL);
        crate::until("the main process is dead", || !is_living(main));
        self.kill_together(&[shim, keeper]);
    }

    #[track_caller]
    fn kill_together(&self, pids: &[i32]) {
        for signal in [STOP, Signal::KILL.number()] {
            pids.iter().for_each(|&pid| kill(pid, Signal::from_number(signal).unwrap()));
        }
        crate::until("what was killed is gone", || !pids.iter().any(|&pid| is_living(pid)));
    }

    /// Waits until the record of a process is as wanted.
    ///
    /// # Panics
    /// It does not become so in time; the message holds what it is.
    #[track_caller]
    pub fn until(&self, name: &str, wanted: impl Fn(&ProcessRecord) -> bool) -> ProcessRecord {
        let look = || {
            let text = fs::read(self.run_dir(name).join("record.json")).ok()?;
            serde_json::from_slice(&text).ok().filter(&wanted)
        };
        find(&format!("the record of '{name}' is as wanted"), look, || self.story(name))
    }

    /// Waits until the run is over.
    ///
    /// # Panics
    /// It is not over in time.
    #[track_caller]
    pub fn until_ended(&self, name: &str) -> ProcessRecord {
        self.until(name, |record| record.state.has_ended())
    }

    /// Waits until the log of a process is as wanted.
    ///
    /// # Panics
    /// It does not become so in time.
    #[track_caller]
    pub fn until_log(&self, name: &str, wanted: impl Fn(&Log) -> bool) -> Log {
        let folder = self.run_dir(name).join("log");
        let look = || Some(Log::read_growing(&folder)).filter(&wanted);
        find(&format!("the log of '{name}' is as wanted"), look, || self.story(name))
    }

    /// Waits until an event of this type is told of a process.
    ///
    /// # Panics
    /// None comes in time.
    #[track_caller]
    pub fn until_event(&self, name: &str, event: &str) -> Value {
        let look = || {
            let fits = |e: &Value| e["id"] == name && e["type"] == event;
            self.events().into_iter().find(fits)
        };
        find(&format!("'{name}' has the event '{event}'"), look, || self.story(name))
    }

    /// The whole log of the newest run of a process.
    ///
    /// # Panics
    /// A line of it is not as it should be.
    #[track_caller]
    pub fn log(&self, name: &str) -> Log {
        Log::read(&self.run_dir(name).join("log"))
    }

    /// All events of the fleet, in the order of their files.
    ///
    /// # Panics
    /// A whole line is no JSON.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.file("events"))
            .into_iter()
            .flatten()
            .map(|f| f.unwrap().path())
            .collect();
        files.sort();
        let text: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The types of the events of one process.
    ///
    /// # Panics
    /// As [`TestFleet::events`].
    #[track_caller]
    pub fn event_types(&self, name: &str) -> Vec<String> {
        let events = self.events();
        let of_it = events.iter().filter(|e| e["id"] == name);
        of_it.map(|e| e["type"].as_str().unwrap().to_owned()).collect()
    }

    /// What `fleet-ps` prints of one process.
    ///
    /// # Panics
    /// It fails, or has something to say.
    #[track_caller]
    pub fn ps(&self, name: &str) -> Value {
        self.run("fleet-ps").arg(name).succeeds().record()
    }

    /// Puts other values into the newest record of a process, in its folder and in the registry:
    /// what a reboot or a reuse of its pid would leave.
    ///
    /// # Panics
    /// There is no record.
    pub fn forge(&self, name: &str, change: impl Fn(&mut ProcessRecord)) {
        let mut record = self.record(name);
        change(&mut record);
        let line = serde_json::to_string(&record).unwrap() + "\n";
        fs::write(self.run_dir(name).join("record.json"), &line).unwrap();
        let registry = self.file("registry.jsonl");
        let text = fs::read_to_string(&registry).unwrap_or_default() + &line;
        fs::write(registry, text).unwrap();
    }

    /// All living processes of the fleet's own commands, by the marks in their environment.
    pub fn workload(&self) -> Vec<i32> {
        let mark = format!("FLEET_HOME={}", self.home().display());
        let mut found = marked(&Proc::default(), &[mark]);
        let me = std::process::id() as i32;
        // A supervisor may still have the environment of the tool that started it.
        found.retain(|&pid| is_living(pid) && pid != me && !is_supervisor(pid));
        found
    }

    /// The workload and its supervisors.
    pub fn living(&self) -> Vec<i32> {
        let mut found = self.workload();
        found.extend(supervisors(&self.home()).into_iter().filter(|&pid| is_living(pid)));
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Waits until the last supervisor has left, as it does a moment after it wrote the end.
    ///
    /// # Panics
    /// Something lives on.
    #[track_caller]
    pub fn until_deserted(&self) {
        let look = || self.living().is_empty().then_some(());
        find("nothing of the fleet lives", look, || format!("{:?}", self.living()));
    }

    /// All that is known of a process, for the message of a failing test.
    fn story(&self, name: &str) -> String {
        let record = fs::read_to_string(self.run_dir(name).join("record.json"));
        let events: Vec<String> = self.events().iter().map(Value::to_string).collect();
        let text = Log::read_growing(&self.run_dir(name).join("log")).text();
        let tail: String = text.lines().rev().take(5).collect::<Vec<_>>().join("\n");
        format!(
            "record: {}\nlast events: {:#?}\nend of stdout (backwards): {tail}",
            record.unwrap_or_else(|e| e.to_string()),
            &events[events.len().saturating_sub(8)..],
        )
    }

    /// Ends all that lives here; whatever does not, after a polite try, by SIGKILL.
    fn end_all(&self) -> Vec<i32> {
        if !self.living().is_empty() {
            self.run("fleet-stop").args(["--all", "--force"]).ends();
        }
        let since = Instant::now();
        loop {
            // Found anew by their marks each time, so that no pid is ever taken for another.
            let left = self.living();
            if left.is_empty() || since.elapsed() > GONE {
                return left;
            }
            left.iter().for_each(|&pid| kill(pid, Signal::KILL));
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Shims and keepers of a home: by the files of it that they hold open, or, where a mount hides
/// those from us, by what is left of the environment of the tool that started them.
fn supervisors(home: &Path) -> Vec<i32> {
    let mark = format!("FLEET_HOME={}\0", home.display()).into_bytes();
    let of_home = |pid: &i32| {
        let opened = || fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let holds =
            || opened().any(|fd| fs::read_link(fd.path()).is_ok_and(|f| f.starts_with(home)));
        let environment = || fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let is_marked = || environment().windows(mark.len()).any(|part| part == mark);
        is_supervisor(*pid) && (holds() || is_marked())
    };
    let folders = fs::read_dir("/proc").unwrap().flatten();
    let pids = folders.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(of_home).collect()
}

fn is_supervisor(pid: i32) -> bool {
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    matches!(name.as_slice(), b"fleet-shim\n" | b"fleet-keeper\n")
}

impl Drop for TestFleet {
    #[allow(clippy::print_stderr, reason = "a second panic would hide the first")]
    fn drop(&mut self) {
        let left = self.end_all();
        if left.is_empty() {
            return;
        }
        let words = format!("processes {left:?} of '{}' cannot be ended", self.home().display());
        if thread::panicking() {
            eprintln!("{words}");
        } else {
            panic!("{words}");
        }
    }
}
