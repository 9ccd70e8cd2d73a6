//! A notification that takes several requests.

use std::collections::VecDeque;

use fleet_notify::Verdict;

/// Most notifications of which it is remembered what arrived.
const MOST: usize = 1000;

/// What became of the parts of notifications that are not done, so that what arrived is not sent again at
/// the next try. It is kept in memory only: after a crash a part may arrive once more.
#[derive(Debug, Default)]
pub(crate) struct Parts(VecDeque<Half>);

/// A notification that is not done.
#[derive(Debug)]
struct Half {
    id: String,
    /// Of each part, once that is known: nothing, or why it was refused.
    settled: Vec<Option<Option<String>>>,
}

impl Parts {
    /// Sends each of `count` parts that is not settled, until one says that the channel is in
    /// trouble.
    pub(crate) fn deliver(
        &mut self,
        id: &str,
        count: usize,
        send: impl FnMut(usize) -> Verdict,
    ) -> Verdict {
        let mut half = self.take(id, count);
        let verdict = half.deliver(send);
        if matches!(verdict, Verdict::Again { .. }) {
            self.0.push_back(half);
            if self.0.len() > MOST {
                self.0.pop_front();
            }
        }
        verdict
    }

    fn take(&mut self, id: &str, count: usize) -> Half {
        let known = self.0.iter().position(|half| half.id == id && half.settled.len() == count);
        known
            .and_then(|at| self.0.remove(at))
            .unwrap_or_else(|| Half { id: id.to_owned(), settled: vec![None; count] })
    }
}

impl Half {
    fn deliver(&mut self, mut send: impl FnMut(usize) -> Verdict) -> Verdict {
        let mut again = None;
        for (part, settled) in self.settled.iter_mut().enumerate().filter(|(_, s)| s.is_none()) {
            match send(part) {
                Verdict::Delivered => *settled = Some(None),
                Verdict::Refused { why } => *settled = Some(Some(why)),
                Verdict::Again { after, channel: false, why } => {
                    again.get_or_insert(Verdict::Again { after, channel: false, why });
                }
                trouble => return trouble,
            }
        }
        again.unwrap_or_else(|| self.whole())
    }

    /// What the settled parts come to.
    fn whole(&self) -> Verdict {
        let mut refused: Vec<&str> =
            self.settled.iter().flatten().flatten().map(String::as_str).collect();
        let (some, all) = (refused.len(), self.settled.len());
        refused.dedup();
        match (some, all) {
            (0, _) => Verdict::Delivered,
            (_, 1) => Verdict::Refused { why: refused.concat() },
            _ => Verdict::Refused {
                why: format!("took {} of {all} messages: {}", all - some, refused.join("; ")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(why: &str) -> Verdict {
        Verdict::Refused { why: why.to_owned() }
    }

    fn again(channel: bool) -> Verdict {
        Verdict::Again { after: None, channel, why: "answered 500".to_owned() }
    }

    #[test]
    fn what_arrived_is_not_sent_again() {
        let (mut parts, mut sent) = (Parts::default(), Vec::new());
        let mut first = |part| {
            sent.push(part);
            if part == 1 { again(false) } else { Verdict::Delivered }
        };
        assert_eq!(parts.deliver("a", 3, &mut first), again(false));
        assert_eq!(sent, [0, 1, 2]);
        assert_eq!(parts.deliver("b", 1, |_| refused("no")), refused("no"), "another meanwhile");
        let mut second = Vec::new();
        let verdict = parts.deliver("a", 3, |part| {
            second.push(part);
            Verdict::Delivered
        });
        assert_eq!((verdict, second), (Verdict::Delivered, vec![1]));
        assert!(parts.0.is_empty(), "what is done is forgotten");
    }

    #[test]
    fn trouble_of_the_channel_ends_the_try() {
        let mut sent = 0;
        let verdict = Parts::default().deliver("a", 3, |_| {
            sent += 1;
            again(true)
        });
        assert_eq!((verdict, sent), (again(true), 1));
    }

    #[test]
    fn what_was_refused_is_counted_and_named() {
        let verdict = Parts::default().deliver("a", 3, |part| match part {
            0 => Verdict::Delivered,
            _ => refused("answered 400"),
        });
        assert_eq!(verdict, refused("took 1 of 3 messages: answered 400"));
    }
}
