//! A letter as HTML.
//!
//! Mail readers know little of HTML: styles stand in the elements, nothing is loaded, and text and
//! background keep the reader's own colours, so that it can be read in the dark as well. What is
//! coloured is white on a tone that it stands out from by 4.5 to 1 at least.

use super::page::{Item, Page, Tone};

/// Writes the page.
pub(super) fn write(page: &Page) -> String {
    let items: String = page.items.iter().map(item).collect();
    let note = |note: &String| format!("<p style=\"margin:0 0 8px\">{}</p>\n", escape(note));
    let notes: String = page.notes.iter().map(note).collect();
    let footer: Vec<String> = page.footer.iter().map(|line| escape(line)).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"supported-color-schemes\" content=\"light dark\">\n</head>\n\
         <body style=\"margin:0;padding:16px;font:15px/1.45 sans-serif\">\n{items}{notes}\
         <p style=\"margin:16px 0 0;font-size:12px;opacity:0.75\">{}</p>\n</body>\n</html>\n",
        footer.join("<br>\n")
    )
}

fn item(item: &Item) -> String {
    let colour = colour(item.tone);
    let rows: String = item.rows.iter().map(row).collect();
    format!(
        "<div style=\"border-left:4px solid {colour};padding:2px 0 2px 12px;margin:0 0 20px\">\n\
         <div><span style=\"background:{colour};color:#ffffff;border-radius:3px;padding:2px 7px;\
         font-size:12px;font-weight:bold\">{}</span> <strong>{}</strong> {}</div>\n{}\
         <table role=\"presentation\" style=\"border-collapse:collapse;font-size:13px\">\n{rows}\
         </table>\n</div>\n",
        escape(&item.badge),
        escape(&item.rule),
        escape(&item.about),
        summary(&item.summary),
    )
}

/// One line is a sentence; many are what a program printed.
fn summary(lines: &[String]) -> String {
    match lines {
        [] => String::new(),
        [line] => format!("<p style=\"margin:8px 0\">{}</p>\n", escape(line)),
        lines => format!(
            "<pre style=\"margin:8px 0;font:13px/1.4 monospace;white-space:pre-wrap\">{}</pre>\n",
            escape(&lines.join("\n"))
        ),
    }
}

fn row((name, value): &(String, String)) -> String {
    let is_link = (value.starts_with("https://") || value.starts_with("http://"))
        && !value.contains(char::is_whitespace);
    let value = escape(value);
    let value = if is_link { format!("<a href=\"{value}\">{value}</a>") } else { value };
    format!(
        "<tr><td style=\"padding:1px 12px 1px 0;opacity:0.75;vertical-align:top\">{}</td>\
         <td style=\"padding:1px 0\">{value}</td></tr>\n",
        escape(name)
    )
}

fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Critical => "#b3261e",
        Tone::High => "#a63d00",
        Tone::Warning => "#7d5700",
        Tone::Info => "#1f5fa8",
        Tone::Resolved => "#1b703a",
    }
}

/// The text so that no part of it is markup, in elements and in quoted attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The contrast of two colours, by WCAG 2.1.
    fn contrast(one: &str, other: &str) -> f64 {
        let light = |colour: &str| {
            let part = |at: usize| {
                let value = u8::from_str_radix(&colour[at..at + 2], 16).unwrap();
                let value = f64::from(value) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5) + 0.05
        };
        let (one, other) = (light(one), light(other));
        one.max(other) / one.min(other)
    }

    #[test]
    fn badges_can_be_read() {
        for tone in [Tone::Critical, Tone::High, Tone::Warning, Tone::Info, Tone::Resolved] {
            assert!(contrast(colour(tone), "#ffffff") >= 4.5, "{tone:?}");
        }
    }

    #[test]
    fn links_are_only_what_looks_like_one() {
        let html = |value: &str| row(&("runbook".to_owned(), value.to_owned()));
        assert!(
            html("https://x.example/a?b=1&c=2")
                .contains("href=\"https://x.example/a?b=1&amp;c=2\"")
        );
        for no in ["javascript:alert(1)", "https://a b", "see https://x.example"] {
            assert!(!html(no).contains("href"), "{no}");
        }
        assert!(!html("https://x\"onclick=\"evil").contains("\"onclick"));
    }

    proptest! {
        #[test]
        fn no_text_becomes_markup(text in "[a<>&\"' ]{0,40}") {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
        }
    }
}
