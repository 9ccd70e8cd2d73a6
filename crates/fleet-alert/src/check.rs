//! `--check`: what a rules file that is in order says.

use std::path::Path;

use fleet_cli::{Align, Cell, Column, Exit, Table, talk};
use fleet_core::duration_text;
use fleet_rules::{Count, Hold, Rule};

use crate::args::Args;
use crate::config::Config;

/// The kinds of record that the tools of fleet print. A rule may be on another, but that is
/// rather a slip of the pen.
const KINDS: [&str; 5] = ["process", "sample", "log", "event", "alert"];

/// Prints the rules as a table and says that they are in order.
pub(crate) fn report(path: &Path, config: &Config, args: &Args) -> anyhow::Result<Exit> {
    let rules = &config.rules;
    let left = |title| Column { title, align: Align::Left };
    let mut table = Table::new(["RULE", "SEVERITY", "ON", "HELD", "BY", "WHEN"].map(left).to_vec());
    for rule in &rules.rules {
        table.row(row(rule));
    }
    let mut out = args.output.open(false)?;
    table.write(&mut out)?;
    out.finish()?;
    for rule in rules.rules.iter().filter(|rule| !KINDS.contains(&rule.on.as_str())) {
        talk(format_args!(
            "rule '{}' is on '{}', which no tool of fleet prints; they print {}",
            rule.name,
            rule.on,
            KINDS.join(", "),
        ));
    }
    let off = rules.rules.iter().filter(|rule| !rule.enabled).count();
    talk(format_args!(
        "'{}' is in order; rules: {} ({off} not enabled), channels: {}",
        path.display(),
        rules.rules.len(),
        config.channels.len(),
    ));
    Ok(Exit::Yes)
}

fn row(rule: &Rule) -> Vec<Cell> {
    let held = match rule.timing.hold {
        _ if !rule.enabled => "not enabled".to_owned(),
        Hold::Now => "-".to_owned(),
        Hold::For(time) => duration_text(time),
        Hold::Times(times) => format!("{times} times"),
        Hold::Count(Count { count, within }) => format!("{count} in {}", duration_text(within)),
    };
    let by = if rule.by.is_empty() { "-".to_owned() } else { rule.by.join(",") };
    [&rule.name, &rule.severity, &rule.on, &held, &by, &rule.condition_text()]
        .map(Cell::new)
        .to_vec()
}
