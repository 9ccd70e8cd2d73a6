//! The cgroup of a run: limits, what it counted, who is in it, and its end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use fleet_core::{Controller, Limits};

use super::CgroupError;

/// Length of the periods in which processor time is given, in microseconds: the kernel's default.
const PERIOD: u64 = 100_000;
/// The shortest share of a period that the kernel gives, in microseconds.
const LEAST_QUOTA: u64 = 1000;
/// Memory is charged in batches of 64 pages (MEMCG_CHARGE_BATCH of the kernel).
const CHARGE: u64 = 64 * 4096;
/// How long the kernel may take to let go of the last process after its end.
const LET_GO: Duration = Duration::from_millis(200);

/// The folders of a run's cgroup.
#[derive(Clone, Debug)]
pub struct Cgroup {
    folders: Vec<PathBuf>,
}

/// What the kernel counted of a cgroup's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryKills {
    /// Processes of it that were killed for memory, whoever's memory it was.
    pub kills: u64,
    /// Whether its own limit was what could not be kept.
    pub at_limit: bool,
}

/// What the processes of a cgroup use now. What this kernel does not count is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CgroupUse {
    /// Memory, with files that it has cached.
    pub memory_bytes: Option<u64>,
    /// Processor time since it was made.
    pub cpu_micros: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

/// The files that hold a controller's limit: of version 2, of version 1.
pub(super) fn limit_files(controller: Controller) -> [&'static str; 2] {
    match controller {
        Controller::Memory => ["memory.max", "memory.limit_in_bytes"],
        Controller::Cpu => ["cpu.max", "cpu.cfs_quota_us"],
        Controller::Pids => ["pids.max", "pids.max"],
    }
}

impl Cgroup {
    /// The cgroup that these limits name, if they do.
    pub fn of(limits: &Limits) -> Option<Cgroup> {
        (!limits.cgroups.is_empty()).then(|| Cgroup::at(&limits.cgroups))
    }

    pub(super) fn at(folders: impl IntoIterator<Item = impl AsRef<Path>>) -> Cgroup {
        Cgroup { folders: folders.into_iter().map(|path| path.as_ref().to_owned()).collect() }
    }

    /// Makes its folders where they are not there.
    ///
    /// # Errors
    /// One cannot be made.
    pub fn make(&self) -> Result<(), CgroupError> {
        for folder in &self.folders {
            match fs::create_dir(folder) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(CgroupError::of("make the cgroup", folder)(e));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Puts the limits on memory, processors and processes in force that it is to hold; one that
    /// is absent is lifted.
    ///
    /// # Errors
    /// The kernel refuses one, or has no file for it; those before it are in force.
    pub fn limit(&self, limits: &Limits) -> Result<(), CgroupError> {
        for controller in Controller::ALL {
            let there = limit_files(controller).iter().find_map(|name| self.file(name));
            match there {
                Some(file) if !limits.weaker.contains_key(&controller) => match controller {
                    Controller::Memory => self.limit_memory(&file, limits.memory_bytes)?,
                    Controller::Cpu => self.limit_cpus(&file, limits.cpus)?,
                    Controller::Pids => {
                        write(&file, &limits.pids.map_or("max".to_owned(), |n| n.to_string()))?;
                    }
                },
                None if limits.is_held(controller) => return Err(self.lacks(controller)),
                _ => {}
            }
        }
        Ok(())
    }

    fn lacks(&self, controller: Controller) -> CgroupError {
        let [name, _] = limit_files(controller);
        let path = self.folders.first().map_or_else(PathBuf::new, |folder| folder.join(name));
        CgroupError::of("write to", path)(io::ErrorKind::NotFound.into())
    }

    /// Memory and swap together are limited: under version 2 by giving no swap, under version 1,
    /// where the kernel counts swap, by one limit on both.
    fn limit_memory(&self, file: &Path, limit: Option<u64>) -> Result<(), CgroupError> {
        if file.ends_with("memory.max") {
            write(file, &limit.map_or("max".to_owned(), |bytes| bytes.to_string()))?;
            if let Some(swap) = self.file("memory.swap.max") {
                write(&swap, if limit.is_some() { "0" } else { "max" })?;
            }
            return Ok(());
        }
        let text = limit.map_or("-1".to_owned(), |bytes| bytes.to_string());
        let Some(both) = self.file("memory.memsw.limit_in_bytes") else {
            return write(file, &text);
        };
        // At no time may the one of both be the lower one.
        let raised = number(&both).unwrap_or(0) < limit.unwrap_or(u64::MAX);
        let order = if raised { [&both, file] } else { [file, &both] };
        order.iter().try_for_each(|file| write(file, &text))
    }

    fn limit_cpus(&self, file: &Path, cpus: Option<f64>) -> Result<(), CgroupError> {
        let quota = cpus.map(|cpus| ((cpus * PERIOD as f64).round() as u64).max(LEAST_QUOTA));
        if file.ends_with("cpu.max") {
            let text = quota.map_or("max".to_owned(), |quota| quota.to_string());
            return write(file, &format!("{text} {PERIOD}"));
        }
        if let Some(period) = self.file("cpu.cfs_period_us") {
            write(&period, &PERIOD.to_string())?;
        }
        write(file, &quota.map_or("-1".to_owned(), |quota| quota.to_string()))
    }

    /// Lifts the limit on processor time: even to die takes some.
    pub fn unthrottle(&self) {
        let file = limit_files(Controller::Cpu).iter().find_map(|name| self.file(name));
        let _ = file.map(|file| self.limit_cpus(&file, None));
    }

    /// The ways in: who writes `0` to each of these is a member.
    ///
    /// # Errors
    /// One may not be opened.
    pub fn doors(&self) -> Result<Vec<OwnedFd>, CgroupError> {
        let open = |folder: &PathBuf| {
            let path = folder.join("cgroup.procs");
            let opened = OpenOptions::new().write(true).open(&path);
            opened.map(OwnedFd::from).map_err(CgroupError::of("enter the cgroup", path))
        };
        self.folders.iter().map(open).collect()
    }

    /// What was killed for memory; nothing where it does not count that.
    pub fn memory_kills(&self) -> Option<MemoryKills> {
        if let Some(file) = self.file("memory.events") {
            let text = fs::read_to_string(file).ok()?;
            let at_limit = field(&text, "oom").is_some_and(|times| times > 0);
            return Some(MemoryKills { kills: field(&text, "oom_kill")?, at_limit });
        }
        let text = fs::read_to_string(self.file("memory.oom_control")?).ok()?;
        // Newer kernels no longer count failures there (memory.failcnt stays 0).
        let (peak, limit) = (self.memory_peak()?, self.read("memory.limit_in_bytes")?);
        let at_limit = peak.saturating_add(CHARGE) >= limit;
        Some(MemoryKills { kills: field(&text, "oom_kill")?, at_limit })
    }

    /// The most memory that it used; nothing on kernels before 5.19 under version 2.
    pub fn memory_peak(&self) -> Option<u64> {
        self.read("memory.peak").or_else(|| self.read("memory.max_usage_in_bytes"))
    }

    /// Memory in use that cannot simply be let go, as cached files can.
    pub fn memory_needed(&self) -> Option<u64> {
        let stat = fs::read_to_string(self.file("memory.stat")?).ok()?;
        // Version 1 counts for the cgroup alone under the plain name, and nobody is below it here.
        let cached =
            field(&stat, "inactive_file").unwrap_or(0) + field(&stat, "active_file").unwrap_or(0);
        Some(self.usage().memory_bytes?.saturating_sub(cached))
    }

    /// How often a fork was refused.
    pub fn refused_forks(&self) -> u64 {
        let text = self.file("pids.events").and_then(|file| fs::read_to_string(file).ok());
        text.and_then(|text| field(&text, "max")).unwrap_or(0)
    }

    /// What it uses now.
    pub fn usage(&self) -> CgroupUse {
        let memory = self.read("memory.current").or_else(|| self.read("memory.usage_in_bytes"));
        let stat = self.file("cpu.stat").and_then(|file| fs::read_to_string(file).ok());
        let micros = stat.and_then(|text| field(&text, "usage_usec"));
        let nanos = || self.read("cpuacct.usage").map(|nanos| nanos / 1000);
        CgroupUse {
            memory_bytes: memory,
            cpu_micros: micros.or_else(nanos),
            pids: self.read("pids.current"),
        }
    }

    /// All processes in it.
    pub fn members(&self) -> Vec<i32> {
        let list = |folder: &PathBuf| fs::read_to_string(folder.join("cgroup.procs")).ok();
        let text = self.folders.iter().find_map(list).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Removes its folders, with those that its members made in them. The kernel removes none that
    /// anything lives in.
    ///
    /// # Errors
    /// One is still in use, or may not be removed.
    pub fn remove(&self) -> Result<(), CgroupError> {
        let deadline = Instant::now() + LET_GO;
        let mut failed = None;
        for folder in &self.folders {
            if let Err(e) = remove_within(folder, deadline) {
                failed.get_or_insert(CgroupError::of("remove the cgroup", folder)(e));
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// The file of this name in whichever folder has it.
    fn file(&self, name: &str) -> Option<PathBuf> {
        self.folders.iter().map(|folder| folder.join(name)).find(|path| path.exists())
    }

    fn read(&self, name: &str) -> Option<u64> {
        number(&self.file(name)?)
    }
}

/// One write(2), since the kernel takes each as a whole.
fn write(file: &Path, text: &str) -> Result<(), CgroupError> {
    let open = || OpenOptions::new().write(true).open(file);
    let written = open().and_then(|mut file: File| file.write_all(text.as_bytes()));
    written.map_err(CgroupError::of("write to", file))
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The value of one line `name value`.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// A process that is dead may count as a member for a moment more.
fn remove_within(folder: &Path, deadline: Instant) -> io::Result<()> {
    loop {
        match remove_tree(folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(1));
            }
            done => return done,
        }
    }
}

/// Folders alone can be removed there; their files go with them.
fn remove_tree(folder: &Path) -> io::Result<()> {
    match fs::remove_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::ResourceBusy => {}
        done => return done,
    }
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files, as the kernel would fill it.
    fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Cgroup) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let cgroup = Cgroup::at([dir.path()]);
        (dir, cgroup)
    }

    fn text(dir: &tempfile::TempDir, name: &str) -> String {
        fs::read_to_string(dir.path().join(name)).unwrap()
    }

    fn limits() -> Limits {
        let (memory_bytes, cpus, pids) = (Some(1 << 20), Some(1.5), Some(7));
        Limits { memory_bytes, cpus, pids, ..Limits::default() }
    }

    #[test]
    fn version_2_takes_limits_in_its_form() {
        let files = ["memory.max", "memory.swap.max", "cpu.max", "pids.max"];
        let (dir, cgroup) = folder(&files.map(|name| (name, "")));
        cgroup.limit(&limits()).unwrap();
        let all = files.map(|name| text(&dir, name));
        assert_eq!(all, ["1048576", "0", "150000 100000", "7"]);
    }

    #[test]
    fn version_1_takes_limits_in_its_form() {
        let files = ["memory.limit_in_bytes", "cpu.cfs_quota_us", "cpu.cfs_period_us"];
        let (dir, cgroup) = folder(&files.map(|name| (name, "")));
        cgroup.limit(&limits()).unwrap();
        assert_eq!(files.map(|name| text(&dir, name)), ["1048576", "150000", "100000"]);
        fs::write(dir.path().join("cpu.cfs_quota_us"), "").unwrap();
        cgroup.unthrottle();
        assert_eq!(text(&dir, "cpu.cfs_quota_us"), "-1");
    }

    #[test]
    fn what_a_cgroup_does_not_hold_is_not_written() {
        let (dir, cgroup) = folder(&[("memory.max", "max"), ("pids.max", "max")]);
        let weaker = [(Controller::Pids, String::new())].into();
        cgroup.limit(&Limits { weaker, ..limits() }).unwrap();
        assert_eq!(
            (text(&dir, "memory.max"), text(&dir, "pids.max")),
            ("1048576".into(), "max".into())
        );
    }

    #[test]
    fn kills_and_peaks_of_both_versions() {
        let (_dir, cgroup) = folder(&[
            ("memory.events", "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n"),
            ("memory.peak", "4096\n"),
        ]);
        assert_eq!(cgroup.memory_kills(), Some(MemoryKills { kills: 1, at_limit: true }));
        assert_eq!(cgroup.memory_peak(), Some(4096));
        let (_dir, cgroup) = folder(&[
            ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
            ("memory.limit_in_bytes", "1048576\n"),
            ("memory.max_usage_in_bytes", "1044480\n"),
        ]);
        assert_eq!(cgroup.memory_kills(), Some(MemoryKills { kills: 3, at_limit: true }));
        assert_eq!(cgroup.memory_peak(), Some(1_044_480));
        assert_eq!(folder(&[]).1.memory_kills(), None);
    }

    #[test]
    fn cached_files_are_not_needed() {
        let stat = "anon 5000\ninactive_file 900\nactive_file 100\nfile 1000\n";
        let (_dir, cgroup) = folder(&[("memory.stat", stat), ("memory.current", "6000\n")]);
        assert_eq!(cgroup.memory_needed(), Some(5000));
    }

    #[test]
    fn use_is_read_where_it_is_counted() {
        let (_dir, cgroup) = folder(&[("cpu.stat", "usage_usec 77\nuser_usec 1\n")]);
        assert_eq!(cgroup.usage(), CgroupUse { cpu_micros: Some(77), ..CgroupUse::default() });
    }
}
