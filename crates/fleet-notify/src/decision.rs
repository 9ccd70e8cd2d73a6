//! What was decided, in a word and in a sentence that answers "why did I not get paged".

use fleet_core::{Timestamp, duration_text};
use fleet_rules::AlertRecord;
use serde::{Deserialize, Serialize};

use crate::carrier::ChannelPlan;
use crate::clock::shown;
use crate::policy::Policy;
use crate::settings::Flap;
use crate::silence::Silence;

/// What was decided about one alert and one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The alert.
    pub fingerprint: String,
    /// Its rule.
    pub alert: String,
    /// The process that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The channel; empty if no channel is to be told.
    pub channel: String,
    /// The word for it: that of a [`crate::Reason`] if the channel was told, else what held it
    /// back or made it needless.
    pub word: &'static str,
    /// Why, as a sentence.
    pub text: String,
}

/// What holds back what a channel should be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Hold {
    Silenced,
    Inhibited,
    Flapping,
    Grouped,
    Limited,
}

/// The same with what there is to say of it.
#[derive(Clone, Debug)]
pub(crate) enum Cause<'d> {
    Silence(&'d Silence),
    /// The alert that inhibits, for people.
    Inhibitor(&'d str),
    Flaps(Flap, Timestamp),
    Window(Timestamp),
    Limit(u32, Timestamp),
}

impl Hold {
    /// The hold as one word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Hold::Silenced => "silenced",
            Hold::Inhibited => "inhibited",
            Hold::Flapping => "flapping",
            Hold::Grouped => "grouped",
            Hold::Limited => "limited",
        }
    }
}

impl Cause<'_> {
    /// Which one it is.
    pub(crate) fn hold(&self) -> Hold {
        match self {
            Cause::Silence(_) => Hold::Silenced,
            Cause::Inhibitor(_) => Hold::Inhibited,
            Cause::Flaps(..) => Hold::Flapping,
            Cause::Window(_) => Hold::Grouped,
            Cause::Limit(..) => Hold::Limited,
        }
    }

    /// When it ends by the clock, if that can be said.
    pub(crate) fn ends(&self) -> Option<Timestamp> {
        match self {
            Cause::Silence(silence) => Some(silence.until),
            Cause::Inhibitor(_) => None,
            Cause::Flaps(_, at) | Cause::Window(at) | Cause::Limit(_, at) => Some(*at),
        }
    }

    /// Why, as a sentence.
    pub(crate) fn text(&self) -> String {
        match self {
            Cause::Silence(silence) => silence.text(),
            Cause::Inhibitor(name) => format!("held back while {name} fires"),
            Cause::Flaps(flap, calm) => format!(
                "changed more than {} times within {}: was told so, and is told again when it has \
                 been calm for that long, not before {}",
                flap.changes,
                duration_text(flap.within),
                shown(*calm)
            ),
            Cause::Window(ends) => {
                format!("its group was told of a moment ago: collected until {}", shown(*ends))
            }
            Cause::Limit(most, room) => format!(
                "the channel has had all it may get in an hour ({most}): comes in a digest, \
                 not before {}",
                shown(*room)
            ),
        }
    }
}

/// Why no channel is told of an alert.
pub(crate) fn nobody(policy: &Policy, alert: &AlertRecord) -> String {
    if policy.channels.is_empty() {
        return "the rules file has no channel: nobody is told but who reads the output".to_owned();
    }
    if policy.routes.sends_nowhere(alert) {
        return "a [[route.match]] with channels = [] sends it to nobody".to_owned();
    }
    format!("no channel is told of severity '{}'", alert.severity)
}

/// Why a channel is not told of an alert by the routes: the word and the sentence.
pub(crate) fn unrouted(
    channel: &ChannelPlan,
    named: bool,
    severity: &str,
) -> (&'static str, String) {
    if named {
        return ("not_routed", format!("no route sends this alert of severity '{severity}' here"));
    }
    let heard = channel.severity.join(", ");
    ("muted_severity", format!("the channel hears only of {heard}, and this is '{severity}'"))
}
