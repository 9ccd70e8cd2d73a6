//! The two formats, and which of them a scraper wants.

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Prometheus text 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Form {
    /// The media type for the `Content-Type` header.
    pub fn content_type(self) -> &'static str {
        match self {
            Form::Text => "text/plain; version=0.0.4; charset=utf-8",
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The format that an `Accept` header likes best; text 0.0.4 where it likes both alike or says
    /// nothing, and also where it likes neither, because any answer helps more than none.
    pub fn negotiate(accept: &str) -> Form {
        let best = |form| {
            let likings = accept.split(',').filter_map(|range| liking(range, form));
            likings.max_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
        };
        match (best(Form::OpenMetrics), best(Form::Text)) {
            (Some(open), text) if text.is_none_or(|text| open > text) => Form::OpenMetrics,
            _ => Form::Text,
        }
    }
}

/// How much a media range likes the format: how closely it names it, then its weight; nothing if it
/// does not mean it, or refuses it.
///
/// RFC 9110 takes the weight of the closest range; as few ranges are ever sent, the weight alone
/// decides here unless it is equal.
fn liking(range: &str, form: Form) -> Option<(f64, u8)> {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next()?.to_ascii_lowercase();
    let (mut weight, mut version) = (1.0, None);
    for (key, value) in parts.filter_map(|part| part.split_once('=')) {
        match key.trim() {
            "q" => weight = value.trim().parse().unwrap_or(0.0),
            "version" => version = Some(value.trim().trim_matches('"')),
            _ => {}
        }
    }
    let (own, family, number) = match form {
        Form::Text => ("text/plain", "text/*", "0.0.4"),
        Form::OpenMetrics => ("application/openmetrics-text", "application/*", "1.0.0"),
    };
    let closeness = match media.as_str() {
        m if m == own => 2,
        m if m == family => 1,
        "*/*" => 0,
        _ => return None,
    };
    let fits = version.is_none_or(|v| v == number);
    (fits && weight > 0.0).then_some((weight, closeness))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_format_that_is_liked_best() {
        let cases = [
            ("", Form::Text),
            ("*/*", Form::Text),
            ("text/html, */*;q=0.1", Form::Text),
            ("text/plain", Form::Text),
            ("application/json", Form::Text),
            ("application/openmetrics-text", Form::OpenMetrics),
            ("Application/OpenMetrics-Text; version=1.0.0, */*", Form::OpenMetrics),
            ("application/openmetrics-text;q=0, text/plain;q=0.1", Form::Text),
            ("application/openmetrics-text;version=2.0.0", Form::Text),
            ("application/openmetrics-text;version=0.0.1;q=0.75,text/plain;q=0.5", Form::Text),
            // Prometheus 2.42 and 3.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
                 version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Form::OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                 text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3",
                Form::OpenMetrics,
            ),
        ];
        for (accept, form) in cases {
            assert_eq!(Form::negotiate(accept), form, "{accept}");
        }
    }

    proptest! {
        #[test]
        fn any_header_has_an_answer(accept in "[ -~]{0,60}", odd in "[;,=q\"/* .0-9]{0,40}") {
            let _ = (Form::negotiate(&accept), Form::negotiate(&odd));
        }
    }
}
