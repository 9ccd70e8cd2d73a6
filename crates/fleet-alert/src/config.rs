//! The file of rules and channels: where it is, what is in it, and what to say when it is refused.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fleet_channels::{Channel, RawChannel};
use fleet_cli::{Exit, Failure};
use fleet_config::{Fault, Mistake, did_you_mean};
use fleet_notify::{Policy, RawNotify, RawRoute, Routes, RulePolicy, Settings};
use fleet_rules::{RawRule, Rule, RuleSet};
use serde::Deserialize;
use toml::Spanned;

/// The whole file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    notify: RawNotify,
    #[serde(default)]
    route: RawRoute,
    #[serde(default)]
    rule: Vec<RawRule>,
    #[serde(default)]
    channel: BTreeMap<Spanned<String>, RawChannel>,
}

/// What a file says, checked.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) rules: RuleSet,
    /// By name.
    pub(crate) channels: Vec<Channel>,
    /// Who is told what.
    pub(crate) policy: Policy,
}

impl Config {
    /// Reads the text of a file.
    pub(crate) fn parse(text: &str) -> Result<Config, Fault> {
        let file: RawFile = toml::from_str(text)?;
        let channels = file.channel.into_iter().map(|(name, raw)| Channel::load(name, raw));
        let channels: Vec<Channel> = channels.collect::<Result<_, _>>()?;
        let rules = RuleSet::from_raw(text, file.rule)?;
        let policy = policy(file.notify, file.route, &channels, &rules)?;
        Ok(Config { rules, channels, policy })
    }

    /// The channel that is pinged while all is well.
    pub(crate) fn heartbeat(&self) -> Option<&Channel> {
        let name = self.policy.settings.heartbeat.as_ref()?.get_ref();
        self.channels.iter().find(|channel| channel.plan.name == *name)
    }
}

fn policy(
    notify: RawNotify,
    route: RawRoute,
    channels: &[Channel],
    rules: &RuleSet,
) -> Result<Policy, Fault> {
    let settings = Settings::load(notify)?;
    let names: Vec<&str> = channels.iter().map(|channel| channel.plan.name.as_str()).collect();
    let routes = Routes::load(route, &names)?;
    check_heartbeat(&settings, &names)?;
    let heartbeat = settings.heartbeat.as_ref().map(Spanned::get_ref);
    // A check that is pinged hears of alerts only where a route says so.
    let plans = channels.iter().map(|channel| channel.plan.clone());
    let plans = plans.filter(|plan| heartbeat != Some(&plan.name) || routes.names(&plan.name));
    let of = |rule: &Rule| (rule.name.clone(), RulePolicy::of(rule));
    Ok(Policy {
        host: fleet_os::host_name(),
        channels: plans.collect(),
        rules: rules.rules.iter().map(of).collect(),
        settings,
        routes,
    })
}

fn check_heartbeat(settings: &Settings, names: &[&str]) -> Result<(), Fault> {
    let Some(name) = &settings.heartbeat else { return Ok(()) };
    if names.contains(&name.get_ref().as_str()) {
        return Ok(());
    }
    let fault = Fault::new(name.span().start, format!("there is no channel '{}'", name.get_ref()));
    let meant = did_you_mean(name.get_ref(), names.iter().copied());
    Err(meant.into_iter().fold(fault, Fault::hint))
}

/// The file that was named, or the user's own.
pub(crate) fn locate(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let from = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let user = || {
        from("XDG_CONFIG_HOME")
            .or_else(|| from("HOME").map(|home| home.join(".config")))
            .map(|folder| folder.join("fleet/alerts.toml"))
    };
    given.map(Path::to_path_buf).or_else(user).ok_or_else(|| {
        let message = "cannot tell where the rules are: neither XDG_CONFIG_HOME nor HOME is set";
        Failure::new(Exit::CouldNot, message).hint("name a file with --rules")
    })
}

/// The text of the file.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| {
        let why = match error.kind() {
            ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
            _ => error.to_string(),
        };
        let message = format!("cannot read the rules '{}': {why}", path.display());
        Failure::new(Exit::CouldNot, message)
            .hint("name a file with --rules; configs/alerts.toml is one to begin with")
    })
}

/// What is in it, or why it is refused as a whole.
pub(crate) fn load(path: &Path) -> Result<Config, Failure> {
    let text = read(path)?;
    let config = Config::parse(&text).map_err(|fault| refusal(fault.locate(path, &text)))?;
    Ok(Config { rules: config.rules.from_file(path), ..config })
}

/// A mistake as the end of the tool.
pub(crate) fn refusal(mistake: Mistake) -> Failure {
    let failure = Failure::new(Exit::CouldNot, mistake.to_string());
    mistake.hint.into_iter().fold(failure, Failure::hint)
}
