//! `[notify]`: what holds for all channels.

use std::time::Duration;

use fleet_config::Fault;
use fleet_core::parse_duration;
use serde::Deserialize;
use toml::Spanned;

/// The most changes that flap damping may count: they are remembered of each alert.
const MOST_CHANGES: u32 = 1000;

/// `[notify]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawNotify {
    group_by: Option<Vec<Spanned<String>>>,
    group_window: Option<Spanned<String>>,
    repeat: Option<Spanned<String>>,
    flap: Option<RawFlap>,
    max_per_hour: Option<Spanned<u32>>,
    deliver_for: Option<Spanned<String>>,
    heartbeat: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFlap {
    changes: Spanned<u32>,
    within: Spanned<String>,
}

/// What holds for all channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Alerts alike in these fields are told in one message: `alert`, `severity`, `id`, or the
    /// name of a label.
    pub group_by: Vec<String>,
    /// After a group was told of, what comes within this time is collected.
    pub group_window: Duration,
    /// After how long a firing alert is told again where its rule does not say; nothing: never.
    pub repeat: Option<Duration>,
    /// What is taken for flapping.
    pub flap: Flap,
    /// The most notifications of one channel in an hour.
    pub max_per_hour: u32,
    /// After how long a notification that could not be delivered is given up.
    pub deliver_for: Duration,
    /// The channel that is pinged while all is well, with its place in the file. Whether there
    /// is such a channel is for the reader of the whole file to check.
    pub heartbeat: Option<Spanned<String>>,
}

/// An alert that changes more often than this flaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flap {
    /// So many changes are still none.
    pub changes: u32,
    /// Within this time.
    pub within: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            group_by: vec!["alert".to_owned()],
            group_window: Duration::from_secs(30),
            repeat: None,
            flap: Flap { changes: 6, within: Duration::from_secs(3600) },
            max_per_hour: 60,
            deliver_for: Duration::from_secs(24 * 3600),
            heartbeat: None,
        }
    }
}

impl Settings {
    /// Checks what is written; what is not has its default.
    ///
    /// # Errors
    /// A value is none that its key can have.
    pub fn load(raw: RawNotify) -> Result<Settings, Fault> {
        let default = Settings::default();
        let names = |names: Vec<Spanned<String>>| names.into_iter().map(field).collect();
        Ok(Settings {
            group_by: raw.group_by.map_or(Ok(default.group_by), names)?,
            group_window: raw.group_window.map_or(Ok(default.group_window), |t| duration(&t))?,
            repeat: raw.repeat.map_or(Ok(default.repeat), |text| repeat(&text))?,
            flap: raw.flap.map_or(Ok(default.flap), flap)?,
            max_per_hour: raw.max_per_hour.map_or(Ok(default.max_per_hour), per_hour)?,
            deliver_for: raw.deliver_for.map_or(Ok(default.deliver_for), |t| longer(&t))?,
            heartbeat: raw.heartbeat,
        })
    }
}

fn field(name: Spanned<String>) -> Result<String, Fault> {
    if name.get_ref().is_empty() {
        let fault = Fault::new(name.span().start, "'group_by' names fields, and this one is empty");
        return Err(fault.hint("write alert, severity, id, or the name of a label"));
    }
    Ok(name.into_inner())
}

fn duration(text: &Spanned<String>) -> Result<Duration, Fault> {
    parse_duration(text.get_ref()).map_err(|bad| Fault::new(text.span().start, bad.to_string()))
}

/// A duration that is longer than nothing.
fn longer(text: &Spanned<String>) -> Result<Duration, Fault> {
    let time = duration(text)?;
    if time.is_zero() {
        return Err(Fault::new(text.span().start, "this time is longer than nothing"));
    }
    Ok(time)
}

fn repeat(text: &Spanned<String>) -> Result<Option<Duration>, Fault> {
    if text.get_ref() == "never" {
        return Ok(None);
    }
    let time = duration(text)?;
    if time < Duration::from_secs(1) {
        let fault = Fault::new(text.span().start, "'repeat' is at least 1s");
        return Err(fault.hint("write \"never\" if nothing is to be told twice"));
    }
    Ok(Some(time))
}

fn flap(raw: RawFlap) -> Result<Flap, Fault> {
    if !(2..=MOST_CHANGES).contains(raw.changes.get_ref()) {
        let message = format!("'changes' is from 2 to {MOST_CHANGES}");
        return Err(Fault::new(raw.changes.span().start, message)
            .hint("a firing and its end are two changes; a large number damps next to nothing"));
    }
    Ok(Flap { changes: raw.changes.into_inner(), within: longer(&raw.within)? })
}

fn per_hour(written: Spanned<u32>) -> Result<u32, Fault> {
    if *written.get_ref() == 0 {
        let fault = Fault::new(written.span().start, "'max_per_hour' is at least 1");
        return Err(fault.hint("a silence holds alerts back: fleet-alert silence"));
    }
    Ok(written.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn load(text: &str) -> Result<Settings, Fault> {
        Settings::load(toml::from_str(text)?)
    }

    #[test]
    fn what_is_not_written_has_its_default() {
        assert_eq!(load("").unwrap(), Settings::default());
        let settings = load("repeat = '4h'\nflap = { changes = 3, within = '10m' }").unwrap();
        assert_eq!(settings.repeat, Some(Duration::from_secs(4 * 3600)));
        assert_eq!(settings.flap, Flap { changes: 3, within: Duration::from_secs(600) });
        assert_eq!(load("repeat = 'never'").unwrap().repeat, None);
        assert_eq!(load("group_window = '0s'").unwrap().group_window, Duration::ZERO);
    }

    #[test]
    fn what_is_wrong_is_said_at_its_place() {
        for (text, at, said) in [
            ("repeat = 'often'", 9, "is no duration"),
            ("repeat = '10ms'", 9, "'repeat' is at least 1s"),
            ("max_per_hour = 0", 15, "at least 1"),
            ("flap = { changes = 1, within = '1h' }", 19, "from 2 to 1000"),
            ("flap = { changes = 9, within = '0s' }", 31, "longer than nothing"),
            ("deliver_for = '0s'", 14, "longer than nothing"),
            ("group_by = ['']", 12, "this one is empty"),
            ("group_windw = '1s'", 0, "unknown field `group_windw`"),
        ] {
            let fault = load(text).unwrap_err();
            assert_eq!(fault.at, at, "{text}: {fault:?}");
            assert!(fault.message.contains(said), "{text}: {fault:?}");
        }
        let fault = load("group_windw = '1s'").unwrap_err();
        assert_eq!(fault.hint.as_deref(), Some("did you mean 'group_window'?"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "((repeat|flap|group_by|max_per_hour)|=|'|1|s|h|\\{|\\}|\\[|\\]|\n| |é){0,16}") {
            let _ = load(&text);
        }
    }
}
