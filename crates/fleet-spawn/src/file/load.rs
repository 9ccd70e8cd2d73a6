//! From a file to its processes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use fleet_cli::{Exit, Failure, talk};
use fleet_config::Fault;
use fleet_registry::Home;
use serde_json::Value;

use super::draft;
use super::fleet::{Beside, understand};
use super::member::Member;
use super::merge::Said;
use super::profiles::Profiles;
use crate::wish::Wish;

/// A file that is good.
pub(super) struct Loaded {
    /// Its path, the same however it was named.
    pub(super) path: String,
    /// Its processes in the order of their start.
    pub(super) members: Vec<Member>,
}

/// Reads a file, with what was typed beside it laid over each process. Every mistake in it is said
/// before it is refused.
///
/// # Errors
/// The file cannot be read, or something in it is wrong.
pub(super) fn load(path: &Path, home: &Home, typed: &Wish) -> anyhow::Result<Loaded> {
    let (path, text) = read(path)?;
    let folder = folder(&path);
    let draft = draft::read(&text, folder);
    let said = typed_over(typed)?;
    let beside = Beside { home, folder, profiles: &typed.profile, said: &said };
    let (members, mut faults) = understand(&draft, &beside);
    faults.extend(draft.faults);
    refuse(&path, &text, faults)?;
    Ok(Loaded { path: path.to_string_lossy().into_owned(), members })
}

/// A wish on top of the profiles that it names, from `path` or the user's own fleet file.
///
/// # Errors
/// There is no such file or profile, or it is not good.
pub(crate) fn with_profiles(path: Option<&Path>, typed: Wish) -> anyhow::Result<Wish> {
    let path = path.map(Path::to_owned).or_else(own_file).ok_or_else(|| {
        Failure::new(Exit::CouldNot, "cannot tell where the profiles are")
            .hint("name the fleet file with --file")
    })?;
    let (path, text) = read(&path)?;
    let draft = draft::read(&text, folder(&path));
    let mut faults = draft.faults;
    let profiles = Profiles::resolve(&draft.profiles).unwrap_or_else(|wrong| {
        faults.extend(wrong);
        Profiles::default()
    });
    refuse(&path, &text, faults)?;
    let names: Vec<&str> = typed.profile.iter().map(String::as_str).collect();
    let mut layers = profiles.together(&names).map_err(|(name, hint)| {
        let words = format!("there is no profile '{name}' in '{}'", path.display());
        Failure { hint, ..Failure::new(Exit::CouldNot, words) }
    })?;
    for key in ["command", "shell", "replicas"] {
        layers.said.remove(key);
    }
    layers.lay_said(&typed_over(&typed)?);
    layers.said.remove("profile");
    Ok(serde_json::from_value(Value::Object(layers.said))?)
}

fn own_file() -> Option<PathBuf> {
    let from = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let folder = from("XDG_CONFIG_HOME").or_else(|| from("HOME").map(|home| home.join(".config")));
    folder.map(|folder| folder.join("fleet/fleet.toml"))
}

/// The absolute path of the file and its text.
fn read(path: &Path) -> anyhow::Result<(PathBuf, String)> {
    let failed = || format!("cannot read the fleet file '{}'", path.display());
    let whole = fs::canonicalize(path).with_context(failed)?;
    let text = fs::read_to_string(&whole).with_context(failed)?;
    Ok((whole, text))
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// What was typed, as a file says it; its paths are relative to the current folder.
fn typed_over(typed: &Wish) -> anyhow::Result<Said> {
    let mut said = match serde_json::to_value(typed)? {
        Value::Object(said) => said,
        _ => Said::new(),
    };
    said.remove("profile");
    if said.contains_key("cwd") || said.contains_key("env_file") {
        draft::make_absolute(&mut said, &env::current_dir().context("the current folder is gone")?);
    }
    Ok(said)
}

/// Says everything that is wrong, in the order of the file, and refuses it.
fn refuse(path: &Path, text: &str, mut faults: Vec<Fault>) -> anyhow::Result<()> {
    faults.sort();
    faults.dedup();
    let count = match faults.len() {
        0 => return Ok(()),
        1 => "a mistake".to_owned(),
        more => format!("{more} mistakes"),
    };
    for fault in faults {
        let mistake = fault.locate(path, text);
        match &mistake.hint {
            Some(hint) => talk(format!("{mistake} ({hint})")),
            None => talk(&mistake),
        }
    }
    let words = format!("'{}' has {count}; nothing was started", path.display());
    Err(Failure::new(Exit::CouldNot, words).into())
}
