//! Claiming a name: everything that happens under the registry's lock.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use anyhow::Context;
use fleet_census::{Census, is_living};
use fleet_cli::{Exit, Failure, talk};
use fleet_core::{Dependency, Id, ProcessRecord, Spec};
use fleet_gpu::Devices;
use fleet_registry::{Home, RegistryLock, RunDir, Ticket, make_dir};

use crate::confine::{confine, release};
use crate::gpus::{self, Gpus};
use crate::kernel;
use crate::order;
use crate::ports::{self, PortRange, Ports};
use crate::wanted;
use crate::wish::Prepared;

/// Above so many processes, pipes of an ordinary user are made small (see `Spec::small_pipes`).
const MANY: usize = 400;

/// A process about to be claimed.
pub(crate) struct Candidate<'a> {
    /// Its name; without one, it gets one from its command.
    pub(crate) name: Option<&'a Id>,
    /// Whether what lives already under this name, or without a name with this command, will do.
    pub(crate) reuse: bool,
    /// Ports to be reserved, and where free ones are looked for.
    pub(crate) ports: Option<(Ports, PortRange)>,
    /// Whether a Jupyter connection file is written for its five ports.
    pub(crate) connection_file: bool,
    /// What it waits for.
    pub(crate) after: &'a [Dependency],
    /// How it is asked whether it is well, once its ports are known.
    pub(crate) health: Option<Prepared>,
    /// All else that is wanted of it, ports that are reserved already among it.
    pub(crate) spec: Spec,
}

/// What became of the wish.
pub(crate) enum Claim {
    /// A new run, with the lock that its shim is to hold.
    New(Box<Spec>, File),
    /// Something that lives already serves.
    Reused(Id),
}

/// Claims of names, ports and GPUs. Check and append happen under one lock, so that of fifty
/// simultaneous starts of a name one wins, and the names of the others are never half taken.
pub(crate) struct Claims<'a> {
    home: &'a Home,
    lock: RegistryLock,
    boot: String,
    census: Option<Census>,
    /// Ports of what lives and of what was claimed, and whose they are, once it was counted.
    reserved: HashMap<u16, Id>,
    gpus: Gpus,
}

impl<'a> Claims<'a> {
    /// Takes the lock. `devices` are the GPUs of this machine, if any are wanted.
    pub(crate) fn begin(home: &'a Home, devices: Devices) -> anyhow::Result<Claims<'a>> {
        let lock = RegistryLock::take(home)?;
        Ok(Claims {
            home,
            lock,
            boot: fleet_os::boot_id()?,
            census: None,
            reserved: HashMap::new(),
            gpus: Gpus::new(devices),
        })
    }

    /// Finds or makes a run.
    pub(crate) fn claim(&mut self, wanted: Candidate<'_>) -> anyhow::Result<Claim> {
        let Candidate { name, reuse, ports, connection_file, after, health, mut spec } = wanted;
        if reuse
            && name.is_none()
            && let Some(id) = same_process(self.census()?, &spec)
        {
            return Ok(Claim::Reused(id));
        }
        spec.id = match name {
            None => free_name(self.home, &wanted::name_for(&spec.command)),
            Some(name) if !is_living(self.home, name) => name.clone(),
            Some(name) if reuse => return Ok(Claim::Reused(name.clone())),
            Some(name) => return Err(taken(name)),
        };
        spec.after = order::bind(self.home, after, &spec.id)?;
        if let Some((ports, range)) = ports {
            spec.ports = self.reserve(&spec.id, ports, range)?;
            spec.command = spec.command.iter().map(|a| ports::fill_in(a, &spec.ports)).collect();
        }
        self.reserve_gpus(&mut spec)?;
        spec.health = health.map(|health| health.with_ports(&spec.ports)).transpose()?;
        spec.run = self.home.runs(&spec.id).last().copied().unwrap_or(0) + 1;
        if connection_file {
            kernel::name_file(&mut spec, self.home);
        }
        spec.small_pipes = !nix::unistd::geteuid().is_root() && has_many(self.home);
        confine(&mut spec, self.home).iter().for_each(talk);
        let shim_lock = make_run(self.home, &spec).inspect_err(|_| release(&spec))?;
        let record = ProcessRecord::wanted(&spec, self.boot.clone(), fleet_os::host_name());
        self.lock.append(&record)?;
        keep_place(self.home, &spec);
        Ok(Claim::New(Box::new(spec), shim_lock))
    }

    /// Reserves ports for what is claimed next.
    pub(crate) fn reserve(
        &mut self,
        id: &Id,
        ports: Ports,
        range: PortRange,
    ) -> anyhow::Result<Vec<u16>> {
        self.census()?;
        let chosen = ports::choose(ports, range, &self.reserved)
            .map_err(|why| Failure::new(Exit::CouldNot, why))?;
        self.reserved.extend(chosen.iter().map(|&port| (port, id.clone())));
        Ok(chosen)
    }

    /// Reserves GPUs at once for who need not wait: who waits gets them with its turn.
    fn reserve_gpus(&mut self, spec: &mut Spec) -> anyhow::Result<()> {
        let Some(wish) = &spec.gpu_wish else { return Ok(()) };
        if spec.waits() {
            self.gpus.refuse_impossible(wish)?;
        } else {
            self.census()?;
            spec.gpus = self.gpus.give(&spec.id, wish)?;
        }
        gpus::tell_of_replaced(&spec.env);
        Ok(())
    }

    /// Counting all is for those who need it: a plain spawn looks at one folder. Nobody else can
    /// add to the count while the lock is held.
    fn census(&mut self) -> anyhow::Result<&Census> {
        let census = match self.census.take() {
            Some(census) => census,
            None => {
                let census = fleet_census::take(self.home)?;
                for seen in &census.seen {
                    let record = &seen.record;
                    if gpus::are_held(seen) {
                        self.gpus.hold(&record.id, &record.gpus);
                    }
                    if seen.observed.is_living() {
                        self.reserved.extend(record.ports.iter().map(|&p| (p, record.id.clone())));
                    }
                }
                census
            }
        };
        Ok(self.census.insert(census))
    }
}

/// Who waits for nobody stands in its line from now on, so that of many that start at once the first
/// has the first turn, whichever shim is the fastest. Without this it is in line a moment later.
fn keep_place(home: &Home, spec: &Spec) {
    if let Some(queue) = spec.queue.as_ref().filter(|_| spec.after.is_empty()) {
        let _ = Ticket::in_line(home, queue, spec.spawned_at, &spec.key()).keep_place();
    }
}

fn taken(name: &Id) -> anyhow::Error {
    Failure::new(Exit::Taken, format!("the name '{name}' is taken by a living process"))
        .hint(format!(
            "look at it with 'fleet-ps {name}', end it with 'fleet-stop {name}', or say --reuse"
        ))
        .into()
}

/// A living process with the same command and labels.
fn same_process(census: &Census, spec: &Spec) -> Option<Id> {
    let command: Vec<_> = spec.command.iter().map(|a| a.to_string_lossy()).collect();
    census
        .seen
        .iter()
        .filter(|seen| seen.observed.is_living())
        .find(|seen| seen.record.command == command && seen.record.labels == spec.labels)
        .map(|seen| seen.record.id.clone())
}

/// The name, or the name with a number that no folder has yet. The number is found by doubling
/// and halving, so that a thousand unnamed processes do not cost a thousand looks each.
fn free_name(home: &Home, base: &Id) -> Id {
    if !is_living(home, base) {
        return base.clone();
    }
    let used = |number: u32| home.process(&base.numbered(number)).exists();
    let mut above = 2;
    while used(above) {
        above = above.saturating_mul(2);
    }
    let mut below = above / 2;
    while above - below > 1 {
        let middle = below + (above - below) / 2;
        if used(middle) {
            below = middle;
        } else {
            above = middle;
        }
    }
    base.numbered(above)
}

/// Makes the folders of the run and puts the spec into them; the spec, which is the shim's lock,
/// is locked on return.
fn make_run(home: &Home, spec: &Spec) -> anyhow::Result<File> {
    let dir = home.run(&spec.id, spec.run);
    let failed = || format!("cannot make the folder '{}'", dir.path().display());
    make_dir(dir.path()).with_context(failed)?;
    make_dir(&home.data(&spec.id)).with_context(failed)?;
    let written = write_locked(&dir, spec).and_then(|lock| {
        spec.connection_file.as_ref().map_or(Ok(()), |_| kernel::write_file(&dir, spec))?;
        Ok(lock)
    });
    if written.is_err() {
        // Nothing of a run that never was is to be left, so that the next one may have its number.
        let _ = fs::remove_dir_all(dir.path());
    }
    written.with_context(|| format!("cannot write to '{}'", dir.path().display()))
}

fn write_locked(dir: &RunDir, spec: &Spec) -> io::Result<File> {
    let json = serde_json::to_vec(spec)?;
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(dir.spec())?;
    file.try_lock()?;
    file.write_all(&json)?;
    Ok(file)
}

/// Whether this home has many processes. Most file systems count subfolders as links.
fn has_many(home: &Home) -> bool {
    match fs::metadata(home.processes()) {
        Ok(meta) if meta.nlink() > 2 => meta.nlink() as usize - 2 > MANY,
        Ok(_) => fs::read_dir(home.processes()).is_ok_and(|d| d.take(MANY + 1).count() > MANY),
        Err(e) => e.kind() != ErrorKind::NotFound,
    }
}
