//! Running a command as a child.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;

use crate::shared::Pages;
use crate::terms::Terms;

/// Which step of a launch failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The command could not be executed.
    Exec,
    /// The working folder could not be entered.
    Chdir,
    /// The nice value could not be set.
    Nice,
    /// The I/O priority could not be set.
    IoNice,
    /// `oom_score_adj` could not be set.
    OomScore,
    /// Its cgroup could not be entered.
    Cgroup,
    /// The rlimit with this place among those of the terms could not be set.
    Rlimit(u8),
}

impl Step {
    /// The upper half of the word that tells of a failure.
    pub(crate) fn code(self) -> u64 {
        match self {
            Step::Exec => 0,
            Step::Chdir => 1,
            Step::Nice => 2,
            Step::IoNice => 3,
            Step::OomScore => 4,
            Step::Cgroup => 5,
            Step::Rlimit(place) => 256 + u64::from(place),
        }
    }

    fn of(code: u64) -> Step {
        match code {
            1 => Step::Chdir,
            2 => Step::Nice,
            3 => Step::IoNice,
            4 => Step::OomScore,
            5 => Step::Cgroup,
            256.. => Step::Rlimit(code as u8),
            _ => Step::Exec,
        }
    }
}

/// All that a child needs, made ready beforehand: between fork(2) and execve(2) it may not allocate.
#[derive(Debug)]
pub struct Launch {
    argv: Vec<CString>,
    env: Vec<CString>,
    cwd: CString,
    /// The paths to try, in the order of PATH.
    candidates: Vec<CString>,
    terms: Terms,
}

/// Where the child tells its pid and, if it fails, the step and the error. Both words lie in shared
/// memory, so that they can be read whoever dies meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Pid of the child, once it runs.
    pub pid: &'a AtomicU64,
    /// The code of the step `<< 32 | errno`, or zero.
    pub error: &'a AtomicU64,
}

impl Report<'_> {
    /// What the child said it failed at.
    pub fn failure(&self) -> Option<(Step, io::Error)> {
        let word = self.error.load(Ordering::Acquire);
        let error = io::Error::from_raw_os_error((word & 0xffff_ffff) as i32);
        (word != 0).then(|| (Step::of(word >> 32), error))
    }
}

impl Launch {
    /// Makes a command ready. A name without a slash is looked for in the PATH of `env`, as
    /// execvp(3) does.
    ///
    /// # Errors
    /// The command is empty, or something holds a NUL byte.
    pub fn new(command: &[OsString], env: &[OsString], cwd: &OsStr) -> io::Result<Launch> {
        let text = |s: &OsStr| CString::new(s.as_bytes()).map_err(io::Error::from);
        let program =
            command.first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(Launch {
            argv: command.iter().map(|a| text(a)).collect::<io::Result<_>>()?,
            env: env.iter().map(|e| text(e)).collect::<io::Result<_>>()?,
            cwd: text(cwd)?,
            candidates: candidates(program, env)
                .iter()
                .map(|c| text(c))
                .collect::<io::Result<_>>()?,
            terms: Terms::default(),
        })
    }

    /// The same command, held to limits.
    #[must_use]
    pub fn under(mut self, terms: Terms) -> Launch {
        self.terms = terms;
        self
    }

    /// Starts the command in a new session, with default signal dispositions and an empty signal
    /// mask, and with these descriptors as 0, 1, 2 … and none but those that were not
    /// close-on-exec.
    ///
    /// Returns when execve(2) has worked or failed (`CLONE_VFORK`): ask `report` which. A child
    /// that failed is a zombie to be reaped.
    ///
    /// # Errors
    /// No process could be made.
    pub fn start(&self, files: &[BorrowedFd<'_>], report: Report<'_>) -> io::Result<i32> {
        // Copies above all targets, so that none is overwritten before it is copied.
        let files: Vec<OwnedFd> =
            files.iter().map(|fd| copy_above(*fd, files.len())).collect::<io::Result<_>>()?;
        let argv = pointers(&self.argv);
        let env = pointers(&self.env);
        let mut shell_argv = vec![c"/bin/sh".as_ptr(), ptr::null()];
        shell_argv.extend_from_slice(&argv[1..]);
        let mut child = Child { launch: self, files: &files, argv, env, shell_argv, report };
        let mut stack = Pages::new(CHILD_STACK)?;
        let top = stack.as_mut_slice().as_mut_ptr_range().end;
        // The child borrows this memory until it is another program (CLONE_VM), which spares the
        // copying of page tables, and we sleep meanwhile (CLONE_VFORK), as with posix_spawn(3).
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: the child has a stack of its own, calls nothing but async-signal-safe functions,
        // writes nothing of ours but `child` and the report, and leaves by exec or _exit; all it
        // reads lives until then, since we sleep.
        let pid = unsafe { libc::clone(become_child, top.cast(), flags, (&raw mut child).cast()) };
        Ok(Errno::result(pid)?)
    }
}

/// Stack of a child until it is another program: it calls a few functions, not deep.
const CHILD_STACK: usize = 32 << 10;

/// What a child needs to know.
struct Child<'a> {
    launch: &'a Launch,
    files: &'a [OwnedFd],
    argv: Vec<*const libc::c_char>,
    env: Vec<*const libc::c_char>,
    shell_argv: Vec<*const libc::c_char>,
    report: Report<'a>,
}

/// Where clone(2) lets the child begin.
extern "C" fn become_child(child: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the pointer is to the `Child` of `Launch::start`, which sleeps until we are gone.
    unsafe { (*child.cast::<Child<'_>>()).become_command() }
}

impl Child<'_> {
    /// # Safety
    /// Only in a fresh child. The vectors end in null pointers.
    unsafe fn become_command(&mut self) -> ! {
        let report = self.report;
        // SAFETY: system calls on descriptors and memory that were checked above.
        unsafe {
            report.pid.store(libc::getpid() as u64, Ordering::Release);
            libc::setsid();
            clean_signals();
            for (target, source) in self.files.iter().enumerate() {
                libc::dup2(source.as_raw_fd(), target as RawFd);
            }
            if libc::chdir(self.launch.cwd.as_ptr()) != 0 {
                fail(report, Step::Chdir);
            }
            if let Err(step) = self.launch.terms.accept() {
                fail(report, step);
            }
            let mut worst = libc::ENOENT;
            for path in &self.launch.candidates {
                libc::execve(path.as_ptr(), self.argv.as_ptr(), self.env.as_ptr());
                let errno = Errno::last_raw();
                if errno == libc::ENOEXEC {
                    // A script without an interpreter line is one for the shell (execvp(3)).
                    self.shell_argv[1] = path.as_ptr();
                    let shell = self.shell_argv.as_ptr();
                    libc::execve(*shell, shell, self.env.as_ptr());
                }
                if errno != libc::ENOENT && errno != libc::ENOTDIR {
                    worst = errno;
                }
            }
            Errno::set_raw(worst);
            fail(report, Step::Exec)
        }
    }
}

/// # Safety
/// Only in a fresh child.
unsafe fn fail(report: Report<'_>, step: Step) -> ! {
    report.error.store(step.code() << 32 | Errno::last_raw() as u64, Ordering::Release);
    // SAFETY: leaves without running anything of the parent's.
    unsafe { libc::_exit(127) }
}

/// Gives all signals their default disposition and blocks none: what is ignored or blocked is
/// inherited through execve(2).
///
/// # Safety
/// Only in a fresh child.
unsafe fn clean_signals() {
    // The kernel's own sigaction: handler, flags, restorer and a mask of 64 bits. The C library
    // refuses to change signals 32 and 33, which somebody may have ignored all the same.
    let default = [0_u64; 4];
    // SAFETY: zero is SIG_DFL without flags; a signal that cannot be changed is refused, no more.
    unsafe {
        for signal in 1..=64 {
            let old: *mut u64 = ptr::null_mut();
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), old, 8_usize);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
}

/// A copy of a descriptor with a number not below `lowest`, close-on-exec.
fn copy_above(fd: BorrowedFd<'_>, lowest: usize) -> io::Result<OwnedFd> {
    let copy = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(lowest as RawFd))?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

fn pointers(list: &[CString]) -> Vec<*const libc::c_char> {
    list.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect()
}

/// The paths that a program's name can mean.
fn candidates(program: &OsStr, env: &[OsString]) -> Vec<OsString> {
    if program.as_bytes().contains(&b'/') || program.is_empty() {
        return vec![program.to_owned()];
    }
    let path = env.iter().rev().find_map(|e| e.as_bytes().strip_prefix(b"PATH="));
    path.unwrap_or(b"/usr/local/bin:/usr/bin:/bin")
        .split(|&b| b == b':')
        .map(|folder| {
            let folder = if folder.is_empty() { b"." } else { folder };
            OsString::from_vec([folder, b"/", program.as_bytes()].concat())
        })
        .collect()
}

/// Forks: `None` in the child. The child goes on with a copy of everything.
///
/// # Errors
/// No process could be made.
pub fn fork() -> io::Result<Option<i32>> {
    // SAFETY: fleet's programs that fork have one thread, so the child's copy is whole; the one
    // that may have more (`SpaceQuestion`) makes system calls alone in the child.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { child } => Ok(Some(child.as_raw())),
        nix::unistd::ForkResult::Child => Ok(None),
    }
}

/// Closes all descriptors from `first` on, whoever left them open (close_range(2)).
pub fn close_from(first: u32) {
    // SAFETY: at the start of a program nothing of ours lies there yet.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}

/// Takes a descriptor that the parent passed on, if it is open, and closes it upon exec.
pub fn inherited(fd: RawFd) -> Option<OwnedFd> {
    // SAFETY: fcntl on a number that may be no descriptor is an error, no more.
    let there = unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } == 0;
    // SAFETY: it is open and, at the start of a program, nobody else's.
    there.then(|| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes these descriptors 0, 1, 2 … of this process, and takes hold of the one that became
/// `keep`, to be closed upon exec.
///
/// # Errors
/// Out of descriptors.
pub fn take_place(files: &[BorrowedFd<'_>], keep: RawFd) -> io::Result<OwnedFd> {
    let copies: Vec<OwnedFd> =
        files.iter().map(|fd| copy_above(*fd, files.len())).collect::<io::Result<_>>()?;
    for (target, source) in copies.iter().enumerate() {
        // SAFETY: both are descriptors; what was the target is closed by the kernel, as wanted.
        Errno::result(unsafe { libc::dup2(source.as_raw_fd(), target as RawFd) })?;
    }
    inherited(keep).ok_or_else(|| io::Error::from(Errno::EBADF))
}

/// Takes a descriptor that came with a message (unix(7), `SCM_RIGHTS`).
pub fn received(fd: RawFd) -> OwnedFd {
    // SAFETY: the kernel has made it for us and nobody else knows its number.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Ends this process at once, without running exit handlers of the program it was forked from.
pub fn leave_now(status: i32) -> ! {
    // SAFETY: always allowed.
    unsafe { libc::_exit(status) }
}

/// Gives this process a name of its own (`comm`, at most 15 bytes).
pub fn name_self(name: &str) {
    let _ = CString::new(name).map(|name| nix::sys::prctl::set_name(&name));
}

/// Writes `title` over the arguments of this process: a supervisor that was forked from another
/// program must not be found, and killed, by who looks for what that one was told to run
/// (`pkill -f train.py`).
pub fn replace_arguments(title: &str) {
    let Some((start, end)) = arguments() else { return };
    // SAFETY: the kernel says that our arguments lie there; they are ours to write, and after the
    // start of the program nothing reads them.
    let room = unsafe { std::slice::from_raw_parts_mut(start as *mut u8, end - start) };
    let length = title.len().min(room.len().saturating_sub(1));
    room.fill(0);
    room[..length].copy_from_slice(&title.as_bytes()[..length]);
}

/// Where the arguments of this process lie: fields 48 and 49 of proc_pid_stat(5).
fn arguments() -> Option<(usize, usize)> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace().skip(48 - 3);
    let (start, end) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    (start != 0 && start < end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;

    fn run(command: &[&str], cwd: &str) -> (i32, Option<(Step, i32)>) {
        let shared = crate::Shared::new(0).unwrap();
        let report = Report { pid: &shared.words()[0], error: &shared.words()[1] };
        let command: Vec<OsString> = command.iter().map(OsString::from).collect();
        let null = File::options().read(true).write(true).open("/dev/null").unwrap();
        let fd = null.as_fd();
        let launch = Launch::new(&command, &["PATH=/usr/bin:/bin".into()], cwd.as_ref()).unwrap();
        let pid = launch.start(&[fd, fd, fd], report).unwrap();
        let status = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None).unwrap();
        let nix::sys::wait::WaitStatus::Exited(_, code) = status else { panic!("{status:?}") };
        (code, report.failure().map(|(step, e)| (step, e.raw_os_error().unwrap())))
    }

    #[test]
    fn a_command_runs_or_says_why_not() {
        assert_eq!(run(&["sh", "-c", "exit 7"], "/"), (7, None));
        assert_eq!(run(&["no-such-command"], "/").1, Some((Step::Exec, libc::ENOENT)));
        assert_eq!(run(&["/etc/passwd"], "/").1, Some((Step::Exec, libc::EACCES)));
        assert_eq!(run(&["true"], "/no/such/folder").1, Some((Step::Chdir, libc::ENOENT)));
    }

    #[test]
    fn steps_survive_the_board() {
        for step in [Step::Exec, Step::Chdir, Step::Cgroup, Step::Rlimit(0), Step::Rlimit(15)] {
            assert_eq!(Step::of(step.code()), step);
        }
    }

    #[test]
    fn a_script_without_a_first_line_is_for_the_shell() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("script");
        std::fs::write(&script, "exit $1\n").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(run(&[script.to_str().unwrap(), "9"], "/"), (9, None));
    }

    #[test]
    fn names_are_looked_for_in_the_childs_own_path() {
        let env = ["PATH=/a::/b".into()];
        let found = candidates("x".as_ref(), &env);
        assert_eq!(found, ["/a/x", "./x", "/b/x"]);
        assert_eq!(candidates("./x".as_ref(), &env), ["./x"]);
    }
}
