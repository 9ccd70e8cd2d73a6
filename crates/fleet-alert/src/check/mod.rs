//! `--check`: what a rules file says, and what in it is odd.
//!
//! A file that cannot be used is refused as it always is. Of one that can, this looks for what
//! somebody hardly meant: a [`Finding`] is an error where a rule or a channel cannot do what it
//! says, and a warning where it probably does something else. Nothing is read but the file, the
//! environment and the modes of the files with secrets.

mod channels;
mod conditions;
mod finding;
mod rules;
mod schema;
mod shape;
mod written;

use std::path::Path;

use fleet_cli::{Align, Cell, Column, Exit, Format, Records, Table, talk};
use fleet_config::Fault;
use fleet_core::{Timestamp, duration_text};
use fleet_rules::{Count, Hold, Rule};

use crate::args::Args;
use crate::config::{self, Config};
use finding::{Finding, Level, Located};
use written::Written;

/// Prints the rules as a table, or for programs the findings, and says whether all is in order.
pub(crate) fn report(path: &Path, args: &Args) -> anyhow::Result<Exit> {
    let format = args.output.format(&[Format::Table, Format::Jsonl, Format::Json])?;
    let text = config::read(path)?;
    let config = match Config::parse(&text) {
        Ok(config) => config,
        Err(fault) => {
            let mistake = fault.locate(path, &text);
            let refusal = config::refusal(mistake.clone());
            if format != Format::Table {
                print(&[Located::refusal(mistake)], format, args)?;
            }
            return Err(refusal.into());
        }
    };
    let found = findings(path, &text, &config);
    if format == Format::Table {
        table(&config, args)?;
        found.iter().for_each(talk);
    } else {
        print(&found, format, args)?;
    }
    Ok(verdict(path, &config, &found))
}

/// All that is odd, in the order of the file.
fn findings(path: &Path, text: &str, config: &Config) -> Vec<Located> {
    // The file was found good before; a fault here is one of this reading.
    let mut found =
        odd(text, config).unwrap_or_else(|fault| vec![Finding::error("refused", fault)]);
    found.sort_by_key(|finding| finding.fault.at);
    found.into_iter().map(|finding| finding.locate(path, text)).collect()
}

fn odd(text: &str, config: &Config) -> Result<Vec<Finding>, Fault> {
    let written: Written = toml::from_str(text)?;
    let mut found = rules::check(text, &written);
    found.extend(channels::check(&written, &toml::from_str(text)?, config));
    Ok(found)
}

fn print(found: &[Located], format: Format, args: &Args) -> anyhow::Result<()> {
    let out = args.output.open(false)?;
    let records = match format {
        Format::Json => Records::array(out),
        _ => Records::lines(out),
    };
    let ts = Timestamp::now();
    Ok(records.write_all(found.iter().map(|finding| finding.record(ts)))?.finish()?)
}

fn verdict(path: &Path, config: &Config, found: &[Located]) -> Exit {
    let errors = found.iter().filter(|finding| finding.level == Level::Error).count();
    let rules = &config.rules.rules;
    let off = rules.iter().filter(|rule| !rule.enabled).count();
    let order = match (errors, found.len() - errors) {
        (0, 0) => "is in order".to_owned(),
        (0, warnings) => format!("can be used; warnings: {warnings}"),
        (errors, warnings) => format!("is not in order; errors: {errors}, warnings: {warnings}"),
    };
    talk(format_args!(
        "'{}' {order}; rules: {} ({off} not enabled), channels: {}",
        path.display(),
        rules.len(),
        config.channels.len(),
    ));
    if errors == 0 { Exit::Yes } else { Exit::No }
}

fn table(config: &Config, args: &Args) -> anyhow::Result<()> {
    let left = |title| Column { title, align: Align::Left };
    let mut table = Table::new(["RULE", "SEVERITY", "ON", "HELD", "BY", "WHEN"].map(left).to_vec());
    for rule in &config.rules.rules {
        table.row(row(rule));
    }
    let mut out = args.output.open(false)?;
    table.write(&mut out)?;
    Ok(out.finish()?)
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
