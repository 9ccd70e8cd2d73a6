//! A channel as it is configured.

use std::time::Duration;

use fleet_config::{Fault, did_you_mean};
use fleet_notify::{Carrier, ChannelPlan};
use toml::Spanned;

use crate::alertmanager::Alertmanager;
use crate::bell::Bell;
use crate::email::Email;
use crate::error::ChannelError;
use crate::exec::Exec;
use crate::file::Append;
use crate::healthchecks::{Healthchecks, Heart};
use crate::keys::{Keys, RawChannel};
use crate::ntfy::Ntfy;
use crate::pagerduty::PagerDuty;
use crate::slack::Slack;
use crate::sms::Sms;
use crate::stderr::Speaker;
use crate::webhook::Webhook;

/// How long one try may take unless the file says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The same for mail: servers look at a letter for viruses before they say yes, and some make
/// strangers wait on purpose.
const MAIL_TIMEOUT: Duration = Duration::from_secs(30);

/// The types of channels.
const KINDS: [&str; 12] = [
    "alertmanager",
    "bell",
    "email",
    "exec",
    "file",
    "healthchecks",
    "ntfy",
    "pagerduty",
    "slack",
    "sms",
    "stderr",
    "webhook",
];

/// A channel as it is configured.
#[derive(Clone, Debug)]
pub struct Channel {
    /// What it is told.
    pub plan: ChannelPlan,
    /// How long one try may take.
    pub timeout: Duration,
    /// What it is.
    pub kind: Kind,
}

/// What a channel is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Alertmanager's API v2.
    Alertmanager(Alertmanager),
    /// A terminal or desktop that rings.
    Bell(Bell),
    /// A letter by way of a mail server.
    Email(Box<Email>),
    /// A command that gets the notification on its standard input.
    Exec(Exec),
    /// A file that grows.
    File(Append),
    /// A check of healthchecks.io, or of a server like it.
    Healthchecks(Healthchecks),
    /// A topic of ntfy.
    Ntfy(Ntfy),
    /// A service of PagerDuty.
    PagerDuty(PagerDuty),
    /// An incoming webhook of Slack.
    Slack(Slack),
    /// Short messages.
    Sms(Sms),
    /// Standard error.
    Stderr,
    /// Any other web server.
    Webhook(Webhook),
}

impl Kind {
    /// Reads what the type of channel that is written so needs.
    fn load(kind: &Spanned<String>, keys: &mut Keys) -> Result<Kind, Fault> {
        let (word, at) = (kind.get_ref().as_str(), kind.span().start);
        Ok(match word {
            "alertmanager" => Kind::Alertmanager(Alertmanager::load(keys)?),
            "bell" => Kind::Bell(Bell::load(keys)?),
            "email" => Kind::Email(Box::new(Email::load(keys)?)),
            "exec" => Kind::Exec(Exec::load(keys)?),
            "file" => Kind::File(Append::load(keys)?),
            "healthchecks" => Kind::Healthchecks(Healthchecks::load(keys)?),
            "ntfy" => Kind::Ntfy(Ntfy::load(keys)?),
            "pagerduty" => Kind::PagerDuty(PagerDuty::load(keys)?),
            "slack" => Kind::Slack(Slack::load(keys)?),
            "sms" => Kind::Sms(Sms::load(keys)?),
            "stderr" => Kind::Stderr,
            "webhook" => Kind::Webhook(Webhook::load(keys)?),
            _ => {
                let fault = Fault::new(at, format!("there is no channel type '{word}'"));
                let there_is = || format!("there are: {}", KINDS.join(", "));
                return Err(
                    fault.hint(did_you_mean(word, KINDS.into_iter()).unwrap_or_else(there_is))
                );
            }
        })
    }
}

impl Channel {
    /// Reads a `[channel.NAME]`.
    ///
    /// # Errors
    /// Anything in it is wrong.
    pub fn load(name: Spanned<String>, raw: RawChannel) -> Result<Channel, Fault> {
        let mut keys = Keys::new(name.span().start, raw);
        let name = name.into_inner();
        let kind = keys.text("type")?.ok_or_else(|| {
            Fault::new(keys.at(), format!("channel '{name}' needs a type"))
                .hint(format!("write type = one of {}", KINDS.join(", ")))
        })?;
        let mut plan = ChannelPlan {
            name,
            severity: keys.texts("severity")?.map(Spanned::into_inner).unwrap_or_default(),
            resolved: keys.flag("resolved")?.unwrap_or(true),
            refresh: None,
            max_per_hour: keys
                .number("max_per_hour")?
                .map(|n| u32::try_from(*n.get_ref()).unwrap_or(u32::MAX)),
        };
        let usual = if kind.get_ref() == "email" { MAIL_TIMEOUT } else { TIMEOUT };
        let timeout = keys.duration("timeout")?.unwrap_or(usual);
        let made = Kind::load(&kind, &mut keys)?;
        keys.finish(kind.get_ref())?;
        if let Kind::Alertmanager(cluster) = &made {
            plan.refresh = Some(cluster.refresh());
        }
        Ok(Channel { plan, timeout, kind: made })
    }

    /// What takes notifications there.
    ///
    /// # Errors
    /// A secret cannot be read.
    pub fn carrier(&self) -> Result<Box<dyn Carrier>, ChannelError> {
        Ok(match &self.kind {
            Kind::Alertmanager(cluster) => Box::new(cluster.carrier(self.timeout)?),
            Kind::Bell(bell) => Box::new(bell.carrier(self.timeout)),
            Kind::Email(email) => Box::new(email.carrier(self.timeout)?),
            Kind::Exec(exec) => Box::new(exec.carrier(self.timeout)),
            Kind::File(file) => Box::new(file.carrier()),
            Kind::Healthchecks(check) => Box::new(check.carrier(self.timeout)?),
            Kind::Ntfy(topic) => Box::new(topic.carrier(self.timeout)?),
            Kind::PagerDuty(service) => Box::new(service.carrier(self.timeout)?),
            Kind::Slack(hook) => Box::new(hook.carrier(self.timeout)?),
            Kind::Sms(account) => Box::new(account.carrier(self.timeout)?),
            Kind::Stderr => Box::new(Speaker),
            Kind::Webhook(hook) => Box::new(hook.carrier(self.timeout)?),
        })
    }

    /// Looks whether it can be used from here, as far as that can be seen without telling anybody.
    ///
    /// # Errors
    /// A secret cannot be read, a command or the folder of a file is not there.
    pub fn look(&self) -> Result<(), ChannelError> {
        match &self.kind {
            Kind::Exec(exec) => exec.look(),
            Kind::File(file) => file.look(),
            _ => self.carrier().map(drop),
        }
    }

    /// What says there that fleet-alert lives, if the channel is of that type.
    ///
    /// # Errors
    /// A secret cannot be read.
    pub fn heart(&self) -> Result<Option<Heart>, ChannelError> {
        match &self.kind {
            Kind::Healthchecks(check) => check.carrier(self.timeout).map(Some),
            _ => Ok(None),
        }
    }
}
