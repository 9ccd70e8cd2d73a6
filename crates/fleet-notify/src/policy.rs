//! All that the file says about telling people.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_rules::Rule;

use crate::carrier::ChannelPlan;
use crate::route::Routes;
use crate::settings::Settings;

/// All that the file says about telling people.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The machine that notifications say they come from.
    pub host: String,
    /// What holds for all channels.
    pub settings: Settings,
    /// Which channels are told of what.
    pub routes: Routes,
    /// The channels, each name once.
    pub channels: Vec<ChannelPlan>,
    /// What each rule says, by its name.
    pub rules: BTreeMap<String, RulePolicy>,
}

/// What a rule says about telling people of its alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulePolicy {
    /// Whether they pass by all that holds others back.
    pub immediate: bool,
    /// The rules whose alerts, while they fire, hold these back.
    pub inhibited_by: Vec<String>,
    /// The fields that an inhibiting alert must have in common with the one that it holds back;
    /// nothing: those that both rules have in `by`.
    pub equal: Option<Vec<String>>,
    /// The fields that tell the rule's instances apart.
    pub by: Vec<String>,
    /// After how long they are told again, where that is not the same for all rules.
    pub repeat: Option<Duration>,
}

impl RulePolicy {
    /// What this rule says.
    pub fn of(rule: &Rule) -> RulePolicy {
        RulePolicy {
            immediate: rule.immediate,
            inhibited_by: rule.inhibited_by.clone(),
            equal: rule.equal.clone(),
            by: rule.by.clone(),
            repeat: rule.timing.repeat,
        }
    }
}

impl Policy {
    /// A channel by its name.
    pub fn channel(&self, name: &str) -> Option<&ChannelPlan> {
        self.channels.iter().find(|channel| channel.name == name)
    }

    /// The most notifications of a channel in an hour.
    pub(crate) fn max_per_hour(&self, channel: &ChannelPlan) -> u32 {
        channel.max_per_hour.unwrap_or(self.settings.max_per_hour).max(1)
    }

    /// After how long alerts of this rule are told again, if at all.
    pub(crate) fn repeat(&self, rule: &str) -> Option<Duration> {
        self.rules.get(rule).and_then(|rule| rule.repeat).or(self.settings.repeat)
    }

    /// Whether alerts of this rule pass by all that holds others back.
    pub(crate) fn is_immediate(&self, rule: &str) -> bool {
        self.rules.get(rule).is_some_and(|rule| rule.immediate)
    }
}
