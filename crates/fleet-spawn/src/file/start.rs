//! Starting many processes at once.

use std::io::PipeReader;

use anyhow::Context;
use fleet_census::is_living;
use fleet_core::RunKey;
use fleet_registry::Home;
use fleet_shim::Nursery;

use super::member::Member;
use crate::claim::{Candidate, Claim, Claims};
use crate::gpus;
use crate::wish::Prepared;

/// So many supervisors are waited for at one time: each holds a descriptor here.
const AT_ONCE: usize = 200;

/// What became of a process.
pub(super) enum Outcome {
    /// It has a new run.
    Started(RunKey),
    /// It lived already.
    Lived,
}

/// A process whose supervisor has its order.
enum Ordered {
    New(RunKey, PipeReader),
    Lived,
}

/// Starts the processes in their order, as those of the file at `path`, and tells what became of
/// each. All supervisors get their orders before any is waited for.
///
/// # Errors
/// The registry cannot be locked, or GPUs are wanted and cannot be asked for.
pub(super) fn start(
    home: &Home,
    nursery: &Nursery,
    path: &str,
    members: &[&Member],
    mut tell: impl FnMut(&Member, anyhow::Result<Outcome>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for members in members.chunks(AT_ONCE) {
        // Names are looked up before anything is locked.
        let checks: Vec<_> = members.iter().map(|member| member.health(home)).collect();
        let wants = |member: &&Member| member.wish.gpus.is_some() && !is_living(home, &member.id);
        let devices = gpus::ask(members.iter().any(wants))?;
        let mut claims = Claims::begin(home, devices)?;
        let ordered: Vec<_> = members
            .iter()
            .zip(checks)
            .map(|(member, check)| order(home, nursery, path, &mut claims, member, check?))
            .collect();
        drop(claims);
        for (member, ordered) in members.iter().zip(ordered) {
            tell(member, ordered.and_then(|ordered| answered(home, ordered)))?;
        }
    }
    Ok(())
}

fn order(
    home: &Home,
    nursery: &Nursery,
    path: &str,
    claims: &mut Claims<'_>,
    member: &Member,
    health: Option<Prepared>,
) -> anyhow::Result<Ordered> {
    if is_living(home, &member.id) {
        return Ok(Ordered::Lived);
    }
    let ports = match member.ports() {
        Some((ports, range)) => claims.reserve(&member.id, ports, range)?,
        None => Vec::new(),
    };
    let mut spec = member.spec(home, &ports)?;
    spec.file = Some(member.origin(path)?);
    let name = Some(&member.id);
    let connection_file = member.wish.connection_file == Some(true);
    let candidate = Candidate {
        name,
        reuse: true,
        ports: None,
        connection_file,
        after: &member.after,
        health,
        spec,
    };
    let Claim::New(spec, lock) = claims.claim(candidate)? else { return Ok(Ordered::Lived) };
    let run = spec.key();
    let answer = nursery.order(home, &run, &lock, false).context("the supervisor was killed")?;
    Ok(Ordered::New(run, answer))
}

fn answered(home: &Home, ordered: Ordered) -> anyhow::Result<Outcome> {
    let Ordered::New(run, answer) = ordered else { return Ok(Outcome::Lived) };
    crate::started(home, &run, answer)?;
    Ok(Outcome::Started(run))
}
