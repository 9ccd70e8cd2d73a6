//! GPUs that somebody has reserved and that are there no more.

use std::collections::BTreeMap;

use fleet_core::{ProcessRecord, RunKey, Sample, Subject, Timestamp};

use crate::Gpu;

/// A GPU that living runs have reserved and that no driver knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub uuid: String,
    /// Who has reserved it.
    pub reserved_by: Vec<RunKey>,
}

/// Those of the GPUs that these living runs have reserved that are not among these.
pub fn missing<'a>(
    gpus: &[Gpu],
    living: impl IntoIterator<Item = &'a ProcessRecord>,
) -> Vec<Missing> {
    let mut found: BTreeMap<&str, Vec<RunKey>> = BTreeMap::new();
    for record in living {
        for share in &record.gpus {
            if gpus.iter().all(|gpu| gpu.uuid != share.uuid) {
                found.entry(&share.uuid).or_default().push(record.key());
            }
        }
    }
    let named = |(uuid, reserved_by): (&str, _)| Missing { uuid: uuid.to_owned(), reserved_by };
    found.into_iter().map(named).collect()
}

impl Missing {
    /// What is the matter, as a sentence.
    pub fn words(&self) -> String {
        let runs: Vec<String> = self.reserved_by.iter().map(|run| format!("'{run}'")).collect();
        format!("GPU '{}', which {} has reserved, is gone", self.uuid, runs.join(", "))
    }

    /// Its sample: that of a lost GPU.
    pub fn sample(&self, ts: Timestamp) -> Sample {
        let mut sample = Sample::new(Subject::Gpu, ts);
        sample.name = Some(self.uuid.clone());
        sample.measures.gpu_lost = Some(1);
        let runs: Vec<String> = self.reserved_by.iter().map(RunKey::to_string).collect();
        sample.more.insert("lost".to_owned(), "it is reserved, and no driver knows it".into());
        sample.more.insert("reserved_by".to_owned(), runs.into());
        sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Vendor;
    use fleet_core::GpuShare;

    #[test]
    fn what_is_reserved_and_not_there_is_told_with_who_has_it() {
        let record = |id: &str, uuids: &[&str]| -> ProcessRecord {
            let mut record: ProcessRecord = serde_json::from_value(serde_json::json!({
                "kind": "process", "ts": Timestamp::now(), "id": id, "run": 1, "attempt": 1,
                "state": "running", "boot": "b", "host": "h", "command": ["true"], "cwd": "/",
                "restarts": 0, "spawned_at": Timestamp::now(),
            }))
            .unwrap();
            let share = |uuid: &&str| GpuShare { uuid: (*uuid).to_owned(), shared: true };
            record.gpus = uuids.iter().map(share).collect();
            record
        };
        let there = [Gpu::new("GPU-1".to_owned(), 0, Vendor::Nvidia)];
        let living = [record("a", &["GPU-1", "GPU-2"]), record("b", &["GPU-2"]), record("c", &[])];
        let found = missing(&there, &living);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].words(), "GPU 'GPU-2', which 'a#1', 'b#1' has reserved, is gone");
        let sample = found[0].sample(Timestamp::now());
        assert_eq!((sample.name.as_deref(), sample.measures.gpu_lost), (Some("GPU-2"), Some(1)));
        assert_eq!(sample.more["reserved_by"], serde_json::json!(["a#1", "b#1"]));
    }
}
