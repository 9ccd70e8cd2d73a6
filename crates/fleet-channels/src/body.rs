//! What a webhook sends: our own form, Alertmanager's, or what the user wrote.

use fleet_config::Fault;
use fleet_notify::{Notification, Status};
use fleet_rules::template::Template;
use serde_json::{Map, Value, json};
use toml::Spanned;
use ureq::http::HeaderValue;

use crate::keys::Keys;
use crate::render::{lines, severity, title};
use crate::v4::Payload;

/// Most alerts that a message names.
const ALERTS: usize = 20;

const JSON: &str = "application/json";
const PLAIN: &str = "text/plain; charset=utf-8";

/// What a webhook sends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Form {
    /// The notification as it is.
    Own,
    /// Alertmanager's version "4".
    Alertmanager,
    /// A text with places for what is told.
    Written { template: Template, content_type: String },
}

impl Form {
    /// Reads `format`, or `template` and `content_type`.
    pub(crate) fn load(keys: &mut Keys) -> Result<Form, Fault> {
        let (format, template) = (keys.text("format")?, keys.text("template")?);
        let content_type = keys.text("content_type")?;
        if let (Some(kind), None) = (&content_type, &template) {
            let message = "only what is sent by a template has a content_type of its own";
            return Err(Fault::new(kind.span().start, message));
        }
        match (format, template) {
            (Some(format), Some(_)) => {
                Err(Fault::new(format.span().start, "'format' and 'template' do not go together"))
            }
            (Some(format), None) => named(&format),
            (None, Some(template)) => written(&template, content_type),
            (None, None) => Ok(Form::Own),
        }
    }

    /// The body and its content type. A template whose JSON is none, once it is filled in, is sent
    /// as plain text instead: an alert that looks bad is better than none.
    pub(crate) fn body(&self, notification: &Notification) -> (String, &str) {
        match self {
            Form::Own => (json!(notification).to_string(), JSON),
            Form::Alertmanager => (json!(Payload::of(notification)).to_string(), JSON),
            Form::Written { template, content_type } if content_type.contains("json") => {
                let body = template.render(&escaped(fields(notification)));
                match serde_json::from_str::<serde::de::IgnoredAny>(&body) {
                    Ok(_) => (body, content_type),
                    Err(_) => (plain(notification), PLAIN),
                }
            }
            Form::Written { template, content_type } => {
                (template.render(&fields(notification)), content_type)
            }
        }
    }
}

fn named(format: &Spanned<String>) -> Result<Form, Fault> {
    match format.get_ref().as_str() {
        "fleet" => Ok(Form::Own),
        "alertmanager" => Ok(Form::Alertmanager),
        word => Err(Fault::new(format.span().start, format!("there is no format '{word}'"))
            .hint("there are: fleet, alertmanager; or write a template")),
    }
}

/// A template, with a content type that fits where none was named.
fn written(
    template: &Spanned<String>,
    content_type: Option<Spanned<String>>,
) -> Result<Form, Fault> {
    let text = template.get_ref();
    let parsed = Template::parse(text);
    let parsed = parsed.map_err(|bad| Fault::new(template.span().start, bad.to_string()))?;
    let start = text.trim_start();
    let json = start.starts_with(['{', '[']) && !start.starts_with("{{");
    let guess = || if json { JSON } else { PLAIN }.to_owned();
    let content_type = content_type.map(kind).transpose()?.unwrap_or_else(guess);
    Ok(Form::Written { template: parsed, content_type })
}

/// A content type that a header can hold.
fn kind(kind: Spanned<String>) -> Result<String, Fault> {
    match HeaderValue::from_str(kind.get_ref()) {
        Ok(_) => Ok(kind.into_inner()),
        Err(_) => Err(Fault::new(kind.span().start, "this is no content type")),
    }
}

/// The notification as a plain text: its title and a line for each alert.
fn plain(notification: &Notification) -> String {
    format!("{}\n{}\n", title(notification), message(notification))
}

/// The lines of a notification.
pub(crate) fn message(notification: &Notification) -> String {
    let mut lines = lines(notification, ALERTS);
    lines.push(format!("from {}", notification.host));
    lines.join("\n")
}

/// What a template may name: the fields of the first alert, and those of the whole.
pub(crate) fn fields(notification: &Notification) -> Value {
    let first = notification.alerts.first().map(|alert| json!(alert));
    let mut fields = first.and_then(|alert| alert.as_object().cloned()).unwrap_or_default();
    let status = if notification.status() == Status::Resolved { "resolved" } else { "firing" };
    for (name, value) in [
        ("notification", json!(notification.id)),
        ("channel", json!(notification.channel)),
        ("host", json!(notification.host)),
        ("reason", json!(notification.reason)),
        ("status", json!(status)),
        ("severity", json!(severity(notification))),
        ("title", json!(title(notification))),
        ("message", json!(message(notification))),
        ("count", json!(notification.alerts.len())),
        ("held_back", json!(notification.held_back)),
    ] {
        fields.insert(name.to_owned(), value);
    }
    fields.entry("summary").or_insert_with(|| json!(title(notification)));
    Value::Object(fields)
}

/// The same with each text escaped as it stands between the quotes of JSON.
fn escaped(value: Value) -> Value {
    match value {
        Value::String(text) => {
            let quoted = Value::String(text).to_string();
            Value::String(quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned())
        }
        Value::Object(all) => Value::Object(
            all.into_iter().map(|(name, v)| (name, escaped(v))).collect::<Map<_, _>>(),
        ),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::keys;
    use crate::samples::{empty, notification, severe};
    use fleet_notify::Reason;
    use proptest::prelude::*;

    fn form(text: &str) -> Form {
        Form::load(&mut keys(text)).unwrap()
    }

    #[test]
    fn our_own_form_is_the_notification() {
        let told = notification(vec![severe("loss", "high")]);
        let (body, kind) = Form::Own.body(&told);
        assert_eq!(kind, "application/json");
        assert_eq!(serde_json::from_str::<Notification>(&body).unwrap(), told);
    }

    #[test]
    fn a_template_is_filled_in_by_the_rules_of_its_kind() {
        let mut told = severe("loss", "high");
        told.summary = "a \"b\"\n\\c".to_owned();
        let told = notification(vec![told]);
        let json =
            form(r#"template = '{"t": "{{summary}}", "n": {{value}}, "l": "{{labels.team}}"}'"#);
        let (body, kind) = json.body(&told);
        assert_eq!(kind, "application/json");
        let expected = json!({"t": "a \"b\"\n\\c", "n": 97.5, "l": "vision"});
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
        let plain = form("template = '{{severity}} {{id}} {{reason}} {{count}} {{nothing}}'");
        let (body, kind) = plain.body(&told);
        assert_eq!((body.as_str(), kind), ("high web-1 first 1 ?", "text/plain; charset=utf-8"));
    }

    #[test]
    fn a_template_that_fails_is_plain_text() {
        let broken = form(r#"template = '{"value": {{nothing}}}'"#);
        let (body, kind) = broken.body(&notification(vec![severe("loss", "high")]));
        assert_eq!(kind, "text/plain; charset=utf-8");
        assert_eq!(
            body,
            "[high] loss: web-1\n[high] loss: web-1 — web-1 is high (for 10m00s)\nfrom workstation\n"
        );
    }

    #[test]
    fn a_bad_form_is_refused() {
        for bad in [
            "format = 'xml'",
            "format = 'fleet'\ntemplate = 'a'",
            "content_type = 'text/plain'",
            "template = 'a {{'",
            "template = 'a'\ncontent_type = \"a\\nb\"",
        ] {
            assert!(Form::load(&mut keys(bad)).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_template_of_json_is_json_whatever_it_tells(text in "(?s).{0,60}") {
            let json = form(r#"template = '{"a": ["{{text}}", "{{title}}", "{{message}}", "{{summary}}"]}'"#);
            let (body, kind) = json.body(&empty(Reason::Test, &text));
            prop_assert_eq!(kind, "application/json");
            prop_assert!(serde_json::from_str::<Value>(&body).is_ok());
        }
    }
}
