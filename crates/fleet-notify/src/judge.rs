//! The judgement about one alert and one channel: is anything owed, and what holds it back.

use fleet_core::Timestamp;
use fleet_rules::AlertRecord;

use crate::carrier::ChannelPlan;
use crate::decision::{Cause, Hold};
use crate::entry::{Account, Entry, Owed, fires};
use crate::inhibition::Inhibitors;
use crate::notification::Reason;
use crate::policy::Policy;
use crate::silence::Quiet;
use fleet_rules::rank;

/// What a judgement looks at, beside the alert and the channel.
pub(crate) struct Bench<'d> {
    pub(crate) policy: &'d Policy,
    pub(crate) quiet: &'d Quiet,
    pub(crate) inhibitors: &'d Inhibitors,
    pub(crate) now: Timestamp,
}

/// What is to be done about one alert and one channel.
#[derive(Debug)]
pub(crate) enum Ruling<'d> {
    /// It is told, unless its group or the channel's limit says otherwise.
    Due {
        reason: Reason,
        /// Nothing may hold it back.
        immediate: bool,
        /// It does not wait for the end of a window.
        urgent: bool,
    },
    /// It is owed and held back.
    Held(Cause<'d>),
    /// It was owed, and need not be told any more.
    Spared(Hold),
    /// The channel does not hear of what is over.
    Muted,
    /// Nothing is owed before the moment, if there is one, when it is told again.
    Quits(Option<Timestamp>),
}

impl<'d> Bench<'d> {
    /// The judgement.
    pub(crate) fn judge(
        &self,
        entry: &Entry,
        channel: &ChannelPlan,
        account: &Account,
    ) -> Ruling<'d> {
        let immediate = self.policy.is_immediate(&entry.alert.alert);
        match entry.owed(account, immediate) {
            None => self.again(entry, account, immediate),
            Some(Owed::Resolved | Owed::CameAndWent) if !channel.resolved => Ruling::Muted,
            Some(Owed::Resolved) => self.resolved(entry, account, immediate),
            Some(Owed::CameAndWent) => self.came_and_went(entry, account, immediate),
            Some(owed) => self.firing(entry, account, immediate, owed),
        }
    }

    fn firing(&self, entry: &Entry, account: &Account, immediate: bool, owed: Owed) -> Ruling<'d> {
        if !immediate {
            let held = self.hushed(&entry.alert).or_else(|| self.flaps(entry, account));
            if let Some(cause) = held {
                return Ruling::Held(cause);
            }
        }
        let told = account.told.as_ref().filter(|told| fires(told.state));
        let worse = told.is_some_and(|told| rank(&told.severity) < rank(&entry.alert.severity));
        let reason = match (account.held, owed) {
            _ if entry.flapping && !immediate => Reason::Flapping,
            (Some(Hold::Silenced), _) => Reason::SilenceEnded,
            (Some(Hold::Inhibited), _) => Reason::InhibitionEnded,
            (_, Owed::Severity) => Reason::Severity,
            _ => Reason::First,
        };
        Ruling::Due { reason, immediate, urgent: immediate || worse }
    }

    /// Whoever was told that it fires is told that it is over, silence or not. What is left of a
    /// rule that is gone is told at once, or never.
    fn resolved(&self, entry: &Entry, account: &Account, immediate: bool) -> Ruling<'d> {
        let immediate = immediate || entry.gone;
        match self.flaps(entry, account) {
            Some(cause) if !immediate => Ruling::Held(cause),
            _ if entry.flapping && !immediate => {
                Ruling::Due { reason: Reason::Flapping, immediate, urgent: false }
            }
            _ => Ruling::Due { reason: Reason::Resolved, immediate, urgent: immediate },
        }
    }

    /// What was silenced or inhibited while it fired is nobody's business when it is over.
    fn came_and_went(&self, entry: &Entry, account: &Account, immediate: bool) -> Ruling<'d> {
        let hushed = account.held.filter(|h| matches!(h, Hold::Silenced | Hold::Inhibited));
        let hushed = hushed.or_else(|| self.hushed(&entry.alert).map(|cause| cause.hold()));
        match hushed {
            Some(hold) if !immediate => Ruling::Spared(hold),
            _ => self.resolved(entry, account, immediate),
        }
    }

    /// What the channel was told is true; it may have to be told again.
    fn again(&self, entry: &Entry, account: &Account, immediate: bool) -> Ruling<'d> {
        let repeat = self.policy.repeat(&entry.alert.alert).filter(|_| entry.fires());
        let told = account.told.as_ref().filter(|told| fires(told.state));
        let Some(at) = repeat.zip(told).map(|(repeat, told)| told.at.plus(repeat)) else {
            return Ruling::Quits(None);
        };
        if at > self.now {
            return Ruling::Quits(Some(at));
        }
        let held = self.hushed(&entry.alert).or_else(|| self.flaps(entry, account));
        match held {
            Some(cause) if !immediate => Ruling::Held(cause),
            _ => Ruling::Due { reason: Reason::Repeat, immediate, urgent: immediate },
        }
    }

    fn hushed(&self, alert: &AlertRecord) -> Option<Cause<'d>> {
        let silence = self.quiet.over(alert, self.now).map(Cause::Silence);
        silence.or_else(|| self.inhibitors.over(alert).map(Cause::Inhibitor))
    }

    /// Flapping is told once.
    fn flaps(&self, entry: &Entry, account: &Account) -> Option<Cause<'d>> {
        let flap = self.policy.settings.flap;
        let told = account.told.as_ref().is_some_and(|told| told.flapping);
        (entry.flapping && told).then(|| Cause::Flaps(flap, entry.calm_at(flap)))
    }
}
