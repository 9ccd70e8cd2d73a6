//! What a run's processes emitted with `fleet-emit metric`.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fleet_core::Sample;
use serde_json::Value;

use crate::feed::Feed;
use crate::files::{BLOCK, Cutter, Growing, cut_all};
use crate::number::Number;
use crate::point::{Found, Point, Source};

/// The points of a file of emitted samples, and of the one that was set aside before it.
pub struct EmitFeed {
    file: Growing,
    /// The file that was set aside, until it was read.
    aside: Option<PathBuf>,
    cutter: Cutter,
    bad: u64,
    told: u64,
}

impl EmitFeed {
    /// From the oldest sample that is kept on.
    pub fn new(path: &Path) -> EmitFeed {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".1");
        EmitFeed {
            file: Growing::new(path),
            aside: Some(aside.into()),
            cutter: Cutter::default(),
            bad: 0,
            told: 0,
        }
    }

    /// Reads what was set aside. Ours is open by then, so that none is missed if it is set aside
    /// meanwhile.
    fn read_aside(&mut self, path: &Path, sink: &mut dyn FnMut(Point)) -> io::Result<()> {
        let mut aside = match File::open(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        if Some(aside.metadata()?.ino()) == self.file.inode() {
            return Ok(());
        }
        let bad = &mut self.bad;
        cut_all(&mut aside, &mut |line| take(line, bad, sink))
    }
}

impl Feed for EmitFeed {
    fn poll(&mut self, sink: &mut dyn FnMut(Point)) -> io::Result<()> {
        if !self.file.attend()? {
            return Ok(());
        }
        if let Some(aside) = self.aside.take() {
            self.read_aside(&aside, sink)?;
        }
        let mut block = vec![0; BLOCK];
        loop {
            let (count, fresh) = self.file.read(&mut block)?;
            let bad = &mut self.bad;
            let mut take = |line: &[u8]| take(line, bad, sink);
            if fresh {
                self.cutter.unfinished(&mut take);
            }
            if count == 0 {
                return Ok(());
            }
            self.cutter.cut(&block[..count], &mut take);
        }
    }

    fn finish(&mut self, _sink: &mut dyn FnMut(Point)) {}

    fn problems(&mut self) -> Vec<String> {
        let before = std::mem::replace(&mut self.told, self.bad);
        let path = self.file.path().display();
        let more = self.bad - before;
        if more == 0 {
            Vec::new()
        } else {
            vec![format!("'{path}': lines that are no samples: {more}")]
        }
    }
}

fn take(line: &[u8], bad: &mut u64, sink: &mut dyn FnMut(Point)) {
    if line.is_empty() {
        return;
    }
    match serde_json::from_slice::<Sample>(line).ok().and_then(point) {
        Some(point) => sink(point),
        None => *bad += 1,
    }
}

fn point(sample: Sample) -> Option<Point> {
    let step = sample.more.get("step").and_then(Value::as_i64);
    let is_value = |name: &str| name != "step" && name != "source";
    let named = sample.more.into_iter().filter(|(name, _)| is_value(name));
    let values: Vec<_> = named.filter_map(|(name, value)| Some((name, number(&value)?))).collect();
    if values.is_empty() {
        return None;
    }
    let point = Point::new(sample.ts, Source::Emit, Found { step, values });
    Some(Point { attempt: sample.attempt, labels: sample.labels, ..point })
}

fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => {
            number.as_i64().map(Number::Whole).or_else(|| number.as_f64().map(Number::Double))
        }
        Value::String(text) => Number::parse(text.as_bytes()).filter(|n| !n.value().is_finite()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_was_set_aside_comes_first_and_each_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let aside = dir.path().join("metrics.jsonl.1");
        let line = |loss: &str| {
            format!(
                "{{\"kind\":\"sample\",\"ts\":\"2026-11-22T06:00:00Z\",\"subject\":\"custom\",\"step\":3,\"loss\":{loss}}}\n"
            )
        };
        fs::write(&aside, line("1")).unwrap();
        fs::write(&path, line("\"NaN\"") + "garbage\n" + &line("0.5")[..40]).unwrap();
        let mut feed = EmitFeed::new(&path);
        let mut poll = || {
            let mut values = Vec::new();
            feed.poll(&mut |p| values.push(p.found.values[0].1.value().to_string())).unwrap();
            (values, feed.problems().len())
        };
        assert_eq!(poll(), (vec!["1".into(), "NaN".into()], 1));
        fs::write(&path, line("\"NaN\"") + "garbage\n" + &line("0.5")).unwrap();
        fs::rename(&path, &aside).unwrap();
        fs::write(&path, line("2")).unwrap();
        assert_eq!(poll(), (vec!["0.5".into(), "2".into()], 0));
    }
}
