//! One call of NVML at a time, so that its failure costs its own value alone.

use nvml_wrapper::error::NvmlError;

/// The calls that are made to one GPU.
pub(crate) struct Calls<'a> {
    /// The GPU, for sentences.
    name: String,
    problems: &'a mut Vec<String>,
    lost: Option<String>,
}

impl<'a> Calls<'a> {
    pub(crate) fn to(name: String, problems: &'a mut Vec<String>) -> Calls<'a> {
        Calls { name, problems, lost: None }
    }

    /// From now on the GPU goes by this name.
    pub(crate) fn rename(&mut self, name: String) {
        self.name = name;
    }

    /// Asks for one thing. What a GPU does not have, its driver does not know or we may not see is
    /// simply not there; other failures are told, and after a GPU was lost it is not asked again.
    pub(crate) fn get<T>(
        &mut self,
        what: &str,
        call: impl FnOnce() -> Result<T, NvmlError>,
    ) -> Option<T> {
        if self.lost.is_some() {
            return None;
        }
        let error = match call() {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        if let Some(reason) = lost(&error) {
            self.lost = Some(reason.to_owned());
        } else if !is_absence(&error) {
            self.problems.push(format!("{}: cannot read its {what}: {error}", self.name));
        }
        None
    }

    /// Says something of the GPU.
    pub(crate) fn say(&mut self, what: &str) {
        self.problems.push(format!("{}: {what}", self.name));
    }

    /// Why the GPU is lost.
    pub(crate) fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }
}

fn lost(error: &NvmlError) -> Option<&'static str> {
    match error {
        NvmlError::GpuLost => Some("it fell off the bus or cannot be reached any more"),
        NvmlError::ResetRequired => Some("it must be reset before it can be used again"),
        _ => None,
    }
}

/// Whether the error only says that there is no such value.
pub(crate) fn is_absence(error: &NvmlError) -> bool {
    use NvmlError::{FailedToLoadSymbol, FunctionNotFound, NoPermission, NotFound, NotSupported};
    matches!(
        error,
        NotSupported | NotFound | NoPermission | FunctionNotFound | FailedToLoadSymbol(_)
    )
}

/// A number that a driver gives, unless it is the one that stands for none (all bits set).
pub(crate) fn given32(value: u32) -> Option<u32> {
    (value != u32::MAX).then_some(value)
}

/// As [`given32`].
pub(crate) fn given64(value: u64) -> Option<u64> {
    (value != u64::MAX).then_some(value)
}

/// A share of 0 to 100; drivers give others when they know none.
pub(crate) fn percent(value: u32) -> Option<f64> {
    (value <= 100).then_some(f64::from(value))
}
