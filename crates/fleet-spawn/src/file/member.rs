//! One process of a file.

use std::ffi::{OsStr, OsString};

use fleet_core::{Dependency, Id, Origin, Spec};
use fleet_registry::Home;
use serde_json::{Map, Value};

use crate::env_file::Pair;
use crate::placeholders::fill_in;
use crate::ports::{PortRange, Ports};
use crate::wanted;
use crate::wish::{Prepared, Wish, Words};

/// Keys whose texts may hold placeholders.
const FILLED: [&str; 5] = ["command", "cwd", "curves", "env", "health"];

/// A process of a file, with all that it builds on.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: Id,
    /// Its name in the file, which it shares with its replicas.
    pub(crate) group: String,
    /// Which replica, from 0.
    pub(crate) index: u32,
    /// What the file says of it, the command split and the environment files read.
    pub(crate) wish: Wish,
    /// What the environment files say.
    pub(crate) env: Vec<Pair>,
    /// The processes that it waits for, each replica by its name.
    pub(crate) after: Vec<Dependency>,
}

impl Member {
    /// The ports to reserve for it, and where free ones are looked for.
    pub(crate) fn ports(&self) -> Option<(Ports, PortRange)> {
        self.wish.port.as_ref().map(|ports| (ports.value, self.wish.port_range()))
    }

    /// What the file at `path` says of it, for a later version to be compared with.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub(crate) fn origin(&self, path: &str) -> anyhow::Result<Origin> {
        let mut wish = serde_json::to_value(&self.wish)?;
        if let Some(wish) = wish.as_object_mut().filter(|_| !self.env.is_empty()) {
            let text = |text: &OsStr| text.to_string_lossy().into_owned();
            let pairs = self.env.iter().map(|(name, value)| (text(name), text(value).into()));
            wish.insert("env_file".to_owned(), Value::Object(pairs.collect::<Map<_, _>>()));
        }
        Ok(Origin { path: path.to_owned(), wish })
    }

    /// All that a shim needs, but for the run: placeholders are filled in with these ports.
    ///
    /// # Errors
    /// Something is wanted that cannot be.
    pub(crate) fn spec(&self, home: &Home, ports: &[u16]) -> anyhow::Result<Spec> {
        let mut wish = self.filled(home, ports)?;
        let command: Vec<OsString> = match wish.command.take() {
            Some(Words::List(words)) => words.into_iter().map(OsString::from).collect(),
            _ => Vec::new(),
        };
        let entry = |(name, value): &Pair| [name.as_os_str(), value].join("=".as_ref());
        wish.env.splice(..0, self.env.iter().map(entry));
        wish.after.clone_from(&self.after);
        // The folder of its own need not be there yet: it is made with the run.
        let own = home.data(&self.id);
        let own = wish.cwd.take_if(|cwd| *cwd == own);
        let mut spec = wanted::spec(&wish, &command, self.id.clone())?;
        if let Some(own) = own {
            spec.curves = wanted::curves(&wish.curves, &own)?;
            spec.cwd = own.into();
        }
        spec.ports = ports.to_vec();
        Ok(spec)
    }

    /// How it is asked whether it is well, once its ports are known.
    ///
    /// # Errors
    /// What is said of it cannot be meant, or a name cannot be looked up.
    pub(crate) fn health(&self, home: &Home) -> anyhow::Result<Option<Prepared>> {
        self.filled(home, &[])?.health.prepare()
    }

    /// Refuses what cannot be; these ports stand for those that will be found.
    ///
    /// # Errors
    /// Something is wanted that cannot be.
    pub(crate) fn can_be(&self, home: &Home, ports: &[u16]) -> anyhow::Result<()> {
        self.spec(home, ports)?;
        if let Some(health) = self.health(home)? {
            health.with_ports(ports)?;
        }
        Ok(())
    }

    fn filled(&self, home: &Home, ports: &[u16]) -> anyhow::Result<Wish> {
        let data = home.data(&self.id);
        let value = |name: &str| match name {
            "id" => Some(self.id.as_str().into()),
            "index" => Some(self.index.to_string().into()),
            "dir" => Some(data.clone().into_os_string()),
            "home" => Some(home.path().into()),
            _ => port(name, ports).map(|port| port.to_string().into()),
        };
        let mut wish = serde_json::to_value(&self.wish)?;
        for key in FILLED {
            if let Some(part) = wish.get_mut(key) {
                fill_texts(part, &|text| fill_in(text.as_ref(), value));
            }
        }
        Ok(serde_json::from_value(wish)?)
    }
}

/// The port that `port`, `port1` … names.
fn port(name: &str, ports: &[u16]) -> Option<u16> {
    let number = name.strip_prefix("port")?;
    let at = if number.is_empty() { 0 } else { number.parse().ok().filter(|&at| at > 0)? };
    ports.get(at).copied()
}

fn fill_texts(value: &mut Value, fill: &impl Fn(&str) -> OsString) {
    match value {
        Value::String(text) => *text = fill(text).to_string_lossy().into_owned(),
        Value::Array(list) => list.iter_mut().for_each(|one| fill_texts(one, fill)),
        Value::Object(table) => table.values_mut().for_each(|one| fill_texts(one, fill)),
        _ => {}
    }
}
