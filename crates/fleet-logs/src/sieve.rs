//! From the lines of one process to what is shown of them.

use std::collections::VecDeque;
use std::sync::Arc;

use fleet_logfile::Message;
use fleet_traceback::{Grouped, Grouper, Said};

use crate::Plan;
use crate::context::Context;
use crate::cursor::Held;
use crate::entry::Entry;
use crate::filter::Filter;

/// Puts the tracebacks of one process together, where that is wanted, and passes on what is to be
/// shown.
pub(crate) struct Sieve {
    filter: Arc<Filter>,
    grouper: Option<Grouper<Spoken>>,
    context: Context,
    /// Of the newest line.
    attempt: u32,
    ready: VecDeque<Entry>,
}

/// A line on its way through the grouper.
#[derive(Debug)]
struct Spoken(Entry);

impl Said for Spoken {
    fn text(&self) -> &[u8] {
        &self.0.message.text
    }

    fn lane(&self) -> usize {
        lane(&self.0.message)
    }

    fn at_nanos(&self) -> Option<i64> {
        Some(self.0.message.stamp_nanos)
    }
}

/// Notices of fleet's own stand between the lines of both streams.
fn lane(message: &Message) -> usize {
    if message.notice { 2 } else { message.stream as usize }
}

impl Sieve {
    pub(crate) fn new(plan: &Plan) -> Sieve {
        Sieve {
            filter: Arc::clone(&plan.filter),
            grouper: plan.grouped.then(Grouper::default),
            context: Context::new(plan.around, plan.most),
            attempt: 1,
            ready: VecDeque::new(),
        }
    }

    /// Takes the next line.
    pub(crate) fn push(&mut self, entry: Entry) {
        let message = &entry.message;
        // A part of a line says too little, and an attempt's end ends what it said.
        let apart = message.partial || message.continues;
        if entry.attempt != self.attempt {
            self.attempt = entry.attempt;
            self.finish();
        } else if apart {
            self.flush();
        }
        let Sieve { filter, grouper, context, ready, .. } = self;
        match grouper {
            Some(grouper) if !apart && !grouper.passes(lane(message), &message.text) => {
                grouper.push(Spoken(entry), &mut |grouped| pass(filter, context, grouped, ready));
            }
            _ => pass(filter, context, Grouped::Line(Spoken(entry)), ready),
        }
    }

    /// What decides which lines around are shown.
    pub(crate) fn context(&mut self) -> &mut Context {
        &mut self.context
    }

    /// Passes on a line that is no part of a traceback, of which it is known whether it is wanted.
    pub(crate) fn pass(&mut self, entry: Entry, found: bool) {
        let Sieve { context, ready, .. } = self;
        context.take(entry, found, &mut |entry| ready.push_back(entry));
    }

    /// Nothing more has come for a while: what is held of a traceback counts as all of it.
    pub(crate) fn flush(&mut self) {
        let Sieve { filter, grouper, context, ready, .. } = self;
        if let Some(grouper) = grouper {
            grouper.flush(&mut |grouped| pass(filter, context, grouped, ready));
        }
    }

    /// Nothing more comes: what was said last after an error is of its message.
    pub(crate) fn finish(&mut self) {
        let Sieve { filter, grouper, context, ready, .. } = self;
        if let Some(grouper) = grouper {
            grouper.finish(&mut |grouped| pass(filter, context, grouped, ready));
        }
    }

    /// What is to be shown next, as far as that is known.
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        self.ready.pop_front()
    }

    /// Whether there is something to show.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether lines are held that may become a traceback.
    pub(crate) fn holds(&self) -> bool {
        self.grouper.as_ref().is_some_and(Grouper::holds)
    }

    /// The lines that are held.
    pub(crate) fn held(&mut self) -> Vec<Held> {
        let Some(grouper) = &mut self.grouper else { return Vec::new() };
        let mut lines = Vec::new();
        grouper.flush(&mut |grouped| match grouped {
            Grouped::Line(line) => lines.push(line),
            Grouped::Traceback(_, of) => lines.extend(of),
        });
        let held = lines.iter().map(|Spoken(entry)| Held::new(entry.attempt, &entry.message));
        let held = held.collect();
        // It held them all before, so that it gives out none.
        lines.into_iter().for_each(|Spoken(entry)| self.push(entry));
        held
    }

    /// Whether nothing that follows will be shown.
    pub(crate) fn is_over(&self) -> bool {
        self.context.is_over()
    }
}

fn pass(
    filter: &Filter,
    context: &mut Context,
    grouped: Grouped<Spoken>,
    ready: &mut VecDeque<Entry>,
) {
    if let Some(entry) = single(grouped) {
        let found = filter.takes(&entry);
        context.take(entry, found, &mut |entry| ready.push_back(entry));
    }
}

/// One entry of what the grouper gives: a traceback's lines are joined.
fn single(grouped: Grouped<Spoken>) -> Option<Entry> {
    let (traceback, lines) = match grouped {
        Grouped::Line(Spoken(entry)) => return Some(entry),
        Grouped::Traceback(traceback, lines) => (traceback, lines),
    };
    let mut lines = lines.into_iter();
    let Spoken(mut entry) = lines.next()?;
    for Spoken(line) in lines {
        entry.message.text.push(b'\n');
        entry.message.text.extend_from_slice(&line.message.text);
    }
    entry.traceback = Some(traceback);
    Some(entry)
}
