//! Reading many small files of /proc with few system calls.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::dir::Dir;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, fstatat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, statfs};
use nix::unistd::read;

use crate::proc::{Proc, Stat, parse_name, parse_stat};
use crate::sockets::{Protocol, Socket, parse_sockets, socket_inode};
use crate::tally::{Tally, read_tally};
use crate::terms::descriptor_limit;
use crate::usage::{
    Io, Rollup, Status, parse_descriptor_limit, parse_first, parse_io, parse_rollup, parse_statm,
    parse_status,
};

/// Reads files of one /proc into one buffer, which is used again.
///
/// `std::fs::read` asks for the size first and makes a new buffer each time; here a file costs
/// open, read and close, and one that the kernel gives whole at the first read is not asked for
/// more.
#[derive(Debug)]
pub struct Reader {
    root: String,
    buffer: Vec<u8>,
    /// A `/proc/<pid>/fd` tells its entries by its size (kernels from 6.2), which no other file
    /// system does: not the one that a test builds its /proc in.
    real: bool,
}

impl Reader {
    /// A reader of this /proc.
    pub fn new(proc: &Proc) -> Reader {
        let real = statfs(proc.root()).is_ok_and(|s| s.filesystem_type() == PROC_SUPER_MAGIC);
        let root = proc.root().to_string_lossy().into_owned();
        Reader { root, buffer: vec![0; 4096], real }
    }

    /// The text of a file in the root of /proc, whole.
    ///
    /// # Errors
    /// It is not there or may not be read.
    pub fn text(&mut self, file: &str) -> io::Result<&[u8]> {
        let path = format!("{}/{file}", self.root);
        let file = openat(AT_FDCWD, path.as_str(), READ, Mode::empty())?;
        self.fill(&file, Whole::AtEnd)
    }

    /// Opens the folder of a process.
    ///
    /// # Errors
    /// There is no such process.
    pub fn process(&mut self, pid: i32) -> io::Result<ProcessFiles<'_>> {
        let path = format!("{}/{pid}", self.root);
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let folder = openat(AT_FDCWD, path.as_str(), flags, Mode::empty())?;
        Ok(ProcessFiles { pid, folder, reader: self })
    }

    fn fill(&mut self, file: &OwnedFd, whole: Whole) -> io::Result<&[u8]> {
        let mut used = 0;
        loop {
            let got = match read(file, &mut self.buffer[used..]) {
                Err(nix::errno::Errno::EINTR) => continue,
                other => other?,
            };
            used += got;
            let full = used == self.buffer.len();
            let ended = whole == Whole::AtFirst || got < FULL_PART;
            if got == 0 || (ended && !full) {
                return Ok(&self.buffer[..used]);
            }
            if full {
                self.buffer.resize(used * 2, 0);
            }
        }
    }
}

/// When a file has been read to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    /// It is one record, which the kernel never gives in parts while there is room for it.
    AtFirst,
    /// It is a list, which the kernel may give in parts.
    AtEnd,
}

/// The kernel gives a list in parts of whole lines, each of about a page; a part of less than half
/// a page is the last one.
const FULL_PART: usize = 2048;

const READ: OFlag = OFlag::O_RDONLY.union(OFlag::O_CLOEXEC);

/// The folder `/proc/<pid>` of one process, held open.
///
/// The folder belongs to the process and not to the number: once it ended, every read fails,
/// even when a new process has the pid. So a start time that was compared once through it holds
/// for all that is read through it.
#[derive(Debug)]
pub struct ProcessFiles<'a> {
    pid: i32,
    folder: OwnedFd,
    reader: &'a mut Reader,
}

impl ProcessFiles<'_> {
    /// Reads `stat`.
    ///
    /// # Errors
    /// The process ended, or the text has another form than proc_pid_stat(5).
    pub fn stat(&mut self) -> io::Result<Stat> {
        known(parse_stat(self.text("stat")?), self.pid, "stat")
    }

    /// The resident size in pages, from `statm`: newer kernels sum it exactly there, while `stat`
    /// may be off by some hundred kilobytes for each processor.
    ///
    /// # Errors
    /// The process ended.
    pub fn resident_pages(&mut self) -> io::Result<u64> {
        known(parse_statm(self.text("statm")?), self.pid, "statm")
    }

    /// Reads `stat` with the command name, whose bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// As [`ProcessFiles::stat`].
    pub fn named_stat(&mut self) -> io::Result<(Stat, String)> {
        let text = self.text("stat")?;
        let name = String::from_utf8_lossy(parse_name(text).unwrap_or_default()).into_owned();
        let stat = parse_stat(text);
        Ok((known(stat, self.pid, "stat")?, name))
    }

    /// Reads `status`.
    ///
    /// # Errors
    /// The process ended.
    pub fn status(&mut self) -> io::Result<Status> {
        self.text("status").map(parse_status)
    }

    /// Nanoseconds for which the first thread ran so far, to the last one, from `schedstat`: a
    /// process of one thread that shows the same as before did nothing in between.
    ///
    /// # Errors
    /// The process ended, or this kernel does not count (CONFIG_SCHED_INFO).
    pub fn ran_nanos(&mut self) -> io::Result<u64> {
        known(parse_first(self.text("schedstat")?), self.pid, "schedstat")
    }

    /// Reads `io`.
    ///
    /// # Errors
    /// The process ended, or belongs to somebody else.
    pub fn io(&mut self) -> io::Result<Io> {
        known(parse_io(self.text("io")?), self.pid, "io")
    }

    /// Reads `smaps_rollup`. The kernel walks all page tables of the process for it: from 20 µs
    /// for a small one to many milliseconds for tens of gigabytes.
    ///
    /// # Errors
    /// The process ended, or belongs to somebody else.
    pub fn rollup(&mut self) -> io::Result<Rollup> {
        known(parse_rollup(self.text("smaps_rollup")?), self.pid, "smaps_rollup")
    }

    /// The soft limit of open descriptors; `None` where there is none.
    ///
    /// # Errors
    /// The process ended.
    pub fn descriptor_limit(&mut self) -> io::Result<Option<u64>> {
        if self.reader.real {
            // One quick call, which of a stranger only root may make; the file is open to all.
            if let Some(limit) = descriptor_limit(self.pid) {
                // The number was still this process's: it lives, and the folder is its.
                fstatat(&self.folder, "fd", AtFlags::empty())?;
                return Ok(limit);
            }
        }
        known(parse_descriptor_limit(self.text("limits")?), self.pid, "limits")
    }

    /// Adds the inodes of the sockets that the process has open to `found`; `false` when it has
    /// more than `most` descriptors, of which the rest was not looked at.
    ///
    /// # Errors
    /// The process ended, or belongs to somebody else.
    pub fn socket_inodes(&mut self, most: usize, found: &mut Vec<u64>) -> io::Result<bool> {
        let flags = READ.union(OFlag::O_DIRECTORY);
        let mut folder = Dir::openat(&self.folder, "fd", flags, Mode::empty())?;
        let links = folder.as_fd().try_clone_to_owned()?;
        for (at, entry) in folder.iter().enumerate() {
            if at >= most {
                return Ok(false);
            }
            // One that was closed meanwhile is not open.
            let Ok(target) = readlinkat(&links, entry?.file_name()) else { continue };
            found.extend(socket_inode(target.as_encoded_bytes()));
        }
        Ok(true)
    }

    /// Inode of the network namespace.
    ///
    /// # Errors
    /// The process ended, or belongs to somebody else.
    pub fn network_namespace(&self) -> io::Result<u64> {
        let link = readlinkat(&self.folder, "ns/net")?;
        let inode = link.to_str().and_then(|l| l.strip_prefix("net:[")?.strip_suffix(']'));
        known(inode.and_then(|n| n.parse().ok()), self.pid, "ns/net")
    }

    /// All sockets of TCP and UDP in the network namespace of the process.
    ///
    /// # Errors
    /// The process ended, or this kernel has no such files.
    pub fn sockets(&mut self) -> io::Result<Vec<Socket>> {
        let mut sockets = Vec::new();
        for protocol in Protocol::ALL {
            let path = format!("net/{}", protocol.word());
            let file = match openat(&self.folder, path.as_str(), READ, Mode::empty()) {
                // A kernel without IPv6.
                Err(nix::errno::Errno::ENOENT) if protocol.is_ipv6() => continue,
                other => other?,
            };
            let text = self.reader.fill(&file, Whole::AtEnd)?;
            sockets.extend(parse_sockets(protocol, text));
        }
        Ok(sockets)
    }

    /// What a shim has counted of the output of its run; `None` where this is no shim, or one of
    /// a build that does not tell.
    ///
    /// # Errors
    /// The shim ended, or belongs to somebody else.
    pub fn tally(&self) -> io::Result<Option<Tally>> {
        read_tally(&self.folder)
    }

    /// The number of open descriptors.
    ///
    /// # Errors
    /// The process ended, or belongs to somebody else.
    pub fn descriptors(&mut self) -> io::Result<u64> {
        if self.reader.real {
            // The kernel gives 0 there before 6.2 and a true count, to anybody, after.
            let size = fstatat(&self.folder, "fd", AtFlags::empty())?.st_size;
            if size > 0 {
                return Ok(size.unsigned_abs());
            }
        }
        Ok(self.listed("fd")?.len() as u64)
    }

    /// Adds the children of the process to `found`. A child hangs on the thread that made it, so
    /// that a process of one thread has one list and another is asked thread by thread.
    ///
    /// # Errors
    /// The process ended, or this kernel has no `children` files.
    pub fn children(&mut self, threads: u64, found: &mut Vec<i32>) -> io::Result<()> {
        if threads <= 1 {
            return self.children_of(self.pid, found);
        }
        for thread in self.listed("task")? {
            match self.children_of(thread, found) {
                // The thread ended meanwhile; its children went to another one.
                Err(e) if has_gone(&e) => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn children_of(&mut self, thread: i32, found: &mut Vec<i32>) -> io::Result<()> {
        let path = format!("task/{thread}/children");
        let file = openat(&self.folder, path.as_str(), READ, Mode::empty())?;
        let text = self.reader.fill(&file, Whole::AtEnd)?;
        let numbers = text.split(u8::is_ascii_whitespace);
        found.extend(numbers.filter_map(|n| std::str::from_utf8(n).ok()?.parse::<i32>().ok()));
        Ok(())
    }

    /// The numbers that are names in a folder of the process.
    fn listed(&self, folder: &str) -> io::Result<Vec<i32>> {
        // By way of the open folder and not by the pid, which may be another's by now.
        let path = format!("/proc/self/fd/{}/{folder}", self.folder.as_raw_fd());
        let entries = std::fs::read_dir(path)?;
        Ok(entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect())
    }

    fn text(&mut self, file: &str) -> io::Result<&[u8]> {
        let file = openat(&self.folder, file, READ, Mode::empty())?;
        self.reader.fill(&file, Whole::AtFirst)
    }
}

/// Whether an error may mean that the process or thread is no more.
pub fn has_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

fn known<T>(parsed: Option<T>, pid: i32, file: &str) -> io::Result<T> {
    parsed.ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("cannot read /proc/{pid}/{file}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn this_process_can_be_read_whole() {
        let mut reader = Reader::new(&Proc::default());
        let mut me = reader.process(std::process::id() as i32).unwrap();
        let stat = me.stat().unwrap();
        assert!(stat.threads >= 1);
        assert!(me.resident_pages().unwrap() > 0);
        assert!(me.rollup().unwrap().proportional_bytes > 0);
        me.io().unwrap();
        assert!(me.status().unwrap().peak_resident_bytes.unwrap() > 0);
        assert!(me.descriptor_limit().unwrap().is_none_or(|limit| limit > 3));
        assert!(me.tally().unwrap().is_none());
        assert!(me.descriptors().unwrap() >= 3);
        assert!(me.ran_nanos().unwrap() > 0);
    }

    #[test]
    fn the_sockets_of_this_process_are_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut reader = Reader::new(&Proc::default());
        let mut me = reader.process(std::process::id() as i32).unwrap();
        let mut inodes = Vec::new();
        assert!(me.socket_inodes(10_000, &mut inodes).unwrap());
        let sockets = me.sockets().unwrap();
        let local = listener.local_addr().unwrap();
        let mine = sockets.iter().find(|s| s.local == local).unwrap();
        assert!(inodes.contains(&mine.inode), "{mine:?} {inodes:?}");
        assert!(me.network_namespace().unwrap() > 0);
        assert!(!me.socket_inodes(1, &mut inodes).unwrap());
    }

    #[test]
    fn descriptors_are_counted_where_the_folder_has_no_telling_size() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("7/fd")).unwrap();
        for fd in ["0", "1", "2"] {
            fs::write(dir.path().join("7/fd").join(fd), "").unwrap();
        }
        let mut reader = Reader::new(&Proc::at(dir.path()));
        assert_eq!(reader.process(7).unwrap().descriptors().unwrap(), 3);
    }

    #[test]
    fn children_of_all_threads_are_found() {
        let dir = tempfile::tempdir().unwrap();
        for (thread, children) in [("7", "8 9 "), ("70", "10 ")] {
            let task = dir.path().join("7/task").join(thread);
            fs::create_dir_all(&task).unwrap();
            fs::write(task.join("children"), children).unwrap();
        }
        let mut reader = Reader::new(&Proc::at(dir.path()));
        let mut found = Vec::new();
        reader.process(7).unwrap().children(1, &mut found).unwrap();
        assert_eq!(found, [8, 9]);
        found.clear();
        reader.process(7).unwrap().children(2, &mut found).unwrap();
        found.sort_unstable();
        assert_eq!(found, [8, 9, 10]);
    }

    #[test]
    fn a_long_file_is_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("stat"), vec![b'x'; 10_000]).unwrap();
        let mut reader = Reader::new(&Proc::at(dir.path()));
        assert_eq!(reader.text("stat").unwrap().len(), 10_000);
    }

    #[test]
    fn a_folder_of_an_ended_process_answers_for_nobody_else() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let mut reader = Reader::new(&Proc::default());
        let mut files = reader.process(child.id() as i32).unwrap();
        child.wait().unwrap();
        assert!(has_gone(&files.stat().unwrap_err()));
    }
}
