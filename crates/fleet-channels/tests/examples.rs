//! The examples of channels in configs/alerts.toml, which stand there as comments: each is one.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use fleet_channels::{Channel, Kind, RawChannel};
use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize)]
struct File {
    channel: BTreeMap<Spanned<String>, RawChannel>,
}

/// The blocks that begin with `# [channel.`, without the comment signs.
fn examples() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/alerts.toml");
    let text = fs::read_to_string(path).unwrap();
    let mut inside = false;
    let mut found = String::new();
    for line in text.lines() {
        inside = line.starts_with("# [channel.") || (inside && line.len() > 1);
        if let Some(line) = line.strip_prefix("# ").filter(|_| inside) {
            found.push_str(line);
            found.push('\n');
        }
    }
    found
}

#[test]
fn every_type_of_channel_has_an_example_that_is_taken() {
    let file: File = toml::from_str(&examples()).unwrap();
    let kinds: BTreeSet<String> = file
        .channel
        .into_iter()
        .map(|(name, raw)| {
            let example = name.get_ref().clone();
            let channel = Channel::load(name, raw);
            word(&channel.unwrap_or_else(|fault| panic!("[channel.{example}]: {fault:?}")).kind)
        })
        .collect();
    let all = [
        "Alertmanager",
        "Bell",
        "Email",
        "Exec",
        "File",
        "Healthchecks",
        "Ntfy",
        "PagerDuty",
        "Slack",
        "Sms",
        "Stderr",
        "Webhook",
    ];
    assert_eq!(kinds, all.map(str::to_owned).into());
}

/// The name of the variant.
fn word(kind: &Kind) -> String {
    format!("{kind:?}").chars().take_while(|c| c.is_alphanumeric()).collect()
}
