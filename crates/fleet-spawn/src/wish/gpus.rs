//! What GPUs look like where they are typed.

use fleet_core::GpuSet;
use schemars::{Schema, json_schema};

use crate::wish::Form;

impl Form for GpuSet {
    fn form() -> Schema {
        json_schema!({
            "type": ["integer", "string"],
            "minimum": 1,
            "maximum": 1024,
            "pattern": "^ *(shared:)?([1-9][0-9]*|(GPU|MIG)-[0-9A-Za-z/-]+( *, *(GPU|MIG)-[0-9A-Za-z/-]+)*) *$",
            "examples": [1, "GPU-5f3a,GPU-77c0", "shared:1"],
        })
    }
}
