//! `[route]`: which channels are told of an alert.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use fleet_config::{Fault, did_you_mean};
use fleet_rules::AlertRecord;
use glob::Pattern;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use toml::Spanned;

use crate::carrier::ChannelPlan;
use crate::matcher::{Matcher, bad_glob};

/// Where alerts go unless the file says otherwise; channels that do not exist are passed over.
const DEFAULTS: [(&str, &[&str]); 5] = [
    ("info", &["webhook"]),
    ("warning", &["slack", "webhook"]),
    ("high", &["email", "slack", "webhook"]),
    ("critical", &["email", "slack", "sms", "webhook"]),
    (OTHER, &["webhook"]),
];

/// The key for severities that have none of their own.
const OTHER: &str = "other";

/// `[route]` as it is written.
#[derive(Debug, Default)]
pub struct RawRoute {
    matches: Vec<RawMatch>,
    severities: BTreeMap<String, Vec<Spanned<String>>>,
}

/// A `[[route.match]]` as it is written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMatch {
    alert: Option<Spanned<String>>,
    severity: Option<Spanned<String>>,
    id: Option<Spanned<String>>,
    #[serde(default)]
    labels: BTreeMap<String, Spanned<String>>,
    channels: Vec<Spanned<String>>,
    #[serde(default, rename = "continue")]
    goes_on: bool,
}

/// Which channels are told of an alert.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    matches: Vec<Match>,
    severities: BTreeMap<String, Vec<String>>,
    /// All channels that any of these names.
    names: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct Match {
    matcher: Matcher,
    channels: Vec<String>,
    goes_on: bool,
}

/// Every key but `match` is a severity. Written by hand because places in the file are lost where
/// serde collects the keys that it does not know.
impl<'de> Deserialize<'de> for RawRoute {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RawRoute, D::Error> {
        struct Table;

        impl<'de> Visitor<'de> for Table {
            type Value = RawRoute;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of severities and the channels that are told of them")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawRoute, A::Error> {
                let mut route = RawRoute::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == "match" {
                        route.matches = map.next_value()?;
                    } else {
                        route.severities.insert(key, map.next_value()?);
                    }
                }
                Ok(route)
            }
        }

        deserializer.deserialize_map(Table)
    }
}

impl Routes {
    /// Checks what is written against the names of all channels; severities that are not written
    /// go where they do by default.
    ///
    /// # Errors
    /// There is no such channel, or a glob is none.
    pub fn load(raw: RawRoute, channels: &[&str]) -> Result<Routes, Fault> {
        let matches = raw.matches.into_iter().map(|raw| Match::load(raw, channels));
        let matches = matches.collect::<Result<Vec<Match>, _>>()?;
        let mut severities = defaults(channels);
        for (severity, names) in raw.severities {
            severities.insert(severity, known(names, channels)?);
        }
        let matched = matches.iter().flat_map(|m| &m.channels);
        let names = matched.chain(severities.values().flatten()).cloned().collect();
        Ok(Routes { matches, severities, names })
    }

    /// The channels that a route names for this alert, those beside the routes left out.
    pub fn named(&self, alert: &AlertRecord) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        for matching in self.matches.iter().filter(|m| m.matcher.matches(alert)) {
            names.extend(matching.channels.iter().map(String::as_str));
            if !matching.goes_on {
                return names;
            }
        }
        names.extend(self.of_severity(&alert.severity));
        names
    }

    /// Whether a match decides about this alert, and names no channel.
    pub(crate) fn sends_nowhere(&self, alert: &AlertRecord) -> bool {
        let mut fitting = self.matches.iter().filter(|m| m.matcher.matches(alert));
        fitting.find(|m| !m.goes_on).is_some_and(|m| m.channels.is_empty())
    }

    /// The channels of a severity in the table.
    pub fn of_severity(&self, severity: &str) -> impl Iterator<Item = &str> {
        let names = self.severities.get(severity).or_else(|| self.severities.get(OTHER));
        names.into_iter().flatten().map(String::as_str)
    }

    /// Whether the table has a line of this severity.
    pub fn has_severity(&self, severity: &str) -> bool {
        self.severities.contains_key(severity)
    }

    /// Whether any route names this channel.
    pub fn names(&self, channel: &str) -> bool {
        self.names.contains(channel)
    }

    /// Whether this channel is told of this alert.
    pub fn tells(&self, channel: &ChannelPlan, alert: &AlertRecord) -> bool {
        if self.names(&channel.name) {
            return self.named(alert).contains(channel.name.as_str());
        }
        channel.severity.is_empty() || channel.severity.contains(&alert.severity)
    }
}

impl Match {
    fn load(raw: RawMatch, channels: &[&str]) -> Result<Match, Fault> {
        let labels = raw.labels.into_iter().map(|(name, text)| Ok((name, glob(&text)?)));
        let matcher = Matcher {
            alert: raw.alert.as_ref().map(glob).transpose()?,
            severity: raw.severity.as_ref().map(glob).transpose()?,
            id: raw.id.as_ref().map(glob).transpose()?,
            labels: labels.collect::<Result<_, Fault>>()?,
        };
        Ok(Match { matcher, channels: known(raw.channels, channels)?, goes_on: raw.goes_on })
    }
}

fn defaults(channels: &[&str]) -> BTreeMap<String, Vec<String>> {
    let there_is = |name: &&&str| channels.contains(*name);
    let row = |(severity, names): (&str, &[&str])| {
        let names = names.iter().filter(there_is).map(|name| (*name).to_owned()).collect();
        (severity.to_owned(), names)
    };
    DEFAULTS.into_iter().map(row).collect()
}

fn known(names: Vec<Spanned<String>>, channels: &[&str]) -> Result<Vec<String>, Fault> {
    let check = |name: Spanned<String>| {
        if channels.contains(&name.get_ref().as_str()) {
            return Ok(name.into_inner());
        }
        let message = format!("there is no channel named '{}'", name.get_ref());
        let hint = did_you_mean(name.get_ref(), channels.iter().copied())
            .unwrap_or_else(|| format!("write a [channel.{}], or remove it here", name.get_ref()));
        Err(Fault::new(name.span().start, message).hint(hint))
    };
    names.into_iter().map(check).collect()
}

fn glob(text: &Spanned<String>) -> Result<Pattern, Fault> {
    Pattern::new(text.get_ref())
        .map_err(|error| Fault::new(text.span().start, bad_glob(text.get_ref(), &error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::alert;
    use proptest::prelude::*;

    const CHANNELS: [&str; 5] = ["email", "night", "slack", "sms", "webhook"];

    fn load(text: &str) -> Result<Routes, Fault> {
        Routes::load(toml::from_str(text)?, &CHANNELS)
    }

    fn told(routes: &Routes, name: &str, severity: &str) -> Vec<String> {
        let mut alert = alert(name, "mission-a", "firing", 0);
        alert.severity = severity.to_owned();
        alert.labels.insert("team".to_owned(), "vision".to_owned());
        let plan = |name: &&str| ChannelPlan { name: (*name).to_owned(), ..Default::default() };
        let plans = CHANNELS.iter().map(plan).filter(|plan| routes.tells(plan, &alert));
        plans.map(|plan| plan.name).collect()
    }

    #[test]
    fn without_a_table_severities_go_where_they_do_by_default() {
        let routes = load("").unwrap();
        // `night` is named by nothing: it is told of all.
        for (severity, channels) in [
            ("info", "night webhook"),
            ("warning", "night slack webhook"),
            ("medium", "night webhook"),
            ("high", "email night slack webhook"),
            ("critical", "email night slack sms webhook"),
            ("strange", "night webhook"),
        ] {
            assert_eq!(told(&routes, "a", severity).join(" "), channels, "{severity}");
        }
        let few = Routes::load(RawRoute::default(), &["slack"]).unwrap();
        assert_eq!(few.of_severity("critical").collect::<Vec<_>>(), ["slack"]);
        assert_eq!(few.of_severity("info").count(), 0);
    }

    #[test]
    fn the_first_match_decides_unless_it_goes_on() {
        let text = "info = []\n\
            [[match]]\nalert = 'disk_*'\nchannels = ['sms']\ncontinue = true\n\
            [[match]]\nlabels = { team = 'vis*' }\nid = 'mission-?'\nseverity = 'critical'\nchannels = ['night']\n\
            [[match]]\nalert = 'quiet'\nchannels = []\n";
        let routes = load(text).unwrap();
        assert_eq!(told(&routes, "disk_full", "critical"), ["night", "sms"]);
        assert_eq!(told(&routes, "cpu", "critical"), ["night"]);
        assert_eq!(told(&routes, "disk_full", "warning"), ["slack", "sms", "webhook"]);
        assert!(told(&routes, "quiet", "high").is_empty());
        assert!(told(&routes, "cpu", "info").is_empty());
    }

    #[test]
    fn a_channel_beside_the_routes_hears_of_its_severities() {
        let routes = load("").unwrap();
        let severity = vec!["high".to_owned()];
        let plan = ChannelPlan { name: "mine".to_owned(), severity, ..Default::default() };
        let mut one = alert("a", "x", "firing", 0);
        one.severity = "info".to_owned();
        assert!(!routes.tells(&plan, &one));
        one.severity = "high".to_owned();
        assert!(routes.tells(&plan, &one));
    }

    #[test]
    fn what_is_wrong_is_said_at_its_place() {
        for (text, at, said) in [
            ("high = ['slak']", 8, "there is no channel named 'slak'"),
            ("[[match]]\nalert = 'a[b'\nchannels = []", 18, "\"a[b\" is no glob"),
            ("[[match]]\nalrt = 'a'\nchannels = []", 10, "unknown field `alrt`"),
            ("[[match]]\nchannels = ['smss']", 22, "there is no channel named 'smss'"),
            ("[[match]]\nalert = 'a'", 0, "missing field `channels`"),
        ] {
            let fault = load(text).unwrap_err();
            assert_eq!(fault.at, at, "{text}: {fault:?}");
            assert!(fault.message.contains(said), "{text}: {fault:?}");
        }
        let fault = load("high = ['slak']").unwrap_err();
        assert_eq!(fault.hint.as_deref(), Some("did you mean 'slack'?"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(\\[\\[match\\]\\]|high|alert|channels|continue|=|'|\\*|\\[|\\]|\n| |é){0,16}") {
            let _ = load(&text);
        }
    }
}
