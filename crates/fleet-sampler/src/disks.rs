//! The samples of file systems, and of the disks that they lie on.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fleet_core::{Sample, Subject};
use fleet_os::{
    DiskUse, Mount, Reader, Space, SpaceAnswer, SpaceQuestion, parse_disks, parse_mounts,
};

use crate::Part;
use crate::host::collect;
use crate::numbers::{hundredths, millis, share};

/// How long all servers together have to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Servers that are asked in one round; a process is made for each.
const MOST_SERVERS: usize = 64;

/// The state of a file system whose server does not answer.
const UNKNOWN: &str = "unknown";

/// The file systems, with the questions that nobody has answered yet.
#[derive(Debug, Default)]
pub(crate) struct Disks {
    waiting: HashMap<PathBuf, SpaceQuestion>,
}

impl Disks {
    /// A sample of each real file system, by mount point.
    pub(crate) fn sample(
        &mut self,
        reader: &mut Reader,
        part: &mut Part<'_>,
        problems: &mut Vec<String>,
    ) -> Vec<Sample> {
        let mounts = collect(reader, "self/mountinfo", problems, |text| Some(parse_mounts(text)));
        let mounts = mounts.unwrap_or_default();
        // A kernel without block devices has no such file.
        let disks: HashMap<(u32, u32), DiskUse> = match reader.text("diskstats") {
            Ok(text) => parse_disks(text).map(|disk| (disk.device, disk)).collect(),
            Err(_) => HashMap::new(),
        };
        let spaces = self.ask(&mounts);
        let mut samples = Vec::with_capacity(mounts.len());
        for (mount, space) in mounts.iter().zip(spaces) {
            let mut sample = of_mount(mount, part);
            match space {
                Some(Ok(space)) => fill(&mut sample, &space),
                // Not for this user.
                Some(Err(e)) if e.kind() == io::ErrorKind::PermissionDenied => {}
                Some(Err(e)) => problems.push(format!("{} cannot be asked: {e}", words(mount))),
                None => {
                    sample.state = Some(UNKNOWN.to_owned());
                    problems.push(format!(
                        "{} does not answer; it is not asked again until it does",
                        words(mount)
                    ));
                }
            }
            if let Some(disk) = disks.get(&mount.device) {
                traffic(&mut sample, mount, disk, part);
            }
            samples.push(sample);
        }
        samples
    }

    /// What is in each file system; `None` where there is no answer.
    fn ask(&mut self, mounts: &[Mount]) -> Vec<Option<io::Result<Space>>> {
        // One that was given up is asked again only when its process has ended.
        self.waiting.retain(|_, question| !question.give_up());
        let mut asked: HashMap<&PathBuf, io::Result<SpaceQuestion>> = HashMap::new();
        let remote = mounts.iter().filter(|m| m.remote && !self.waiting.contains_key(&m.point));
        for mount in remote.take(MOST_SERVERS) {
            asked.insert(&mount.point, SpaceQuestion::ask(&mount.point));
        }
        let deadline = Instant::now() + PATIENCE;
        let mut answers = Vec::with_capacity(mounts.len());
        for mount in mounts {
            answers.push(match asked.remove(&mount.point) {
                Some(Ok(mut question)) => match question.answer(deadline) {
                    SpaceAnswer::Given(space) => Some(space),
                    SpaceAnswer::None => {
                        self.waiting.insert(mount.point.clone(), question);
                        None
                    }
                },
                Some(Err(e)) => Some(Err(e)),
                None if mount.remote => None,
                None => Some(Space::of(&mount.point)),
            });
        }
        answers
    }
}

fn words(mount: &Mount) -> String {
    format!("the file system '{}' ({}, {})", mount.point.display(), mount.fs, mount.source)
}

fn of_mount(mount: &Mount, part: &Part<'_>) -> Sample {
    let mut sample = Sample::new(Subject::Disk, part.at.ts);
    sample.name = Some(mount.point.to_string_lossy().into_owned());
    sample.more.insert("device".to_owned(), mount.source.clone().into());
    sample.more.insert("fs".to_owned(), mount.fs.clone().into());
    sample
}

fn fill(sample: &mut Sample, space: &Space) {
    let measures = &mut sample.measures;
    let used = space.total_bytes.saturating_sub(space.free_bytes);
    measures.disk_total_bytes = Some(space.total_bytes);
    measures.disk_bytes = Some(used);
    measures.disk_available_bytes = Some(space.available_bytes);
    // What is kept for root is neither.
    measures.disk_percent = share(Some(used), Some(used.saturating_add(space.available_bytes)));
    if space.inodes > 0 {
        let used = space.inodes.saturating_sub(space.free_inodes);
        measures.inodes_total = Some(space.inodes);
        measures.inodes = Some(used);
        measures.inodes_percent = share(Some(used), Some(space.inodes));
    }
}

fn traffic(sample: &mut Sample, mount: &Mount, disk: &DiskUse, part: &mut Part<'_>) {
    let key = format!("disk {}:{}", mount.device.0, mount.device.1);
    let measures = &mut sample.measures;
    [measures.io_read_bytes, measures.io_write_bytes] =
        part.totals(&key, [disk.read_bytes, disk.write_bytes]);
    let (millis_busy, rate) = part.time(&key, disk.busy_millis);
    measures.busy_seconds_total = Some(millis(millis_busy as f64 / 1000.0));
    measures.busy_percent = rate.map(|rate| hundredths(rate / 10.0).min(100.0));
}
