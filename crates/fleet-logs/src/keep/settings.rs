//! How much all logs of a fleet may have together: `[keep]` of `logs.toml`.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use fleet_cli::{Exit, Failure};
use fleet_config::{Fault, Mistake};
use fleet_core::parse_size;
use serde::Deserialize;
use toml::Spanned;

/// What the file says of keeping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How much all logs may have together.
    pub(crate) total_bytes: Option<u64>,
}

/// The file as far as it is of interest here: what else is in it is read by who knows it.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    keep: Keep,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keep {
    total: Option<Spanned<String>>,
}

/// Reads `logs.toml` in the folder of the user's configuration, if there is one.
///
/// # Errors
/// It cannot be read, or something in it is wrong.
pub(crate) fn of_user() -> anyhow::Result<Settings> {
    let from = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let folder = from("XDG_CONFIG_HOME").or_else(|| from("HOME").map(|home| home.join(".config")));
    let Some(path) = folder.map(|folder| folder.join("fleet/logs.toml")) else {
        return Ok(Settings::default());
    };
    match fs::read_to_string(&path) {
        Ok(text) => Ok(parse(&path, &text).map_err(refusal)?),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Settings::default()),
        Err(e) => Err(e).with_context(|| format!("cannot read '{}'", path.display())),
    }
}

fn parse(path: &Path, text: &str) -> Result<Settings, Mistake> {
    let file: File = toml::from_str(text).map_err(|e| Fault::from(e).locate(path, text))?;
    let size = |total: Spanned<String>| {
        let wrong = |e| Fault::new(total.span().start, format!("{e}")).locate(path, text);
        parse_size(total.get_ref()).map_err(wrong)
    };
    Ok(Settings { total_bytes: file.keep.total.map(size).transpose()? })
}

fn refusal(mistake: Mistake) -> Failure {
    let failure = Failure::new(Exit::CouldNot, mistake.to_string());
    match mistake.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<u64>, String> {
        let settings = parse(Path::new("logs.toml"), text).map_err(|e| e.to_string())?;
        Ok(settings.total_bytes)
    }

    #[test]
    fn the_total_is_a_size_and_a_mistake_has_a_place() {
        assert_eq!(read("[keep]\ntotal = '50G'\n"), Ok(Some(50 << 30)));
        assert_eq!(read("[class.mine]\npattern = 'x'\n"), Ok(None));
        for (text, why) in [
            ("[keep]\ntotal = 'lots'\n", "line 2 column 9: \"lots\" is no size"),
            ("[keep]\ntotals = '1G'\n", "line 2 column 1: unknown field `totals`"),
            ("[keep]\ntotal = 50\n", "line 2 column 9: invalid type"),
            ("[keep\n", "line 1 column 6"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
