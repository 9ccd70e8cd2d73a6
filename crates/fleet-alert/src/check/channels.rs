//! Who is told: routes and channels that no alert comes to, alerts that nobody is told of, and
//! channels that cannot be used from here.

use std::collections::BTreeSet;

use fleet_channels::Channel;
use fleet_config::{Fault, did_you_mean};
use fleet_notify::{ChannelPlan, Routes};
use glob::Pattern;
use toml::Spanned;

use super::finding::Finding;
use super::written::{Severities, Text, Written, WrittenMatch, WrittenRule};
use crate::config::Config;

/// The severities that the tools know, and the key for all others.
const KNOWN: [&str; 6] = ["info", "warning", "medium", "high", "critical", "other"];

/// What is odd about the channels of a file and the ways to them.
pub(super) fn check(written: &Written, severities: &Severities, config: &Config) -> Vec<Finding> {
    let (routes, channels) = (&config.policy.routes, config.channels.as_slice());
    let enabled = written.rules.iter().filter(|rule| rule.enabled).collect();
    let look = Look { written, rules: enabled, routes, channels };
    let mut found = look.severities(severities);
    found.extend(look.misspelt());
    found.extend(look.hushed());
    found.extend(look.shadowed());
    found.extend(look.unmatched());
    found.extend(look.unreached(config.heartbeat().map(|channel| channel.plan.name.as_str())));
    found.extend(look.untold());
    found.extend(look.unusable());
    found
}

struct Look<'a> {
    written: &'a Written,
    /// Those that are enabled.
    rules: Vec<&'a WrittenRule>,
    routes: &'a Routes,
    channels: &'a [Channel],
}

impl Look<'_> {
    /// Keys of `[route]` that are the severity of no rule.
    fn severities(&self, severities: &Severities) -> Vec<Finding> {
        let used: BTreeSet<&str> = self.rules.iter().flat_map(|rule| rule.severities()).collect();
        let words = || used.iter().copied().chain(KNOWN);
        let keys = severities.route.keys().filter(|key| key.get_ref() != "match");
        let odd = keys.filter(|key| !words().any(|word| word == key.get_ref()));
        odd.map(|key| {
            let message = format!("no rule has the severity '{}'", key.get_ref());
            let hint = did_you_mean(key.get_ref(), words());
            let fault = hint.into_iter().fold(Fault::new(key.span().start, message), Fault::hint);
            Finding::warning("unknown_severity", fault)
        })
        .collect()
    }

    /// Severities of rules that are almost those that the tools know, and that nothing here names.
    fn misspelt(&self) -> Vec<Finding> {
        let named = |word: &str| {
            let mut plans = self.channels.iter().map(|channel| &channel.plan);
            self.routes.has_severity(word)
                || plans.any(|plan| plan.severity.iter().any(|heard| heard == word))
        };
        let texts = self.rules.iter().flat_map(|rule| rule.severity_texts());
        let odd = texts.filter(|text| !KNOWN.contains(&text.get_ref().as_str()));
        odd.filter(|text| !named(text.get_ref()))
            .filter_map(|text| {
                let word = text.get_ref();
                let known = KNOWN.into_iter().filter(|known| *known != "other");
                let hint = did_you_mean(&word.to_lowercase(), known)?;
                let message = format!("'{word}' is a severity that no route and no channel names");
                let fault = Fault::new(text.span().start, message).hint(hint);
                Some(Finding::warning("unknown_severity", fault))
            })
            .collect()
    }

    /// Matches that take everything and tell nobody.
    fn hushed(&self) -> Vec<Finding> {
        let all = self.written.route.matches.iter();
        let hushed = all.filter(|one| {
            let patterns = [&one.alert, &one.severity, &one.id];
            let everything = patterns.iter().all(|pattern| wider(pattern.as_ref(), None));
            everything && one.labels.is_empty() && one.channels.get_ref().is_empty() && !one.goes_on
        });
        hushed
            .map(|one| {
                let message = "this match takes every alert and sends it to nobody";
                let fault = Fault::new(one.channels.span().start, message);
                let hint = "say which alerts it is about: alert, severity, id or labels";
                Finding::warning("match_takes_all", fault.hint(hint))
            })
            .collect()
    }

    /// Matches that an earlier one leaves nothing to.
    fn shadowed(&self) -> Vec<Finding> {
        let all = &self.written.route.matches;
        let earlier = |at: usize| {
            all[..at].iter().position(|first| !first.goes_on && covers(first, &all[at]))
        };
        let shadowed = (0..all.len()).filter_map(|at| Some((earlier(at)?, &all[at])));
        shadowed
            .map(|(first, later)| {
                let nth = first + 1;
                let message =
                    format!("match {nth} takes all that this one is about, it is never reached");
                let fault = Fault::new(later.channels.span().start, message);
                let hint = "move it before that one, or say continue = true there";
                Finding::error("match_shadowed", fault.hint(hint))
            })
            .collect()
    }

    /// Matches that fit no rule.
    fn unmatched(&self) -> Vec<Finding> {
        let fits_any = |one: &&WrittenMatch| {
            !self
                .rules
                .iter()
                .any(|rule| rule.severities().iter().any(|severity| may_fit(one, rule, severity)))
        };
        let unmatched = self.written.route.matches.iter().filter(fits_any);
        unmatched
            .map(|one| {
                let place = one.alert.as_ref().or(one.severity.as_ref());
                let at = place.map_or(one.channels.span().start, |text| text.span().start);
                let fault = Fault::new(at, "no rule has alerts that this match is about");
                Finding::warning("match_without_rule", fault)
            })
            .collect()
    }

    /// The channels that may be told of an alert of a rule.
    fn told(&self, rule: &WrittenRule, severity: &str) -> BTreeSet<&str> {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        let mut decided = false;
        for one in self.written.route.matches.iter().filter(|one| may_fit(one, rule, severity)) {
            names.extend(one.channels.get_ref().iter().map(String::as_str));
            // What is also about a process or its labels may leave it to the next.
            if !one.goes_on && one.id.is_none() && one.labels.is_empty() {
                decided = true;
                break;
            }
        }
        if !decided {
            names.extend(self.routes.of_severity(severity));
        }
        let hears = |plan: &ChannelPlan| {
            plan.severity.is_empty() || plan.severity.iter().any(|word| word == severity)
        };
        let plans = self.channels.iter().map(|channel| &channel.plan);
        let beside = plans.filter(|plan| !self.routes.names(&plan.name) && hears(plan));
        names.extend(beside.map(|plan| plan.name.as_str()));
        names
    }

    fn place(&self, channel: &str) -> usize {
        let mut names = self.written.channels.keys();
        names.find(|name| name.get_ref() == channel).map_or(0, |name| name.span().start)
    }

    /// Channels that no alert comes to.
    fn unreached(&self, heartbeat: Option<&str>) -> Vec<Finding> {
        let all = self.rules.iter().flat_map(|rule| {
            rule.severities().into_iter().flat_map(|severity| self.told(rule, severity))
        });
        let told: BTreeSet<&str> = all.chain(heartbeat).collect();
        let names = self.channels.iter().map(|channel| channel.plan.name.as_str());
        let unreached = names.filter(|name| !told.contains(name) && !self.rules.is_empty());
        unreached
            .map(|name| {
                let message = format!("channel '{name}' is never told anything: no route and no severity of a rule leads to it");
                let fault = Fault::new(self.place(name), message);
                let hint = "name it in [route], or give it the severity of a rule";
                Finding::warning("channel_unreached", fault.hint(hint))
            })
            .collect()
    }

    /// Rules of which nobody is told, where there is somebody.
    fn untold(&self) -> Vec<Finding> {
        let silent = |rule: &&&WrittenRule| {
            let mut severities = rule.severities().into_iter();
            severities.any(|severity| {
                self.told(rule, severity).is_empty() && !self.is_wanted(rule, severity)
            })
        };
        let untold = self.rules.iter().filter(silent).filter(|_| !self.channels.is_empty());
        untold
            .map(|rule| {
                let message = format!(
                    "no channel is told of this rule's alerts ({})",
                    rule.severities().join(", ")
                );
                let fault = Fault::new(rule.name.span().start, message);
                let hint = "name a channel for this severity in [route]";
                let finding = Finding::warning("nobody_told", fault.hint(hint));
                Finding { rule: Some(rule.name.get_ref().clone()), ..finding }
            })
            .collect()
    }

    /// Whether somebody wrote that nobody is to be told.
    fn is_wanted(&self, rule: &WrittenRule, severity: &str) -> bool {
        let mut matches = self.written.route.matches.iter();
        matches.any(|one| one.channels.get_ref().is_empty() && may_fit(one, rule, severity))
    }

    /// Channels of which a secret, a command or a folder cannot be had here and now.
    fn unusable(&self) -> Vec<Finding> {
        let failed =
            self.channels.iter().filter_map(|channel| Some((channel, channel.look().err()?)));
        failed
            .map(|(channel, error)| {
                let name = &channel.plan.name;
                let message = format!("channel '{name}' cannot be used from here: {error}");
                Finding::warning("channel_unusable", Fault::new(self.place(name), message))
            })
            .collect()
    }
}

/// Whether all that the later match is about is taken by the first.
fn covers(first: &WrittenMatch, later: &WrittenMatch) -> bool {
    let pairs =
        [(&first.alert, &later.alert), (&first.severity, &later.severity), (&first.id, &later.id)];
    let label = |(name, wide): (&String, &Text)| wider(Some(wide), later.labels.get(name));
    pairs.into_iter().all(|(wide, narrow)| wider(wide.as_ref(), narrow.as_ref()))
        && first.labels.iter().all(label)
}

/// Whether a pattern takes all that the other one takes; none takes everything.
fn wider(wide: Option<&Text>, narrow: Option<&Text>) -> bool {
    let Some(wide) = wide.map(Spanned::get_ref).filter(|wide| *wide != "*") else { return true };
    let Some(narrow) = narrow.map(Spanned::get_ref) else { return false };
    wide == narrow || !narrow.contains(['*', '?', '[']) && fits(wide, narrow)
}

/// Whether an alert of the rule may be one that the match is about.
fn may_fit(one: &WrittenMatch, rule: &WrittenRule, severity: &str) -> bool {
    let name = |pattern: &Text| fits(pattern.get_ref(), rule.name.get_ref());
    let word = |pattern: &Text| fits(pattern.get_ref(), severity);
    one.alert.as_ref().is_none_or(name) && one.severity.as_ref().is_none_or(word)
}

fn fits(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(text))
}
