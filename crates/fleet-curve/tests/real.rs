//! Files that the real libraries wrote (see `data/README.md`): their curves, to the value.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fleet_curve::{Curves, Extractor, Found, Mark, Owner, Patterns, Point};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn points(name: &str) -> Vec<Point> {
    let (mut points, patterns) = (Vec::new(), Patterns::default());
    let mut curves = Curves::of_files(Owner::default(), [data(name)], patterns, Vec::new());
    curves.poll(&mut |point| points.push(point));
    curves.finish(&mut |point| points.push(point));
    assert_eq!(curves.problems(), Vec::<String>::new(), "{name}");
    points
}

/// Each curve as steps and values.
type ByName = BTreeMap<String, Vec<(i64, f64)>>;

fn by_name(founds: impl IntoIterator<Item = Found>) -> ByName {
    let mut curves = ByName::new();
    for found in founds {
        for (name, number) in found.values {
            let curve = curves.entry(name).or_default();
            curve.push((found.step.unwrap(), number.value()));
        }
    }
    curves
}

fn curves(name: &str) -> ByName {
    by_name(points(name).into_iter().map(|p| p.found))
}

/// Whether the values are the same to this relative precision, NaN like NaN.
fn assert_like(a: &[(i64, f64)], b: &[(i64, f64)], precision: f64) {
    let close = |x: f64, y: f64| (x - y).abs() <= precision * y.abs() || x.is_nan() && y.is_nan();
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!(a.0 == b.0 && close(a.1, b.1), "{a:?} is not {b:?}");
    }
}

#[test]
fn a_training_has_the_same_curves_in_its_log_and_in_its_tfevents() {
    let (log, events) = (curves("numpy/train.log"), curves("numpy"));
    assert_eq!(log.keys().collect::<Vec<_>>(), ["loss", "lr"]);
    assert_eq!(log.keys().collect::<Vec<_>>(), events.keys().collect::<Vec<_>>());
    // The loss was printed with six digits, the rate with four.
    assert_like(&log["loss"], &events["loss"], 1e-5);
    assert_like(&log["lr"], &events["lr"], 1e-3);
    assert_eq!(log["loss"].len(), 60);
    assert!(log["loss"][40].1.is_nan());
}

/// What the Trainer itself recorded: the truth about steps and values.
fn history(name: &str) -> ByName {
    let text = fs::read(data(name).join("trainer_state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_slice(&text).unwrap();
    by_name(state["log_history"].as_array().unwrap().iter().map(|entry| {
        let entry = entry.as_object().unwrap();
        let values = entry.iter().filter(|(name, _)| *name != "step");
        let number = |v: &serde_json::Value| fleet_curve::Number::Double(v.as_f64().unwrap());
        Found {
            step: entry["step"].as_i64(),
            values: values.map(|(name, v)| (name.clone(), number(v))).collect(),
        }
    }))
}

#[test]
fn a_trainers_log_has_the_steps_that_its_state_has() {
    for (name, precision) in [("trainer-4", 5e-5), ("trainer-5", 5e-4)] {
        let truth = history(name);
        let log = curves(&format!("{name}/both.log"));
        for metric in ["loss", "learning_rate", "eval_loss"] {
            assert_like(&log[metric], &truth[metric], precision);
        }
        // The events say the same under other names.
        let events = curves(name);
        assert_like(&events["train/loss"], &truth["loss"], precision);
        assert_like(&events["eval/loss"], &truth["eval_loss"], precision);
        let end = points(&format!("{name}/both.log")).pop().unwrap().found;
        assert!(end.values.iter().any(|(name, _)| name == "train_runtime"), "{end:?}");
    }
}

#[test]
fn a_trainers_streams_apart_have_the_steps_of_the_bar() {
    for name in ["trainer-4", "trainer-5"] {
        let read = |file: &str| fs::read(data(name).join(file)).unwrap();
        let (out, err) = (read("stdout.log"), read("stderr.log"));
        let mut founds = Vec::new();
        let mut sink = |_: Mark, found: Found| founds.push(found);
        let mut extractor = Extractor::new(Patterns::default(), Vec::new());
        // As they came: each dict, then the bar drawn anew behind it.
        let bars = err.split(|b| *b == b'\r').filter(|frame| frame.contains(&b'/'));
        let mut bars = bars.filter(|frame| frame.windows(3).any(|w| w == b"/32"));
        extractor.line(1, Mark::default(), bars.next().unwrap(), &mut sink);
        let dicts =
            out.split(|b| *b == b'\n').filter(|line| line.windows(6).any(|w| w == b"'loss'"));
        for dict in dicts {
            extractor.line(0, Mark::default(), dict, &mut sink);
            let drawn = bars.find(|frame| !frame.windows(4).any(|w| w == b" 0%|"));
            extractor.line(
                1,
                Mark::default(),
                drawn.unwrap_or(b" 100%|#| 32/32 [00:00<00:00]"),
                &mut sink,
            );
        }
        extractor.finish(&mut sink);
        let steps: Vec<i64> = founds.iter().filter_map(|found| found.step).collect();
        assert_eq!(steps.len(), 8);
        assert!(steps.is_sorted() && steps.iter().all(|step| (4..=32).contains(step)), "{steps:?}");
    }
}

#[test]
fn lightnings_bar_and_its_table_agree() {
    let (log, table) = (curves("lightning/train.log"), curves("lightning/metrics.csv"));
    // The bar counts batches from 1, the table steps from 0; the bar has three digits.
    let counted: Vec<(i64, f64)> =
        table["train_loss"].iter().map(|(step, loss)| (step + 1, *loss)).collect();
    assert_like(&log["train_loss"][..4], &counted[..4], 5e-3);
    assert_eq!(
        table["val_loss"],
        [(19, 0.002825666917487979), (39, 3.2041901931734174e-7), (59, 2.168081492115448e-9),]
    );
    assert!(table["train_loss"].len() == 12 && table["epoch"].len() == 15);
}

#[test]
fn keras_in_both_of_its_ways() {
    let bars = curves("keras-1.log");
    assert_eq!(bars["val_loss"], [(8, 4.4824), (16, 3.7892), (24, 3.2408)]);
    assert_eq!(bars["loss"].last(), Some(&(24, 3.5818)));
    let lines = curves("keras-2.log");
    assert_eq!(lines["loss"], [(8, 5.9191), (16, 4.1528), (24, 3.3)]);
    assert_eq!(lines["val_mae"], [(8, 1.6537), (16, 1.5011), (24, 1.3584)]);
}

#[test]
fn tqdm_gives_one_point_for_each_count() {
    let curves = curves("tqdm.log");
    let steps: Vec<i64> = curves["loss"].iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, (0..40).collect::<Vec<_>>());
    let wanted: Vec<(i64, f64)> = (0..40).map(|n| (n, 1.0 / (n + 1) as f64)).collect();
    assert_like(&curves["loss"], &wanted, 5e-3);
}

#[test]
fn scalars_of_tensorflow_are_tensors() {
    let curves = curves("tensor");
    let wanted: Vec<(i64, f64)> = (0..5).map(|n| (n, 1.0 / (n + 1) as f64)).collect();
    assert_like(&curves["epoch_loss"], &wanted, 1e-7);
    assert_eq!(curves["epoch_accuracy"].len(), 5);
    assert_eq!(points("tensor")[0].ts.to_string(), "2023-11-14T22:13:20.250000Z");
}
