//! What the fleet has to do with the GPUs.

use std::collections::{BTreeMap, BTreeSet};

use fleet_census::{Census, Owners};
use fleet_core::{ProcessRecord, RunKey, Sample};
use fleet_gpu::{Answer, Gpu, Holder, Missing, missing};
use fleet_os::boot_id;
use fleet_registry::Home;
use serde_json::{Value, json};

/// The fleet of this host, now.
pub(crate) struct Fleet {
    census: Census,
    boot: String,
    /// By UUID, who has reserved it.
    reserved: BTreeMap<String, Vec<RunKey>>,
}

/// Who of the fleet uses a GPU, and who has reserved it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stake {
    /// The processes on it, with the run that each belongs to; `None` where they are not known.
    pub(crate) holders: Option<Vec<(Holder, Option<RunKey>)>>,
    /// The runs that have reserved it.
    pub(crate) reserved_by: Vec<RunKey>,
}

impl Fleet {
    /// Takes a census.
    ///
    /// # Errors
    /// The registry or the kernel cannot be read.
    pub(crate) fn of(home: &Home) -> anyhow::Result<Fleet> {
        let census = fleet_census::take(home)?;
        census.problems.iter().for_each(fleet_cli::talk);
        let boot = boot_id()?;
        let mut reserved: BTreeMap<String, Vec<RunKey>> = BTreeMap::new();
        for record in living(&census) {
            for gpu in &record.gpus {
                reserved.entry(gpu.uuid.clone()).or_default().push(record.key());
            }
        }
        Ok(Fleet { census, boot, reserved })
    }

    /// GPUs that somebody has reserved and that are there no more.
    pub(crate) fn missing(&self, answer: &Answer) -> Vec<Missing> {
        missing(&answer.gpus, living(&self.census))
    }

    /// What the fleet has to do with this GPU.
    pub(crate) fn stake(&self, answer: &Answer, gpu: &Gpu) -> Stake {
        let owners = Owners::of(&self.census.seen, &self.boot);
        let owner = |holder: &Holder| owners.owner(holder.pid).map(|seen| seen.record.key());
        let holders = answer.holders(gpu);
        Stake {
            holders: holders.map(|all| all.iter().map(|one| (one.clone(), owner(one))).collect()),
            reserved_by: self.reserved.get(&gpu.uuid).cloned().unwrap_or_default(),
        }
    }
}

fn living(census: &Census) -> impl Iterator<Item = &ProcessRecord> {
    census.seen.iter().filter(|seen| seen.observed.is_living()).map(|seen| &*seen.record)
}

impl Stake {
    /// The runs on it, each once, and how many processes are of no run.
    pub(crate) fn users(&self) -> Option<(BTreeSet<String>, usize)> {
        let holders = self.holders.as_ref()?;
        let ours = holders.iter().filter_map(|(_, run)| run.as_ref()).map(RunKey::to_string);
        let strangers = holders.iter().filter(|(_, run)| run.is_none()).count();
        Some((ours.collect(), strangers))
    }

    /// Says so in a sample.
    pub(crate) fn add_to(&self, sample: &mut Sample) {
        if let Some((runs, _)) = self.users() {
            sample.more.insert("used_by".to_owned(), json!(runs));
        }
        let reserved: Vec<String> = self.reserved_by.iter().map(RunKey::to_string).collect();
        sample.more.insert("reserved_by".to_owned(), json!(reserved));
        if let Some(holders) = &self.holders {
            let told: Vec<Value> =
                holders.iter().map(|(one, run)| told(one, run.as_ref())).collect();
            sample.more.insert("holders".to_owned(), told.into());
        }
    }
}

fn told(holder: &Holder, run: Option<&RunKey>) -> Value {
    let mut value = json!(holder);
    if let Some(run) = run {
        value["id"] = json!(run.id);
        value["run"] = json!(run.run);
    }
    value
}
