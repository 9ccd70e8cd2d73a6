//! What is known of a GPU.

use fleet_core::{Measures, Sample, Subject, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who made a GPU, and so whose driver knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// NVIDIA: asked through NVML.
    Nvidia,
    /// AMD: read from /sys.
    Amd,
}

impl Vendor {
    /// The word for it in records and tables.
    pub fn word(self) -> &'static str {
        match self {
            Vendor::Nvidia => "nvidia",
            Vendor::Amd => "amd",
        }
    }
}

/// How a process uses a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// It computes (CUDA, ROCm).
    Compute,
    /// It draws.
    Graphics,
    /// It computes through NVIDIA's multi-process service.
    Mps,
}

/// One process on one GPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    /// As the driver numbers processes; see [`Answer::foreign_pids`].
    pub pid: i32,
    /// How it uses the GPU.
    #[serde(rename = "use")]
    pub how: Use,
    /// GPU memory that the driver puts down to it, contexts and what allocators keep included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Share of the time in which it had the GPU compute, 0 to 100. 0 only when the driver was able
    /// to say who did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
}

/// One GPU, or one MIG instance of one. What could not be read is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gpu {
    /// Its name for good: unlike an index it stays the same when other GPUs come and go.
    pub uuid: String,
    /// Number among the GPUs of its driver, in the order of the PCI bus; of a MIG instance its
    /// number on its GPU. CUDA counts in another order unless `CUDA_DEVICE_ORDER=PCI_BUS_ID`.
    pub index: u32,
    /// Whose it is.
    pub vendor: Vendor,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Its address on the PCI bus, as in /sys/bus/pci/devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pci: Option<String>,
    /// Version of its driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The NUMA node that is near it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numa: Option<u32>,
    /// UUID of the GPU that this MIG instance is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// MIG is enabled: it is divided into instances, and work runs on these alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub divided: bool,
    /// Why nothing can be had from it any more: it fell off the bus, or its driver does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    /// Why its clocks are held down, in the driver's words; none is an empty list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle_reasons: Option<Vec<String>>,
    /// What it does.
    #[serde(flatten)]
    pub measures: Measures,
    /// Who is on it; absent where the driver would not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holders: Option<Vec<Holder>>,
}

impl Gpu {
    /// A GPU of which nothing else is known.
    pub fn new(uuid: String, index: u32, vendor: Vendor) -> Gpu {
        Gpu {
            uuid,
            index,
            vendor,
            product: None,
            pci: None,
            driver: None,
            numa: None,
            parent: None,
            divided: false,
            lost: None,
            throttle_reasons: None,
            measures: Measures::default(),
            holders: None,
        }
    }

    /// All its memory.
    pub fn total_bytes(&self) -> Option<u64> {
        self.measures.gpu_memory_total_bytes
    }

    /// Memory that nobody uses and the driver does not keep for itself.
    pub fn free_bytes(&self) -> Option<u64> {
        self.measures.gpu_memory_free_bytes
    }

    /// The same GPU, of which for this reason nothing can be had any more.
    pub fn as_lost(&self, reason: &str) -> Gpu {
        let mut gpu = Gpu {
            lost: Some(reason.to_owned()),
            throttle_reasons: None,
            measures: Measures::default(),
            holders: None,
            ..self.clone()
        };
        gpu.measures.gpu_lost = Some(1);
        gpu
    }

    /// Whether work can be put on it: it is there and is not divided into parts that work goes to.
    pub fn takes_work(&self) -> bool {
        self.lost.is_none() && !self.divided
    }

    /// Its sample.
    pub fn sample(&self, ts: Timestamp) -> Sample {
        let mut sample = Sample::new(Subject::Gpu, ts);
        sample.name = Some(self.uuid.clone());
        sample.measures = self.measures.clone();
        let mut more = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                sample.more.insert(name.to_owned(), value);
            }
        };
        more("index", Some(self.index.into()));
        more("vendor", Some(self.vendor.word().into()));
        more("product", self.product.clone().map(Value::from));
        more("pci", self.pci.clone().map(Value::from));
        more("driver", self.driver.clone().map(Value::from));
        more("numa", self.numa.map(Value::from));
        more("parent", self.parent.clone().map(Value::from));
        more("divided", self.divided.then_some(true.into()));
        more("lost", self.lost.clone().map(Value::from));
        more("throttle_reasons", self.throttle_reasons.clone().map(Value::from));
        sample
    }
}

/// What the drivers say of all GPUs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// NVIDIA's first, then AMD's, each by index; MIG instances follow their GPU.
    #[serde(default)]
    pub gpus: Vec<Gpu>,
    /// What could not be had, each a sentence for the person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// NVIDIA's driver numbers processes as the host does, and here, in a PID namespace of its own,
    /// they have other numbers: no holder can be told to be a process that is seen here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub foreign_pids: bool,
    /// The driver could not be asked at all, and whoever answers ends with this: to be started anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ends: bool,
}

impl Answer {
    /// Who is on a GPU, where it is known who of the processes that are seen here they are.
    pub fn holders<'a>(&self, gpu: &'a Gpu) -> Option<&'a [Holder]> {
        // The processes of AMD's cards are found in our own /proc.
        let foreign = self.foreign_pids && gpu.vendor == Vendor::Nvidia;
        gpu.holders.as_deref().filter(|_| !foreign)
    }
}
