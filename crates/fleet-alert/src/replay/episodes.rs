//! Alerts from their beginning to their end, as a table.

use std::collections::HashMap;

use fleet_cli::{Align, Cell, Column, Table};
use fleet_core::Timestamp;
use fleet_rules::{AlertRecord, AlertState};

use crate::dry::Event;
use crate::show;

/// One alert from its beginning to its end.
#[derive(Debug)]
struct Episode {
    alert: AlertRecord,
    from: Timestamp,
    to: Option<Timestamp>,
    /// Who was told, and when first.
    told: Vec<(String, Timestamp)>,
    /// What held it back, each once.
    held: Vec<String>,
}

/// All alerts, in the order of their beginnings.
#[derive(Debug, Default)]
pub(super) struct Episodes {
    all: Vec<Episode>,
    /// The newest of each alert, by fingerprint.
    newest: HashMap<String, usize>,
}

impl Episodes {
    pub(super) fn take(&mut self, event: Event) {
        match event {
            Event::Alert(alert) => self.alert(alert),
            Event::Told(notification) => {
                for alert in &notification.alerts {
                    let Some(episode) = self.of(&alert.fingerprint) else { continue };
                    if !episode.told.iter().any(|(channel, _)| *channel == notification.channel) {
                        episode.told.push((notification.channel.clone(), notification.created));
                    }
                }
            }
            Event::Decided(decided) => {
                let Some(episode) = self.of(&decided.fingerprint) else { return };
                let told = episode.told.iter().any(|(channel, _)| *channel == decided.channel);
                let text = format!("{}: {} ({})", decided.channel, decided.text, decided.word);
                if !told && !episode.held.contains(&text) {
                    episode.held.push(text);
                }
            }
            Event::Explained(_) => {}
        }
    }

    fn of(&mut self, fingerprint: &str) -> Option<&mut Episode> {
        self.newest.get(fingerprint).and_then(|at| self.all.get_mut(*at))
    }

    fn alert(&mut self, alert: AlertRecord) {
        let over = alert.state == AlertState::Resolved;
        if let Some(episode) = self.of(&alert.fingerprint).filter(|episode| episode.to.is_none()) {
            episode.to = over.then_some(alert.ts);
            if !over {
                episode.alert = alert;
            }
            return;
        }
        self.newest.insert(alert.fingerprint.clone(), self.all.len());
        let (from, to) = (alert.ts, over.then_some(alert.ts));
        self.all.push(Episode { alert, from, to, told: Vec::new(), held: Vec::new() });
    }

    pub(super) fn table(&self) -> Table {
        let titles = ["FROM", "TO", "SEVERITY", "ALERT", "ABOUT", "TOLD", "HELD BACK", "SUMMARY"];
        let left = |title| Column { title, align: Align::Left };
        let mut table = Table::new(titles.map(left).to_vec());
        for episode in &self.all {
            table.row(episode.row());
        }
        table
    }
}

impl Episode {
    fn row(&self) -> Vec<Cell> {
        let alert = &self.alert;
        let told = self.told.iter().map(|(channel, at)| format!("{channel} {}", time_of_day(*at)));
        let told = told.collect::<Vec<_>>().join(", ");
        let some = |text: String| Cell::maybe(Some(text).filter(|text| !text.is_empty()));
        vec![
            Cell::new(moment(self.from)),
            Cell::new(self.to.map_or("fires still".to_owned(), moment)),
            Cell::styled(&alert.severity, show::style(&alert.severity, AlertState::Firing)),
            Cell::new(&alert.alert),
            Cell::maybe(alert.id.as_deref()),
            some(told),
            some(self.held.join("; ")),
            some(show::summary(&alert.summary)),
        ]
    }
}

/// To the second, in UTC.
fn moment(at: Timestamp) -> String {
    at.to_string().get(..19).unwrap_or_default().replace('T', " ")
}

fn time_of_day(at: Timestamp) -> String {
    at.to_string().get(11..19).unwrap_or_default().to_owned()
}
