//! What was stored is read back, however it was stored and whatever happened to it since.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_core::{Sample, Subject, Timestamp};
use fleet_history::{
    Agg, Answer, By, Grouping, HistoryError, Query, Recorder, Settings, Wanted, query, records,
};

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;
const HOUR: Duration = Duration::from_secs(3600);

/// A folder of samples.
struct Store {
    folder: tempfile::TempDir,
}

impl Store {
    fn new() -> Store {
        Store { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The file of a day so long ago.
    fn file(&self, days_ago: i64, ending: &str) -> PathBuf {
        self.path().join(format!("{}{ending}", at(days_ago, 0).day()))
    }

    /// Stores rounds; what it says at that.
    fn store(&self, rounds: &[Vec<Sample>]) -> Vec<String> {
        self.store_within(rounds, Settings::default())
    }

    fn store_within(&self, rounds: &[Vec<Sample>], settings: Settings) -> Vec<String> {
        let mut recorder = Recorder::new(self.path(), settings);
        let mut said: Vec<String> = rounds.iter().flat_map(|r| recorder.store(r)).collect();
        said.extend(recorder.finish());
        said
    }

    /// Lets a recorder of today close what is over.
    fn close(&self) {
        let now = Sample::new(Subject::Host, Timestamp::now());
        assert_eq!(self.store(&[vec![now]]), Vec::<String>::new());
        fs::remove_file(self.file(0, ".jsonl")).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "recorder.lock");
        names.sort();
        names
    }

    /// The lines of the last so many days.
    fn lines(&self, days: i64) -> (Vec<String>, Vec<String>) {
        let mut lines = Vec::new();
        let wanted = Wanted { since: at(days, 0), until: None, series: &|_| true };
        let problems = records(self.path(), &wanted, |line| {
            lines.push(String::from_utf8(line.to_vec()).unwrap());
            Ok::<(), HistoryError>(())
        });
        (lines, problems.unwrap())
    }
}

/// So many seconds after the begin of the UTC day so long ago.
fn at(days_ago: i64, seconds: i64) -> Timestamp {
    let today = Timestamp::now().nanos().div_euclid(DAY);
    Timestamp::from_nanos((today - days_ago) * DAY + seconds * SECOND)
}

fn sample(ts: Timestamp, id: &str, cpu: f64) -> Sample {
    let mut sample = Sample::new(Subject::Process, ts);
    sample.id = Some(id.parse().unwrap());
    sample.run = Some(1);
    sample.attempt = Some(1);
    sample.measures.cpu_percent = Some(cpu);
    sample
}

const AGGS: &[Agg] = &[
    Agg::Avg,
    Agg::Min,
    Agg::Max,
    Agg::Last,
    Agg::Rate,
    Agg::Percentile(50),
    Agg::Percentile(95),
    Agg::Percentile(99),
];

fn ask(folder: &Path, since: Timestamp, window: Duration, by: &[By]) -> Answer {
    let grouping = Grouping::new(by.to_vec());
    let asked = Query {
        since,
        until: None,
        window,
        aggs: AGGS,
        grouping: &grouping,
        measures: &|_| true,
        series: &|_| true,
    };
    query(folder, &asked).unwrap()
}

/// An answer as rows of text and numbers.
fn rows(answer: &Answer) -> Vec<(String, u64, Vec<Option<f64>>)> {
    let mut rows = Vec::new();
    let shown = answer.each(|row| {
        let values = (0..answer.measures.len() * AGGS.len())
            .map(|i| row.value(i / AGGS.len(), i % AGGS.len()))
            .collect();
        let of = format!("{} {}", row.begin, serde_json::to_string(row.group).unwrap());
        rows.push((of, row.count, values));
        Ok::<(), ()>(())
    });
    shown.unwrap();
    rows
}

#[test]
fn samples_come_back_as_they_were_stored() {
    let store = Store::new();
    let rounds: Vec<Vec<Sample>> = (0..10)
        .map(|i| vec![sample(at(1, i), "a", i as f64), sample(at(1, i), "b", 0.5)])
        .collect();
    assert_eq!(store.store(&rounds), Vec::<String>::new());
    let mode = fs::metadata(store.file(1, ".jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let stored: Vec<String> =
        rounds.iter().flatten().map(|s| serde_json::to_string(s).unwrap()).collect();
    assert_eq!(store.lines(1), (stored.clone(), vec![]));
    store.close();
    let day = at(1, 0).day();
    let expected =
        [".1h.jsonl.zst", ".5m.jsonl.zst", ".jsonl.zst"].map(|ending| format!("{day}{ending}"));
    assert_eq!(store.names(), expected);
    assert_eq!(store.lines(1), (stored, vec![]));
    let some = Wanted {
        since: at(1, 3),
        until: Some(at(1, 5)),
        series: &|series| series.id.as_ref().is_some_and(|id| id.as_str() == "b"),
    };
    let mut count = 0;
    records(store.path(), &some, |_| {
        count += 1;
        Ok::<(), HistoryError>(())
    })
    .unwrap();
    assert_eq!(count, 2);
}

#[test]
fn a_window_without_samples_is_shown_between_others() {
    let store = Store::new();
    let rounds = [0, 10, 3 * 3600].map(|s| vec![sample(at(1, s), "a", s as f64)]);
    store.store(&rounds);
    store.store(&[vec![sample(at(1, 3600), "b", 1.0)]]);
    for _ in 0..2 {
        let answer = ask(store.path(), at(1, 0), HOUR, &[]);
        let counts: Vec<(String, u64)> =
            rows(&answer).iter().map(|(of, count, _)| (of[11..13].to_owned(), *count)).collect();
        let counts: Vec<(&str, u64)> = counts.iter().map(|(h, c)| (h.as_str(), *c)).collect();
        assert_eq!(counts, [("00", 2), ("01", 0), ("01", 1), ("02", 0), ("03", 1)]);
        assert_eq!(rows(&answer)[0].2[..4], [5.0, 0.0, 10.0, 10.0].map(Some));
        assert_eq!(rows(&answer)[1].2, vec![None; AGGS.len()]);
        store.close();
    }
}

#[test]
fn a_torn_line_costs_one_record_and_the_next_writer_ends_it() {
    let store = Store::new();
    store.store(&[vec![sample(at(0, 0), "a", 1.0)]]);
    let path = store.file(0, ".jsonl");
    let torn = [fs::read(&path).unwrap(), br#"{"kind":"sample","ts":"20"#.to_vec()].concat();
    fs::write(&path, torn).unwrap();
    // While it may still be written, nobody complains.
    assert_eq!((store.lines(0).0.len(), store.lines(0).1.len()), (1, 0));
    store.store(&[vec![sample(at(0, 1), "a", 2.0)]]);
    let (lines, problems) = store.lines(0);
    assert_eq!((lines.len(), problems.len()), (2, 1));
    assert!(problems[0].contains("line 2 is no sample"), "{problems:?}");
}

#[test]
fn a_second_recorder_says_who_records_and_takes_over() {
    let store = Store::new();
    let round = [sample(at(0, 0), "a", 1.0)];
    let mut first = Recorder::new(store.path(), Settings::default());
    assert_eq!(first.store(&round), Vec::<String>::new());
    let mut second = Recorder::new(store.path(), Settings::default());
    let said = second.store(&round);
    let pid = std::process::id();
    assert!(said[0].starts_with(&format!("pid {pid} (since 2")), "{said:?}");
    assert!(said[0].contains("records this fleet already"), "{said:?}");
    assert_eq!(second.store(&round), Vec::<String>::new());
    first.finish();
    assert_eq!(second.store(&round), ["samples are stored again; 2 were not"]);
    second.finish();
    assert_eq!(store.lines(0).0.len(), 2);
}

#[test]
fn what_cannot_be_stored_is_said_once_and_counted() {
    let store = Store::new();
    let metrics = store.path().join("metrics");
    fs::write(&metrics, "").unwrap();
    let round = [sample(at(0, 0), "a", 1.0), sample(at(0, 0), "b", 1.0)];
    let mut recorder = Recorder::new(&metrics, Settings::default());
    assert!(recorder.store(&round)[0].contains("sampling goes on"));
    assert_eq!(recorder.store(&round), Vec::<String>::new());
    fs::remove_file(&metrics).unwrap();
    assert_eq!(recorder.store(&round), ["samples are stored again; 4 were not"]);
    // Who deletes the file loses what was in it, and no more.
    fs::remove_file(metrics.join(format!("{}.jsonl", at(0, 0).day()))).unwrap();
    assert_eq!(recorder.store(&round), Vec::<String>::new());
    recorder.finish();
    let wanted = Wanted { since: at(0, 0), until: None, series: &|_| true };
    let mut count = 0;
    records(&metrics, &wanted, |_| {
        count += 1;
        Ok::<(), HistoryError>(())
    })
    .unwrap();
    assert_eq!(count, 2);
}

#[test]
fn a_clock_that_is_set_back_changes_no_closed_day() {
    let store = Store::new();
    store.store(&[vec![sample(at(1, 86_399), "a", 1.0)]]);
    store.close();
    let samples = fs::read(store.file(1, ".jsonl.zst")).unwrap();
    let late = [(0, 0), (1, 86_000), (0, 5)].map(|(d, s)| vec![sample(at(d, s), "a", 2.0)]);
    assert_eq!(store.store(&late), Vec::<String>::new());
    assert!(store.file(1, ".2.jsonl").exists() || store.file(1, ".2.jsonl.zst").exists());
    assert_eq!(fs::read(store.file(1, ".jsonl.zst")).unwrap(), samples);
    store.close();
    assert!(store.file(1, ".2.1h.jsonl.zst").exists());
    assert_eq!(store.lines(1).0.len(), 2);
    let answer = ask(store.path(), at(1, 0), HOUR, &[]);
    assert_eq!((rows(&answer)[0].1, rows(&answer)[0].2[0]), (2, Some(1.5)));
}

#[test]
fn a_closing_that_was_killed_is_done_again() {
    let rounds: Vec<Vec<Sample>> =
        (0..50).map(|i| vec![sample(at(1, i * 60), "a", i as f64)]).collect();
    let whole = Store::new();
    whole.store(&rounds);
    let open = fs::read(whole.file(1, ".jsonl")).unwrap();
    whole.close();
    // Percentiles are exact or not, depending on what they were taken from.
    let hours = |store: &Store| {
        let mut rows = rows(&ask(store.path(), at(1, 0), HOUR, &[]));
        rows.iter_mut().for_each(|(_, _, values)| values.truncate(5));
        rows
    };
    let expected = (whole.lines(1), hours(&whole));
    let endings = [".1h.jsonl.zst", ".5m.jsonl.zst", ".jsonl.zst"];
    // Half of the files that it writes are there, under both kinds of names, and torn ones too.
    for done in 0..=endings.len() {
        let killed = Store::new();
        fs::write(killed.file(1, ".jsonl"), &open).unwrap();
        for (nth, ending) in endings.iter().enumerate() {
            let made = fs::read(whole.file(1, ending)).unwrap();
            let part = format!("{ending}.part");
            let name = if nth < done { ending } else { part.as_str() };
            let bytes = if nth < done { &made[..] } else { &made[..made.len() / 2] };
            fs::write(killed.file(1, name), bytes).unwrap();
        }
        for _ in 0..2 {
            assert_eq!((killed.lines(1), hours(&killed)), expected, "{done}");
            killed.close();
            assert_eq!(killed.names(), whole.names());
        }
    }
}

#[test]
fn a_closing_that_fails_is_said_and_loses_nothing() {
    let store = Store::new();
    store.store(&[vec![sample(at(1, 0), "a", 1.0)]]);
    // A folder with this name stops root too.
    let obstacle = store.file(1, ".1h.jsonl.zst.part");
    fs::create_dir(&obstacle).unwrap();
    let said = store.store(&[vec![sample(Timestamp::now(), "a", 2.0)]]);
    assert!(said.len() == 1 && said[0].contains("1h.jsonl.zst.part': Is a directory"), "{said:?}");
    assert_eq!(store.lines(1).0.len(), 2);
    let names = [".1h.jsonl.zst.part", ".jsonl"].map(|ending| store.file(1, ending));
    assert!(names.iter().all(|name| name.exists()) && store.names().len() == 3);
    fs::remove_dir(obstacle).unwrap();
    fs::remove_file(store.file(0, ".jsonl")).unwrap();
    store.close();
    assert_eq!((store.names().len(), store.lines(1).0.len()), (3, 1));
}

#[test]
fn what_is_old_or_too_much_goes_oldest_first() {
    let store = Store::new();
    let days = |store: &Store| -> Vec<bool> {
        [5, 4, 3, 2, 1]
            .iter()
            .map(|d| store.file(*d, ".jsonl.zst").exists() || store.file(*d, ".jsonl").exists())
            .collect()
    };
    let rounds: Vec<Vec<Sample>> =
        (1..=5).map(|d| vec![sample(at(d, 0), "a", 1.0), sample(at(d, 1), "b", 1.0)]).collect();
    store.store(&rounds);
    assert_eq!(days(&store), [true; 5]);
    let today = || [vec![sample(Timestamp::now(), "a", 1.0)]];
    let keep = Duration::from_nanos(3 * DAY as u64);
    store.store_within(&today(), Settings { keep, ..Settings::default() });
    assert_eq!(days(&store), [false, false, true, true, true]);
    let now: u64 = fs::metadata(store.file(0, ".jsonl")).unwrap().len();
    let day: u64 = [".jsonl.zst", ".5m.jsonl.zst", ".1h.jsonl.zst"]
        .map(|ending| fs::metadata(store.file(1, ending)).unwrap().len())
        .iter()
        .sum();
    let max_bytes = 2 * now + day * 3 / 2;
    store.store_within(&today(), Settings { max_bytes, ..Settings::default() });
    assert_eq!(days(&store), [false, false, false, false, true]);
    // With no room left but for itself, today's file grows no further.
    let said = store.store_within(&today(), Settings { max_bytes: 10, ..Settings::default() });
    assert!(said[0].contains("a larger --max-size goes on"), "{said:?}");
    assert_eq!(said[1], "1 samples were not stored");
}

#[test]
fn damaged_files_cost_what_is_damaged() {
    let store = Store::new();
    let rounds: Vec<Vec<Sample>> =
        (0..5000).map(|i| vec![sample(at(1, i), "a", (i % 7) as f64)]).collect();
    store.store(&rounds);
    store.close();
    let expected = rows(&ask(store.path(), at(1, 0), HOUR, &[]));
    // A roll-up is made good by the samples.
    let rollup = store.file(1, ".1h.jsonl.zst");
    let good = fs::read(&rollup).unwrap();
    for (from, to) in [(10, 10), (good.len() / 2, good.len())] {
        let mut bad = good.clone();
        bad[from] ^= 0xff;
        bad.truncate(to.max(from + 1));
        fs::write(&rollup, bad).unwrap();
        let answer = ask(store.path(), at(1, 0), HOUR, &[]);
        assert_eq!(answer.problems, Vec::<String>::new());
        assert_eq!(rows(&answer)[0].1, expected[0].1);
    }
    // Of torn samples what is before the tear is read, and said.
    let samples = store.file(1, ".jsonl.zst");
    let whole = fs::read(&samples).unwrap();
    fs::write(&samples, &whole[..whole.len() / 2]).unwrap();
    let (lines, problems) = store.lines(1);
    assert!(lines.len() < 5000 && problems[0].contains("is damaged after line"), "{problems:?}");
}

#[test]
fn an_answer_beyond_all_use_is_refused() {
    let store = Store::new();
    store.store(&[vec![sample(at(20, 0), "a", 1.0)], vec![sample(at(1, 0), "a", 1.0)]]);
    let grouping = Grouping::default();
    let asked = Query {
        since: Timestamp::from_nanos(0),
        until: None,
        window: Duration::from_secs(1),
        aggs: AGGS,
        grouping: &grouping,
        measures: &|_| true,
        series: &|_| true,
    };
    let error = query(store.path(), &asked).unwrap_err();
    assert!(matches!(error, HistoryError::TooManyWindows { .. }), "{error}");
    // Time without samples is no reason.
    let asked = Query { window: Duration::from_secs(30), ..asked };
    assert_eq!(query(store.path(), &asked).unwrap().measures, ["cpu_percent"]);
}

mod model {
    //! Stored samples against a plain reckoning of what they come to.

    use super::*;
    use fleet_history::SKETCH_ERROR;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A sample: seconds into the day, whose, which attempt, a gauge, a counter.
    type Made = (i64, u8, u8, i32, u32);

    fn made() -> impl Strategy<Value = Vec<Made>> {
        let one = (0i64..20_000, 0u8..3, 1u8..3, -1000i32..100_000, 0u32..1000);
        prop::collection::vec(one, 1..80)
    }

    fn samples(made: &[Made], in_order: bool) -> Vec<Sample> {
        let mut made = made.to_vec();
        if in_order {
            made.sort_unstable();
        }
        let of = |(seconds, who, attempt, gauge, counter): &Made| {
            let mut sample = sample(at(1, *seconds), ["a", "b", "c"][usize::from(*who)], 0.0);
            sample.measures.cpu_percent = Some(f64::from(*gauge) / 100.0);
            sample.measures.cpu_seconds_total = Some(f64::from(*counter) / 4.0);
            sample.attempt = Some(u32::from(*attempt));
            sample
        };
        made.iter().map(of).collect()
    }

    #[derive(Default)]
    struct Plain {
        gauges: Vec<(Timestamp, f64)>,
        /// By process: amount and seconds.
        rises: BTreeMap<String, (f64, f64)>,
    }

    /// What the definition says, window by window.
    fn reckon(samples: &[Sample], window: i64, by: &[By]) -> BTreeMap<(i64, String), Plain> {
        let mut windows: BTreeMap<(i64, String), Plain> = BTreeMap::new();
        let mut last: BTreeMap<String, (Timestamp, Option<u32>, f64)> = BTreeMap::new();
        for sample in samples {
            let id = sample.id.as_ref().unwrap().to_string();
            let group = if by.is_empty() { id.clone() } else { String::new() };
            let begin = sample.ts.nanos().div_euclid(window) * window;
            let plain = windows.entry((begin, group)).or_default();
            plain.gauges.push((sample.ts, sample.measures.cpu_percent.unwrap()));
            let count = sample.measures.cpu_seconds_total.unwrap();
            let before = last.insert(id.clone(), (sample.ts, sample.attempt, count));
            let Some((ts, attempt, value)) = before else { continue };
            let seconds = sample.ts.seconds_since(ts);
            if seconds > 0.0 && seconds <= 3600.0 {
                let goes_on = attempt == sample.attempt && count >= value;
                let rise = plain.rises.entry(id).or_default();
                rise.0 += if goes_on { count - value } else { count };
                rise.1 += seconds;
            }
        }
        windows
    }

    fn near(found: Option<f64>, expected: f64, error: f64) -> bool {
        found.is_some_and(|v| (v - expected).abs() <= expected.abs() * error + 1e-12)
    }

    fn check(answer: &Answer, windows: &BTreeMap<(i64, String), Plain>, error: f64) {
        let place = |name: &str| answer.measures.iter().position(|m| m == name).unwrap();
        let (gauge, counter) = (place("cpu_percent"), place("cpu_seconds_total"));
        let mut shown = 0;
        let _ = answer.each(|row| {
            let group = row.group.id.as_ref().map_or(String::new(), ToString::to_string);
            let Some(plain) = windows.get(&(row.begin.nanos(), group)) else {
                assert_eq!(row.count, 0);
                return Ok::<(), ()>(());
            };
            shown += 1;
            let mut sorted: Vec<f64> = plain.gauges.iter().map(|(_, v)| *v).collect();
            sorted.sort_by(f64::total_cmp);
            let count = sorted.len();
            assert_eq!(row.count, count as u64);
            assert!(near(row.value(gauge, 0), sorted.iter().sum::<f64>() / count as f64, 1e-12));
            assert_eq!(row.value(gauge, 1), Some(sorted[0]));
            assert_eq!(row.value(gauge, 2), Some(sorted[count - 1]));
            let newest = plain.gauges.iter().map(|(ts, _)| *ts).max().unwrap();
            let last = row.value(gauge, 3).unwrap();
            assert!(plain.gauges.contains(&(newest, last)), "{last}");
            for (nth, percent) in [(5, 50), (6, 95), (7, 99)] {
                let exact = sorted[(count * percent).div_ceil(100) - 1];
                assert!(near(row.value(gauge, nth), exact, error), "p{percent}");
            }
            let rates = plain.rises.values().map(|(amount, seconds)| amount / seconds);
            match rates.reduce(|sum, rate| sum + rate) {
                Some(rate) => assert!(near(row.value(counter, 4), rate, 1e-9)),
                None => assert_eq!(row.value(counter, 4), None),
            }
            assert_eq!((row.value(gauge, 4), row.value(counter, 5)), (None, None));
            Ok(())
        });
        assert_eq!(shown, windows.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn samples_and_roll_ups_come_to_the_same(
            made in made(), in_order: bool, grouped: bool,
        ) {
            let store = Store::new();
            let samples = samples(&made, in_order);
            store.store(&samples.iter().map(|s| vec![s.clone()]).collect::<Vec<_>>());
            let by = if grouped { vec![By::Subject] } else { vec![] };
            let windows = [300, 420, 3600, 7200, 86_400, 60 * 86_400];
            for (is_closed, error) in [(false, 1e-15), (true, SKETCH_ERROR * 1.000_001)] {
                for seconds in windows {
                    let window = Duration::from_secs(seconds);
                    let answer = ask(store.path(), at(2, 0), window, &by);
                    let plain = reckon(&samples, seconds as i64 * SECOND, &by);
                    check(&answer, &plain, error);
                    prop_assert!(answer.problems.is_empty());
                }
                if !is_closed {
                    store.close();
                }
            }
        }

        #[test]
        fn no_bytes_in_any_file_break_a_reader(
            bytes in prop::collection::vec(any::<u8>(), 0..300), packed: bool, at_byte in 0usize..600,
        ) {
            let store = Store::new();
            store.store(&[samples(&[(0, 0, 1, 5, 5), (9, 1, 1, 7, 7)], true)]);
            store.close();
            let bytes = if packed { zstd::encode_all(bytes.as_slice(), 1).unwrap() } else { bytes };
            for ending in [".jsonl.zst", ".1h.jsonl.zst", ".5m.jsonl.zst", ".jsonl"] {
                let path = store.file(1, ending);
                let good = fs::read(&path).unwrap_or_default();
                let mut flipped = good.clone();
                if let Some(byte) = flipped.get_mut(at_byte) {
                    *byte = !*byte;
                }
                for bad in [&bytes, &flipped] {
                    fs::write(&path, bad).unwrap();
                    store.lines(1);
                    rows(&ask(store.path(), at(1, 0), HOUR, &[]));
                }
                fs::write(&path, &good).unwrap();
            }
            fs::write(store.file(1, ".jsonl"), &bytes).unwrap();
            store.close();
            store.lines(1);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_line_of_a_roll_up_breaks_a_reader(change in "[0-9eE.\\-\",:{}\\[\\]a-z_]{0,12}",
            place in 0usize..800,
        ) {
            let store = Store::new();
            store.store(&[samples(&[(0, 0, 1, 5, 5), (9, 1, 1, 7, 7)], true)]);
            store.close();
            let path = store.file(1, ".1h.jsonl.zst");
            let packed = fs::read(&path).unwrap();
            let mut text =
                String::from_utf8(zstd::decode_all(packed.as_slice()).unwrap()).unwrap();
            let place = place.min(text.len());
            let end = (place + change.len()).min(text.len());
            text.replace_range(place..end, &change);
            fs::write(&path, zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
            rows(&ask(store.path(), at(1, 0), HOUR, &[]));
        }
    }
}
