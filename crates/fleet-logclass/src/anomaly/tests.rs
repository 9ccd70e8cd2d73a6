use super::*;
use proptest::prelude::*;
use serde_json::json;

/// Numbers that look random and are the same each time (SplitMix64).
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let (a, b) = (self.uniform().max(1e-300), self.uniform());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }
}

fn happened(second: f64, fields: &Fields) -> Happened<'_> {
    let stamp_nanos = (second * 1e9) as i64;
    Happened { stamp_nanos, level: Some(Level::Info), category: None, fields }
}

fn fields(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    }
}

/// How many values of a series are flagged.
fn flagged(values: impl IntoIterator<Item = f64>) -> Vec<usize> {
    let mut detector = Detector::default();
    let mut found = Vec::new();
    for (at, value) in values.into_iter().enumerate() {
        let said = fields(json!({"x": value}));
        // A line a second: its rate is as it always was.
        if detector.take(happened(at as f64, &said)).is_some_and(|a| a.field == "x") {
            found.push(at);
        }
    }
    found
}

#[test]
fn what_is_far_is_found_and_nothing_else() {
    let mut random = Random(1);
    let mut values: Vec<f64> = (0..1000).map(|_| 100.0 + 5.0 * random.normal()).collect();
    for (at, value) in [(200, 200.0), (500, 0.0), (777, 1000.0)] {
        values[at] = value;
    }
    assert_eq!(flagged(values), [200, 500, 777]);
}

#[test]
fn a_curve_that_falls_is_no_anomaly_and_its_jump_is() {
    let mut curve: Vec<f64> =
        (0..2000).map(|step| 0.1 + 9.0 * (-f64::from(step) / 300.0).exp()).collect();
    assert_eq!(flagged(curve.clone()), [0; 0]);
    curve[1500] = 5.0;
    assert_eq!(flagged(curve), [1500]);
}

/// Of a hundred thousand values each, no more than one in ten thousand.
#[test]
fn random_series_are_flagged_hardly_ever() {
    type Draw = fn(&mut Random) -> f64;
    let series: [(&str, Draw); 5] = [
        ("normal", |r| r.normal()),
        ("normal, far from zero", |r| 1000.0 + r.normal()),
        ("log-normal", |r| r.normal().exp()),
        ("log-normal, wide", |r| (2.0 * r.normal()).exp()),
        ("uniform", Random::uniform),
    ];
    for (name, draw) in series {
        let mut random = Random(7);
        let mut count = 0;
        // Short series too, where least is known.
        for length in [50, 100, 1000] {
            for _ in 0..40_000 / length {
                count += flagged((0..length).map(|_| draw(&mut random))).len();
            }
        }
        assert!(count <= 12, "{name}: {count} of 120000");
    }
}

#[test]
fn what_is_no_number_is_one_by_itself() {
    let mut detector = Detector::default();
    let said = fields(json!({"loss": "NaN", "pid": 3}));
    let found = detector.take(happened(0.0, &said)).unwrap();
    assert_eq!(serde_json::to_value(found).unwrap(), json!({"field": "loss", "value": "NaN"}));
}

#[test]
fn many_lines_of_a_sort_are_told_once_an_interval() {
    let none = Fields::new();
    let mut detector = Detector::default();
    let mut line = |second: f64, level, category: Option<&str>| {
        let happened = Happened { level: Some(level), category, ..happened(second, &none) };
        detector.take(happened).map(|anomaly| (anomaly.field, anomaly.value))
    };
    for second in 0..400 {
        assert_eq!(line(f64::from(second), Level::Info, None), None, "{second}");
    }
    // Errors, of which there was none in forty intervals.
    let errors =
        (0..20).map(|at| line(400.0 + f64::from(at) / 10.0, Level::Error, Some("timeout")));
    let told: Vec<_> = errors.flatten().collect();
    assert_eq!(told, [("lines.error".to_owned(), json!(8))]);
}

#[test]
fn a_long_pause_is_told_where_pauses_are_compared() {
    let none = Fields::new();
    for (mut detector, expected) in
        [(Detector::with_pauses(), Some("seconds_between_lines")), (Detector::default(), None)]
    {
        for at in 0..100 {
            let wobble = f64::from(at % 7) / 100.0;
            assert_eq!(detector.take(happened(f64::from(at) + wobble, &none)), None);
        }
        let found = detector.take(happened(160.0, &none));
        assert_eq!(found.map(|anomaly| anomaly.field).as_deref(), expected);
    }
}

proptest! {
    #[test]
    fn no_line_panics_and_memory_is_bounded(
        lines in prop::collection::vec((any::<i64>(), "[a-z]{1,3}", any::<f64>(), "[a-d]{1,3}"), 0..300)
    ) {
        let mut detector = Detector::with_pauses();
        for (stamp_nanos, name, number, category) in &lines {
            let said = fields(json!({name: number_value(*number)}));
            let category = Some(category.as_str());
            detector.take(Happened { stamp_nanos: *stamp_nanos, level: None, category, fields: &said });
        }
        prop_assert!(detector.fields.len() <= MAX_FIELDS && detector.rates.all.len() <= MAX_RATES);
    }
}
