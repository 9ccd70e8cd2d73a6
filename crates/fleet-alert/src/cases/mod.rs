//! `--test FILE`: cases of records and the alerts that must come of them.
//!
//! Each case begins with nothing remembered and has a clock of its own, which its steps move. Its
//! records are held against the rules, and what comes of that is told to the desk, which decides
//! whom it would tell. All of it happens in memory. A case is good if exactly the alerts are seen
//! that it expects.

mod file;
mod run;

use std::fs;
use std::path::Path;

use fleet_cli::{Exit, Failure, Format, Records, talk};
use fleet_config::{Fault, did_you_mean};
use fleet_core::Timestamp;
use fleet_rules::RuleSet;
use serde::Serialize;

use crate::args::Args;
use crate::config::{self, Config};
use file::{Case, File};
use run::{Ran, run};

/// What became of a case, for programs.
#[derive(Serialize)]
struct CaseRecord<'a> {
    kind: &'static str,
    ts: Timestamp,
    case: &'a str,
    ok: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

/// Does all cases of a file and says what is not as they expect.
pub(crate) fn report(path: &Path, args: &Args) -> anyhow::Result<Exit> {
    let format = args.output.format(&[Format::Table, Format::Jsonl, Format::Json])?;
    let text = fs::read_to_string(path).map_err(|error| {
        let message = format!("cannot read the cases '{}': {error}", path.display());
        Failure::new(Exit::CouldNot, message)
    })?;
    let refused = |fault: Fault| config::refusal(fault.locate(path, &text));
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let file = File::parse(&text, folder).map_err(refused)?;
    let rules = config::locate(args.rules.as_deref().or(file.rules.as_deref()))?;
    let config = config::load(&rules)?;
    let mut ran = Vec::new();
    for case in &file.cases {
        ran.push((case, run(case, &of(case, &config).map_err(refused)?)));
    }
    print(&ran, format, args)?;
    let failed = ran.iter().filter(|(_, ran)| !ran.problems.is_empty()).count();
    talk(format_args!("cases: {}, failed: {failed}", ran.len()));
    Ok(if failed == 0 { Exit::Yes } else { Exit::No })
}

/// The configuration with the rules alone that a case is about.
fn of(case: &Case, config: &Config) -> Result<Config, Fault> {
    if case.rules.is_empty() {
        return Ok(config.clone());
    }
    let names = || config.rules.rules.iter().map(|rule| rule.name.as_str());
    let wanted = |name: &str| case.rules.iter().any(|rule| rule.get_ref() == name);
    if let Some(unknown) =
        case.rules.iter().find(|rule| !names().any(|name| name == *rule.get_ref()))
    {
        let message = format!("there is no rule named '{}'", unknown.get_ref());
        let fault = Fault::new(unknown.span().start, message);
        let meant = did_you_mean(unknown.get_ref(), names());
        return Err(meant.into_iter().fold(fault, Fault::hint));
    }
    let mut rules = config.rules.rules.clone();
    rules.retain(|rule| wanted(&rule.name));
    rules.iter_mut().for_each(|rule| rule.enabled = true);
    Ok(Config { rules: RuleSet { rules, ..config.rules.clone() }, ..config.clone() })
}

fn print(ran: &[(&Case, Ran)], format: Format, args: &Args) -> anyhow::Result<()> {
    let mut out = args.output.open(false)?;
    if format == Format::Table {
        use std::io::Write;
        for (case, ran) in ran {
            let word = if ran.problems.is_empty() { "ok" } else { "failed" };
            writeln!(out, "{word:6} {}", case.name)?;
            ran.problems.iter().try_for_each(|problem| writeln!(out, "         {problem}"))?;
            if !ran.problems.is_empty() {
                ran.story().iter().try_for_each(|line| writeln!(out, "       | {line}"))?;
            }
        }
        return Ok(out.finish()?);
    }
    let records = if format == Format::Json { Records::array(out) } else { Records::lines(out) };
    let rows: Vec<_> = ran.iter().map(|(case, ran)| record(case, ran)).collect();
    Ok(records.write_all(rows)?.finish()?)
}

fn record<'c>(case: &'c Case, ran: &Ran) -> CaseRecord<'c> {
    CaseRecord {
        kind: "test_case",
        ts: Timestamp::now(),
        case: &case.name,
        ok: ran.problems.is_empty(),
        problems: ran.problems.clone(),
    }
}
