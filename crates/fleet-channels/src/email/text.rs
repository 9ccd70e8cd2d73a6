//! A letter as plain text.

use super::page::{Item, Page};

/// Writes the page for a reader that shows no HTML.
pub(super) fn write(page: &Page) -> String {
    let items = page.items.iter().map(item);
    let mut parts: Vec<String> = items.collect();
    if !page.notes.is_empty() {
        parts.push(page.notes.join("\n") + "\n");
    }
    // Mail readers know by this line where a letter ends and a signature begins.
    parts.push(format!("-- \n{}\n", page.footer.join("\n")));
    parts.join("\n")
}

fn item(item: &Item) -> String {
    let about = if item.about.is_empty() { String::new() } else { format!(" {}", item.about) };
    let mut text = format!("{} {}{about}\n", item.badge, item.rule);
    for line in &item.summary {
        text.push_str(&format!("    {line}\n"));
    }
    let width = item.rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in &item.rows {
        text.push_str(&format!("  {name:width$}  {value}\n"));
    }
    text
}
