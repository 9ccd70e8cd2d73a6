//! What a file means: every process with all that it builds on, in the order of their start.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use fleet_cli::Failure;
use fleet_config::{Fault, did_you_mean};
use fleet_core::{Dependency, Id};
use fleet_registry::Home;
use serde_json::Value;

use super::draft::{Draft, Section};
use super::member::Member;
use super::merge::Said;
use super::order;
use super::profiles::{Layers, Profiles};
use crate::command::{BadCommand, argument_vector};
use crate::env_file::{self, Pair};
use crate::kernel;
use crate::ports::Ports;
use crate::wish::{Wish, Words, kpis};

/// No file starts more of a kind: what is more is a slip, and each costs a process.
const MOST_REPLICAS: u32 = 10_000;

/// A process of the file, which may have replicas.
struct Group<'a> {
    section: &'a Section,
    layers: Layers,
    wish: Wish,
    command: Vec<String>,
    env: Vec<Pair>,
}

/// What comes from outside of the file.
pub(super) struct Beside<'a> {
    pub(super) home: &'a Home,
    /// The folder of the file, where its processes run unless it says otherwise.
    pub(super) folder: &'a Path,
    /// Profiles that are laid over every process.
    pub(super) profiles: &'a [String],
    /// What is laid over these.
    pub(super) said: &'a Said,
}

/// Understands a draft. Everything that is wrong is in the faults; without any, all processes are
/// in the result.
pub(super) fn understand(draft: &Draft, beside: &Beside<'_>) -> (Vec<Member>, Vec<Fault>) {
    let profiles = match Profiles::resolve(&draft.profiles) {
        Ok(profiles) => profiles,
        Err(faults) => return (Vec::new(), faults),
    };
    let mut faults = Vec::new();
    let mut groups = Vec::new();
    for section in &draft.processes {
        match group(section, &profiles, beside) {
            Ok(found) => groups.extend(found),
            Err(wrong) => faults.extend(wrong),
        }
    }
    let sorted = sorted(&groups, &draft.processes).unwrap_or_else(|wrong| {
        faults.extend(wrong);
        Vec::new()
    });
    let names: HashMap<&str, Vec<(Id, u32)>> =
        groups.iter().map(|group| (group.section.name.as_str(), ids(group))).collect();
    let members = sorted.into_iter().flat_map(|at| members(&groups[at], &names)).collect();
    faults.extend(clashes(&groups));
    (members, faults)
}

/// A process with all that it builds on; nothing where what it lacks was refused before.
fn group<'a>(
    section: &'a Section,
    profiles: &Profiles,
    beside: &Beside<'_>,
) -> Result<Option<Group<'a>>, Vec<Fault>> {
    let mut layers = profiles.build_on(section).map_err(|fault| vec![fault])?;
    let names: Vec<&str> = beside.profiles.iter().map(String::as_str).collect();
    let over = profiles.together(&names).map_err(|(name, hint)| {
        vec![Fault { hint, ..Fault::new(0, format!("there is no profile '{name}'")) }]
    })?;
    layers.lay_said(&over.said);
    layers.lay_said(beside.said);
    if layers.spoilt {
        return Ok(None);
    }
    let place = |key: &str| layers.place(key).unwrap_or(section.at);
    let mut wish: Wish = serde_json::from_value(Value::Object(layers.said.clone()))
        .map_err(|e| vec![Fault::new(section.at, e.to_string())])?;
    let mut faults = Vec::new();
    if let Err(bad) = section.name.parse::<Id>() {
        faults.push(Fault::new(section.at, bad.to_string()));
    }
    faults.extend(bad_replicas(&wish).map(|why| Fault::new(place("replicas"), why)));
    if let Err(wrong) = kernel::wanted_ports(&wish) {
        faults.push(Fault { hint: wrong.hint, ..Fault::new(place("port"), wrong.message) });
    }
    if let Err(wrong) = kpis(&wish.kpi) {
        faults.push(Fault { hint: wrong.hint, ..Fault::new(place("kpi"), wrong.message) });
    }
    let command = command(&wish).unwrap_or_else(|(key, fault)| {
        faults.push(Fault { at: place(key), ..fault });
        Vec::new()
    });
    let env = env_of_files(&wish).unwrap_or_else(|why| {
        faults.push(Fault::new(place("env_file"), why));
        Vec::new()
    });
    if !faults.is_empty() {
        return Err(faults);
    }
    if wish.connection_file == Some(true) && wish.port.is_none() {
        wish.port = "auto:5".parse().ok();
    }
    wish.cwd.get_or_insert_with(|| beside.folder.to_owned());
    let group = Group { section, layers, wish, command, env };
    match cannot_be(&group, beside.home) {
        None => Ok(Some(group)),
        Some(fault) => Err(vec![fault]),
    }
}

/// What is wanted and cannot be, tried with ports that stand for those that will be found.
fn cannot_be(group: &Group<'_>, home: &Home) -> Option<Fault> {
    let sample = members(group, &HashMap::new()).swap_remove(0);
    let ports: Vec<u16> = match sample.ports() {
        Some((Ports::Exactly(port), _)) => vec![port],
        Some((Ports::Auto(count), _)) => (1..=count).collect(),
        None => Vec::new(),
    };
    let error = sample.can_be(home, &ports).err()?;
    // The key to blame is the one that cannot be even alone.
    let alone = |key: &&String| {
        let said = Said::from_iter([((*key).clone(), group.layers.said[*key].clone())]);
        let wish = serde_json::from_value(Value::Object(said)).unwrap_or_default();
        Member { wish, ..sample.clone() }.can_be(home, &ports).is_err()
    };
    let key = group.layers.said.keys().find(alone);
    let at = key.and_then(|key| group.layers.place(key)).unwrap_or(group.section.at);
    let hint = error.downcast_ref::<Failure>().and_then(|failure| failure.hint.clone());
    Some(Fault { hint, ..Fault::new(at, format!("{error:#}")) })
}

fn bad_replicas(wish: &Wish) -> Option<String> {
    let bad = wish.replicas.is_some_and(|replicas| !(1..=MOST_REPLICAS).contains(&replicas));
    bad.then(|| format!("there are 1 to {MOST_REPLICAS} replicas; remove a process to have none"))
}

/// The argument vector, or the key that is wrong and why.
fn command(wish: &Wish) -> Result<Vec<String>, (&'static str, Fault)> {
    let shell = wish.shell == Some(true);
    let Some(words) = &wish.command else {
        let fault = Fault::new(0, "there is no command");
        return Err(("", fault.hint("command = \"python train.py\"")));
    };
    argument_vector(words, shell).map_err(|bad| match bad {
        BadCommand::ListForShell => {
            let fault = Fault::new(0, bad.to_string());
            ("shell", fault.hint("write the command as one text, or remove 'shell'"))
        }
        bad => ("command", Fault::new(0, bad.to_string())),
    })
}

fn env_of_files(wish: &Wish) -> Result<Vec<Pair>, String> {
    let mut pairs = Vec::new();
    for path in &wish.env_file {
        pairs.extend(env_file::read(path).map_err(|e| e.to_string())?);
    }
    Ok(pairs)
}

/// The groups in the order of their start.
fn sorted(groups: &[Group<'_>], written: &[Section]) -> Result<Vec<usize>, Vec<Fault>> {
    let mut names: HashMap<String, usize> = HashMap::new();
    for (at, group) in groups.iter().enumerate() {
        names.insert(group.section.name.clone(), at);
        names.extend(ids(group).into_iter().map(|(id, _)| (id.to_string(), at)));
    }
    let mut faults = Vec::new();
    let mut after = vec![Vec::new(); groups.len()];
    for (at, group) in groups.iter().enumerate() {
        for name in group.wish.after.iter().map(|dependency| dependency.id.as_str()) {
            match names.get(name) {
                Some(&other) => after[at].push(other),
                // One that was refused is there nevertheless.
                None if written.iter().any(|section| section.name == name) => {}
                None => faults.push(unknown_name(group, name, &names)),
            }
        }
    }
    let sorted = order::sort(&after).map_err(|circle| vec![circular(groups, &circle)]);
    if faults.is_empty() { sorted } else { Err(faults) }
}

fn unknown_name(group: &Group<'_>, name: &str, names: &HashMap<String, usize>) -> Fault {
    let at = group.layers.place("after").unwrap_or(group.section.at);
    let fault = Fault::new(at, format!("'after' names '{name}', and there is no such process"));
    Fault { hint: did_you_mean(name, names.keys().map(String::as_str)), ..fault }
}

fn circular(groups: &[Group<'_>], circle: &[usize]) -> Fault {
    let first = &groups[circle[0]];
    let names: Vec<&str> =
        circle.iter().chain(&circle[..1]).map(|&at| groups[at].section.name.as_str()).collect();
    let message = format!("these wait for each other: {}", names.join(" -> "));
    Fault::new(first.layers.place("after").unwrap_or(first.section.at), message)
}

/// The names of a group's processes, each with its number.
fn ids(group: &Group<'_>) -> Vec<(Id, u32)> {
    let base = Id::near(&group.section.name);
    let id = group.section.name.parse().unwrap_or(base);
    match group.wish.replicas {
        None => vec![(id, 0)],
        Some(count) => (0..count).map(|index| (id.numbered(index), index)).collect(),
    }
}

/// Names and ports that two processes want.
fn clashes(groups: &[Group<'_>]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut names: HashMap<Id, &str> = HashMap::new();
    let mut ports: BTreeMap<u16, Id> = BTreeMap::new();
    for group in groups {
        for (id, _) in ids(group) {
            if let Some(other) = names.insert(id.clone(), &group.section.name) {
                let message = format!("'{other}' has a process '{id}', too");
                faults.push(Fault::new(group.section.at, message));
                break;
            }
            let Some(Ports::Exactly(port)) = group.wish.port.as_ref().map(|port| port.value) else {
                continue;
            };
            if let Some(other) = ports.insert(port, id.clone()) {
                let at = group.layers.place("port").unwrap_or(group.section.at);
                let message = format!("'{other}' and '{id}' want the same port {port}");
                faults.push(Fault::new(at, message).hint("port = \"auto\" finds a free one"));
                break;
            }
        }
    }
    faults
}

/// The processes of a group; `names` has the replicas of those that it waits for.
fn members(group: &Group<'_>, names: &HashMap<&str, Vec<(Id, u32)>>) -> Vec<Member> {
    let each = |dependency: &Dependency| match names.get(dependency.id.as_str()) {
        Some(ids) => {
            let until = dependency.until;
            ids.iter().map(|(id, _)| Dependency { id: id.clone(), until }).collect()
        }
        None => vec![dependency.clone()],
    };
    let after: Vec<Dependency> = group.wish.after.iter().flat_map(each).collect();
    let member = |(id, index)| Member {
        id,
        group: group.section.name.clone(),
        index,
        wish: Wish {
            command: Some(Words::List(group.command.clone())),
            shell: None,
            profile: Vec::new(),
            replicas: None,
            env_file: Vec::new(),
            ..group.wish.clone()
        },
        env: group.env.clone(),
        after: after.clone(),
    };
    ids(group).into_iter().map(member).collect()
}
