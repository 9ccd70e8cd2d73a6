//! What differs between a file and what runs.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use fleet_census::{Census, Seen};
use fleet_core::{Id, ProcessRecord};
use fleet_registry::{Home, read_amendment, read_spec};
use serde::Serialize;
use serde_json::Value;

use super::load::Loaded;
use super::member::Member;

/// How a process of a file stands.
pub(super) enum Standing {
    /// It does not live.
    Missing,
    /// It lives as the file says.
    Same,
    /// It lives, and the file says otherwise by now.
    Changed(Box<ProcessRecord>, Vec<Difference>),
    /// What lives by its name did not come from this file.
    Stranger,
}

impl Standing {
    /// The record of what lives otherwise than the file says.
    pub(super) fn changed(&self) -> Option<&ProcessRecord> {
        match self {
            Standing::Changed(record, _) => Some(record),
            _ => None,
        }
    }
}

/// Whether nothing differs but what may change while a process runs.
pub(super) fn is_amendable(differences: &[Difference]) -> bool {
    const KEYS: [&str; 3] = ["limits.memory", "limits.cpu", "limits.pids"];
    let amendable = |one: &Difference| one.key.as_deref().is_some_and(|key| KEYS.contains(&key));
    differences.iter().all(amendable)
}

/// What a difference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    /// The process is in the file and does not live.
    Missing,
    /// The process lives, came from the file, and is no longer in it.
    Orphan,
    /// Something else lives by its name.
    Stranger,
    /// A key has another value.
    Changed,
}

impl What {
    pub(super) fn word(self) -> &'static str {
        match self {
            What::Missing => "missing",
            What::Orphan => "orphan",
            What::Stranger => "stranger",
            What::Changed => "changed",
        }
    }
}

/// One difference, as it is printed. Of variables the name alone is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Difference {
    pub(super) id: Id,
    pub(super) what: What,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) old: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) new: Option<Value>,
}

impl Difference {
    fn whole(id: &Id, what: What) -> Difference {
        Difference { id: id.clone(), what, key: None, old: None, new: None }
    }
}

/// All differences of the chosen processes; orphans, too, where `all` are chosen.
pub(super) fn compare(
    home: &Home,
    census: &Census,
    file: &Loaded,
    chosen: &[&Member],
    all: bool,
) -> anyhow::Result<Vec<Difference>> {
    let mut differences = Vec::new();
    for member in chosen {
        match standing(home, census, file, member)? {
            Standing::Same => {}
            Standing::Missing => differences.push(Difference::whole(&member.id, What::Missing)),
            Standing::Stranger => differences.push(Difference::whole(&member.id, What::Stranger)),
            Standing::Changed(_, found) => differences.extend(found),
        }
    }
    if all {
        let found = orphans(census, file);
        differences.extend(found.map(|record| Difference::whole(&record.id, What::Orphan)));
    }
    Ok(differences)
}

/// How a process stands.
pub(super) fn standing(
    home: &Home,
    census: &Census,
    file: &Loaded,
    member: &Member,
) -> anyhow::Result<Standing> {
    let mut alive = living(census).filter(|record| record.id == member.id);
    let Some(record) = alive.next() else { return Ok(Standing::Missing) };
    let dir = home.run_of(&record.key());
    let origin = read_spec(&dir).ok().and_then(|spec| spec.file);
    let Some(origin) = origin.filter(|origin| origin.path == file.path) else {
        return Ok(Standing::Stranger);
    };
    // Limits that were changed while it runs are not in its spec.
    let amended = read_amendment(&dir).ok().flatten().and_then(|amendment| amendment.wish);
    let wish = amended.unwrap_or(origin.wish);
    let found = differing(&member.id, &wish, &member.origin(&file.path)?.wish);
    Ok(match found.is_empty() {
        true => Standing::Same,
        false => Standing::Changed(Box::new(record.clone()), found),
    })
}

/// What lives, came from this file and is no longer in it.
pub(super) fn orphans<'a>(
    census: &'a Census,
    file: &Loaded,
) -> impl Iterator<Item = &'a ProcessRecord> {
    let named: HashSet<Id> = file.members.iter().map(|member| member.id.clone()).collect();
    let path = file.path.clone();
    living(census)
        .filter(move |record| record.file.as_deref() == Some(&path) && !named.contains(&record.id))
}

fn living(census: &Census) -> impl Iterator<Item = &ProcessRecord> {
    let alive = |seen: &&Seen| seen.observed.is_living();
    census.seen.iter().filter(alive).map(|seen| &*seen.record)
}

/// The keys that differ, in the order of their names.
fn differing(id: &Id, old: &Value, new: &Value) -> Vec<Difference> {
    let (old, new) = (flat(old), flat(new));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differs = |key: &&String| old.get(*key) != new.get(*key);
    let difference = |key: &String| {
        let shown = |value: Option<&Value>| value.filter(|_| !is_secret(key)).cloned();
        Difference {
            id: id.clone(),
            what: What::Changed,
            key: Some(key.clone()),
            old: shown(old.get(key)),
            new: shown(new.get(key)),
        }
    };
    keys.into_iter().filter(differs).map(difference).collect()
}

/// Values of variables may be secrets.
fn is_secret(key: &str) -> bool {
    key.starts_with("env.") || key.starts_with("env_file.")
}

/// The leaves of nested tables by their dotted keys.
fn flat(value: &Value) -> BTreeMap<String, Value> {
    let mut leaves = BTreeMap::new();
    flatten("", value, &mut leaves);
    leaves
}

fn flatten(at: &str, value: &Value, leaves: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                let dot = if at.is_empty() { "" } else { "." };
                flatten(&format!("{at}{dot}{key}"), value, leaves);
            }
        }
        leaf => drop(leaves.insert(at.to_owned(), leaf.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_name_their_keys_and_no_secrets() {
        let old =
            json!({ "command": ["a"], "env": { "KEY": "one" }, "limits": { "memory": "1G" } });
        let new =
            json!({ "command": ["a"], "env": { "KEY": "two" }, "limits": { "memory": "2G" } });
        let found = differing(&Id::near("web"), &old, &new);
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(found.len(), 2);
        assert!(text.contains("env.KEY") && !text.contains("one") && !text.contains("two"));
        assert_eq!((&found[1].old, &found[1].new), (&Some(json!("1G")), &Some(json!("2G"))));
        assert!(differing(&Id::near("web"), &old, &old).is_empty());
    }
}
