//! What can happen to an alert, by name.

/// What happened to an instance: the named reason of each notification and each suppression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Nothing holds and nothing did.
    Unmet,
    /// The condition began to hold.
    PendingBegan,
    /// It holds, but not for long enough yet.
    PendingWaits,
    /// It ended before it had held for long enough.
    PendingDropped,
    /// It held for long enough.
    Fired,
    /// It holds still and was told before.
    StillFiring,
    /// It holds still and was told long enough ago.
    Repeated,
    /// It is over, but must be so for longer.
    RecoveryBegan,
    /// It is over for a while, but not for long enough yet.
    KeepsFiring,
    /// It was over and holds again: nobody needs to be told.
    FiringAgain,
    /// It fires for another run of the process, which is another failure.
    FiredAnew,
    /// It is over.
    Resolved,
    /// It fires still, and is worse.
    Escalated,
    /// It fires still, and is less bad.
    Lowered,
    /// It holds, but was not seen not to hold before.
    Unarmed,
    /// No record came for so long that it must be told.
    NoData,
    /// Records come again, and the condition does not hold, or not for long enough.
    DataBack,
    /// Records come again, and it fires.
    BackFiring,
    /// The rule watches as many instances as it may.
    Full,
    /// No record came for so long that it is forgotten.
    Vanished,
    /// The rule reads otherwise now.
    RuleChanged,
}

impl What {
    /// The reason as one word, for `--explain`.
    pub fn word(self) -> &'static str {
        match self {
            What::Unmet => "unmet",
            What::PendingBegan => "pending_began",
            What::PendingWaits => "pending_waits",
            What::PendingDropped => "pending_dropped",
            What::Fired => "fired",
            What::StillFiring => "still_firing",
            What::Repeated => "repeated",
            What::RecoveryBegan => "recovery_began",
            What::KeepsFiring => "keeps_firing",
            What::FiringAgain => "firing_again",
            What::FiredAnew => "fired_anew",
            What::Resolved => "resolved",
            What::Escalated => "escalated",
            What::Lowered => "lowered",
            What::Unarmed => "unarmed",
            What::NoData => "no_data",
            What::DataBack => "data_back",
            What::BackFiring => "back_firing",
            What::Full => "full",
            What::Vanished => "vanished",
            What::RuleChanged => "rule_changed",
        }
    }

    /// Whether somebody is told.
    pub fn is_told(self) -> bool {
        matches!(
            self,
            What::Fired
                | What::FiredAnew
                | What::Repeated
                | What::Resolved
                | What::Escalated
                | What::Lowered
                | What::NoData
                | What::DataBack
                | What::BackFiring
                | What::Full
        )
    }

    /// Whether what is remembered differs from before in more than times of day.
    pub fn is_change(self) -> bool {
        !matches!(self, What::Unmet | What::Unarmed | What::StillFiring | What::KeepsFiring)
    }
}
