//! From what was typed to what is wanted, checked before anything starts.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use fleet_cli::{Exit, Failure};
use fleet_core::{GpuWish, Id, Queue, Signal, Spec, Timestamp};

use crate::env_file::{self, Pair};
use crate::gpus::VISIBLE;
use crate::wish::{Span, Typed, Wish, kpis};

/// How long a process may take to end unless something else is said.
const GRACE_SECONDS: f64 = 10.0;

/// Programs that run a script: the script names the process better than they do.
const INTERPRETERS: [&str; 8] = ["python", "bash", "sh", "zsh", "node", "ruby", "perl", "Rscript"];

/// The spec, but for the id, the run and the ports, which are chosen under the lock.
pub(crate) fn spec(wish: &Wish, command: &[OsString], placeholder: Id) -> anyhow::Result<Spec> {
    let seconds = |span: &Option<Typed<Span>>| span.as_ref().map(|s| s.value.0.as_secs_f64());
    let cwd = working_folder(wish.cwd.as_deref())?;
    Ok(Spec {
        id: placeholder,
        run: 0,
        command: command.to_vec(),
        curves: curves(&wish.curves, &cwd)?,
        cwd: cwd.into(),
        env: environment(wish)?,
        labels: wish.labels.iter().map(|l| (l.key.clone(), l.value.clone())).collect(),
        ports: Vec::new(),
        gpu_wish: gpu_wish(wish)?,
        gpus: Vec::new(),
        restart: value(&wish.restart).unwrap_or_default(),
        backoff: value(&wish.backoff).unwrap_or_default(),
        crash_limit: value(&wish.crash_limit).unwrap_or_default(),
        stop_signal: value(&wish.stop_signal).unwrap_or(Signal::TERM),
        grace_seconds: seconds(&wish.grace).unwrap_or(GRACE_SECONDS),
        max_runtime_seconds: seconds(&wish.max_runtime),
        log: wish.log_limits(),
        limits: wish.limits.limits(),
        health: None,
        watchdog_seconds: seconds(&wish.health.watchdog),
        restart_unhealthy: wish.restart_unhealthy.unwrap_or(false),
        after: Vec::new(),
        queue: queue(wish)?,
        kpis: kpis(&wish.kpi)?,
        connection_file: None,
        file: None,
        small_pipes: false,
        spawned_at: Timestamp::now(),
    })
}

fn value<T: Clone>(typed: &Option<Typed<T>>) -> Option<T> {
    typed.as_ref().map(|typed| typed.value.clone())
}

/// What is wanted of GPUs.
fn gpu_wish(wish: &Wish) -> Result<Option<GpuWish>, Failure> {
    let Some(set) = &wish.gpus else {
        return match wish.gpu_memory {
            None => Ok(None),
            Some(_) => {
                let words =
                    "--gpu-memory says how much each GPU of --gpus has free, and --gpus is missing";
                Err(Failure::new(Exit::CouldNot, words).hint("add --gpus 1"))
            }
        };
    };
    let memory_bytes = wish.gpu_memory.as_ref().map(|typed| typed.value.0);
    Ok(Some(GpuWish { set: set.value.clone(), memory_bytes }))
}

/// Slots or a priority alone mean the line that has no other name. Who waits for others is not to
/// keep GPUs idle meanwhile, and stands in line for them.
fn queue(wish: &Wish) -> Result<Option<Queue>, Failure> {
    if wish.slots == Some(0) {
        return Err(Failure::new(Exit::CouldNot, "a line has at least one slot"));
    }
    let asked = wish.queue.is_some() || wish.slots.is_some() || wish.priority.is_some();
    let wants_gpus = wish.gpus.is_some();
    let usual = Id::near("default");
    let named = wish.queue.clone().filter(|group| !wants_gpus || *group != usual);
    Ok((asked || wants_gpus && !wish.after.is_empty()).then(|| Queue {
        group: named.unwrap_or_else(|| if wants_gpus { Id::near("gpus") } else { usual }),
        slots: wish.slots.or((!wants_gpus).then_some(1)),
        priority: wish.priority.unwrap_or(0),
    }))
}

/// A name for a command: its program, or the script that an interpreter runs.
pub(crate) fn name_for(command: &[OsString]) -> Id {
    let stem = |path: &OsStr| {
        Path::new(path).file_stem().unwrap_or_default().to_string_lossy().into_owned()
    };
    let program = command.first().map(|p| stem(p)).unwrap_or_default();
    let bare = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let script = command
        .iter()
        .skip(1)
        .find(|arg| !arg.as_bytes().starts_with(b"-"))
        .filter(|arg| Path::new(arg).extension().is_some());
    match script {
        Some(script) if INTERPRETERS.contains(&bare) => Id::near(&stem(script)),
        _ => Id::near(&program),
    }
}

fn working_folder(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let here = || env::current_dir().context("the current folder is gone; choose one with --cwd");
    let Some(given) = given else { return here() };
    let path = if given.is_absolute() { given.to_owned() } else { here()?.join(given) };
    match fs::metadata(&path) {
        Ok(meta) if meta.is_dir() => Ok(path),
        Ok(_) => Err(no_folder(&path, "it is no folder")),
        Err(e) => Err(no_folder(&path, &e.to_string())),
    }
}

/// Where the curves are, from the working folder on. The files need not be there yet.
pub(crate) fn curves(given: &[String], cwd: &Path) -> Result<Vec<String>, Failure> {
    let folder = glob::Pattern::escape(&cwd.to_string_lossy());
    let absolute = |pattern: &String| {
        glob::Pattern::new(pattern).map_err(|e| {
            let words = format!("--curves {pattern:?} is no path and no glob: {}", e.msg);
            Failure::new(Exit::CouldNot, words).hint("a bracket that is meant is written [[]")
        })?;
        let path = Path::new(&folder).join(pattern);
        Ok(path.to_string_lossy().into_owned())
    };
    given.iter().map(absolute).collect()
}

fn no_folder(path: &Path, why: &str) -> anyhow::Error {
    let words = format!("cannot start in '{}': {why}", path.display());
    Failure::new(Exit::CouldNot, words).hint("make it, or choose another with --cwd").into()
}

/// This environment, then the files, then what was typed: the last one wins. What a surrounding
/// process of the fleet was told of itself is not passed on.
fn environment(wish: &Wish) -> anyhow::Result<Vec<OsString>> {
    let of_systemd = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];
    let ours = |name: &OsStr| {
        name.as_bytes().starts_with(b"FLEET_") || of_systemd.iter().any(|known| name == *known)
    };
    let mut all: Vec<Pair> = env::vars_os().filter(|(name, _)| !ours(name)).collect();
    let mut given = Vec::new();
    for file in &wish.env_file {
        given.extend(env_file::read(file)?);
    }
    for entry in &wish.env {
        let pair = split(entry.as_bytes()).ok_or_else(|| {
            let words = format!("--env is written KEY=VALUE, and {entry:?} is not");
            Failure::new(Exit::CouldNot, words)
        })?;
        given.push(pair);
    }
    if wish.gpus.is_some() {
        refuse_visible(&given)?;
    }
    for (name, value) in given {
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => all.push((name, value)),
        }
    }
    Ok(all
        .into_iter()
        .map(|(mut entry, value)| {
            entry.push("=");
            entry.push(value);
            entry
        })
        .collect())
}

/// What was typed for the variables that tell a program which GPUs are its own would be lost.
fn refuse_visible(given: &[Pair]) -> Result<(), Failure> {
    let typed = VISIBLE.into_iter().find(|visible| given.iter().any(|(name, _)| name == visible));
    let Some(name) = typed else { return Ok(()) };
    let words = format!("{name} is set, and --gpus would set it, too");
    Err(Failure::new(Exit::CouldNot, words)
        .hint(format!("leave {name} out: the command finds the GPUs there that it got")))
}

fn split(entry: &[u8]) -> Option<Pair> {
    let at = entry.iter().position(|&b| b == b'=').filter(|&at| at > 0)?;
    let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    Some((text(&entry[..at]), text(&entry[at + 1..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_names_the_process() {
        let name = |words: &str| {
            let command: Vec<OsString> = words.split(' ').map(OsString::from).collect();
            name_for(&command).to_string()
        };
        assert_eq!(name("python3.11 -u src/train.py --lr 1"), "train");
        assert_eq!(name("/usr/bin/sleep 60"), "sleep");
        assert_eq!(name("bash -c true"), "bash");
        assert_eq!(name("./run.sh"), "run");
    }

    #[test]
    fn curves_are_looked_for_from_the_working_folder_on() {
        let said = |given: &str| curves(&[given.to_owned()], Path::new("/w[1]"));
        assert_eq!(said("runs/**/*tfevents*").unwrap(), ["/w[[]1[]]/runs/**/*tfevents*"]);
        assert_eq!(said("/data/metrics.csv").unwrap(), ["/data/metrics.csv"]);
        assert!(said("runs/[a").unwrap_err().message.contains("\"runs/[a\" is no path"));
    }

    #[test]
    fn a_variable_has_a_name_and_an_equals_sign() {
        assert_eq!(split(b"A=b=c"), Some(("A".into(), "b=c".into())));
        assert!(split(b"=x").is_none() && split(b"x").is_none());
    }
}
