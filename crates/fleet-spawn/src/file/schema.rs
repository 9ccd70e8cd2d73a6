//! The JSON Schema of a fleet file, from which editors complete it.

use std::collections::BTreeMap;
use std::io::Write;

use fleet_cli::{Exit, OutputArgs};
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::wish::Wish;

/// A fleet: processes that fleet-spawn --file starts together.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "fleet file")]
#[allow(dead_code, reason = "it is there for its schema alone")]
struct FleetFile {
    /// Processes by name.
    #[schemars(default)]
    process: BTreeMap<String, Wish>,
    /// What processes and the command line can build on, by name.
    #[schemars(default)]
    profile: BTreeMap<String, Wish>,
}

/// Prints the schema.
///
/// # Errors
/// It cannot be written.
pub(crate) fn print_schema(output: &OutputArgs) -> anyhow::Result<Exit> {
    let settings = SchemaSettings::draft07().with_transform(Plain);
    let schema = settings.into_generator().into_root_schema_for::<FleetFile>();
    let mut out = output.open(false)?;
    writeln!(out, "{}", serde_json::to_string_pretty(&schema)?)?;
    out.finish()?;
    Ok(Exit::Yes)
}

/// TOML knows no null, and what a default is stands in the description.
#[derive(Clone, Debug)]
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        schema.remove("default");
        let is_null =
            |value: &Value| *value == "null" || value["type"] == "null" || value.is_null();
        for key in ["type", "enum", "anyOf"] {
            let Some(Value::Array(list)) = schema.get_mut(key) else { continue };
            list.retain(|value| !is_null(value));
            if let (1, "type") = (list.len(), key) {
                let only = list.remove(0);
                schema.insert(key.to_owned(), only);
            }
        }
        if let Some(Value::Array(list)) = schema.get("anyOf")
            && let [Value::Object(only)] = list.as_slice()
        {
            let only = only.clone();
            schema.remove("anyOf");
            for (key, value) in only {
                schema.insert(key, value);
            }
        }
        transform_subschemas(self, schema);
    }
}
