use std::sync::LazyLock;

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn class(name: &str) -> Labels {
    [(LABEL.to_owned(), name.to_owned())].into()
}

/// Category and fields of a line, of a process of a class.
fn read(classes: &Classes, name: &str, line: &str) -> (Option<String>, Value) {
    let reading = classes.of(&class(name)).read(line.as_bytes());
    (reading.category, Value::Object(reading.fields))
}

#[test]
fn what_is_built_in_matches_its_samples() {
    let faults = load::read(BUILT_IN).err().unwrap_or_default();
    let located = faults.into_iter().map(|f| f.locate("built_in.toml".as_ref(), BUILT_IN));
    assert_eq!(located.map(|m| m.to_string()).collect::<Vec<_>>(), [""; 0]);
    assert!(Classes::built_in().named.len() == 6);
}

/// Each sample is found by way of the one search for all texts, too, and an own class does not
/// take a general category for another.
#[test]
fn every_sample_is_found_and_has_its_category() {
    let classes = Classes::built_in();
    let file: toml::Table = toml::from_str(BUILT_IN).unwrap();
    let mut lines = 0;
    for own in file["class"].as_array().unwrap() {
        let name = own["name"].as_str().unwrap();
        for pattern in own["pattern"].as_array().unwrap() {
            let category = pattern.get("category").and_then(toml::Value::as_str);
            for sample in pattern["sample"].as_array().unwrap() {
                let (found, fields) = read(&classes, name, sample.as_str().unwrap());
                lines += 1;
                match category {
                    Some(category) => assert_eq!(found.as_deref(), Some(category), "{sample}"),
                    None => assert_ne!(fields, json!({}), "{sample}"),
                }
            }
        }
    }
    assert!(lines > 100, "{lines}");
}

#[test]
fn fields_of_each_class() {
    let classes = Classes::built_in();
    for (name, line, category, fields) in [
        (
            "security",
            "sshd[9]: Failed password for root from 203.0.113.7 port 51044 ssh2",
            Some("auth_failure"),
            json!({"method": "password", "user": "root", "address": "203.0.113.7", "port": 51044}),
        ),
        (
            "integration",
            "stage=ingest service=billing status=502 latency=350ms",
            Some("integration_error"),
            json!({"stage": "ingest", "service": "billing", "status": 502, "latency_seconds": 0.35}),
        ),
        (
            "system",
            "listen tcp 0.0.0.0:8080: bind: address already in use",
            Some("resource_conflict"),
            json!({"port": 8080}),
        ),
        (
            "evaluation",
            "gsm8k accuracy: 0.731",
            Some("score"),
            json!({"metric": "accuracy", "score": 0.731}),
        ),
        (
            "training",
            "{'loss': '2.314', 'grad_norm': '1.02', 'learning_rate': '4.9e-05', 'epoch': '0.01'}",
            None,
            json!({"loss": 2.314, "grad_norm": 1.02, "learning_rate": 4.9e-5, "epoch": 0.01}),
        ),
        (
            "training",
            "step 100 | loss=NaN lr=0.01",
            Some("nan_loss"),
            json!({"loss": "NaN", "learning_rate": 0.01, "lr": 0.01, "step": 100}),
        ),
        (
            "training",
            "CUDA out of memory. Tried to allocate 2.50 GiB.",
            Some("out_of_memory"),
            json!({"wanted_bytes": 2_684_354_560_u64}),
        ),
        ("general", "stage=ingest all is well", None, json!({})),
        ("none_such", "connection refused", Some("connection_refused"), json!({})),
    ] {
        let expected = (category.map(str::to_owned), fields);
        assert_eq!(read(&classes, name, line), expected, "{line}");
    }
}

const OWN: &str = r#"
[keep]
total = "10G"

[[class]]
name = "billing"
extends = "integration"

[[class.pattern]]
regex = 'charge (?<order>\d+) lasted (?<wait>\S+)'
category = "slow_charge"
level = "warning"
fields = { wait = "duration", order = "text" }
sample = ["charge 17 lasted 350ms"]
unlike = ["charge x"]

[[class]]
name = "late_billing"
extends = "billing"
"#;

#[test]
fn a_class_of_ones_own_extends_another() {
    let classes = Classes::parse("logs.toml".as_ref(), OWN).unwrap();
    for name in ["billing", "late_billing"] {
        let (category, fields) = read(&classes, name, "charge 17 lasted 350ms");
        assert_eq!(category.as_deref(), Some("slow_charge"));
        assert_eq!(fields, json!({"order": "17", "wait": 0.35}));
        assert_eq!(read(&classes, name, "retrying").0.as_deref(), Some("integration_retry"));
        assert_eq!(
            read(&classes, name, "connection refused").0.as_deref(),
            Some("connection_refused")
        );
    }
    let level = classes.of(&class("billing")).read(b"charge 1 lasted 1s").level;
    assert_eq!(level, Some(fleet_logline::Level::Warning));
    assert_eq!(read(&classes, "general", "charge 17 lasted 350ms"), (None, json!({})));
}

#[test]
fn an_unknown_class_is_said_with_the_nearest() {
    let classes = Classes::built_in();
    let said = classes.unknown(&class("trainig")).unwrap();
    assert!(said.contains("no log class 'trainig' (did you mean 'training'?)"), "{said}");
    assert_eq!(classes.unknown(&class("training")), None);
    assert_eq!(classes.unknown(&Labels::new()), None);
}

/// Line, column and words of each mistake.
fn mistakes(text: &str) -> Vec<String> {
    match Classes::parse("logs.toml".as_ref(), text) {
        Err(ClassesError::Wrong(mistakes)) => {
            let hint = |m: &Mistake| m.hint.as_ref().map_or(String::new(), |h| format!(" ({h})"));
            mistakes
                .iter()
                .map(|m| format!("{}:{} {}{}", m.line, m.column, m.message, hint(m)))
                .collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_that_is_wrong_is_said_with_its_place() {
    let text = r#"clas = 1
[[class]]
name = "a"
extend = "training"
extends = "trainin"
[[class.pattern]]
regex = 'loss (?<loss>\d+'
sample = ["loss 1"]
[[class.pattern]]
regex = 'user (?<user>\w+)'
levl = "error"
level = "loud"
fields = { usr = "text" }
sample = ["user bob", "nobody"]
unlike = ["a user x"]
[[class.pattern]]
regex = 'x'
sample = []
[[class.pattern]]
category = "a b"
regex = 'y'
sample = ["y"]
[[class]]
extends = "a"
"#;
    assert_eq!(
        mistakes(text),
        [
            "1:1 there is no key 'clas' (did you mean 'class'?)",
            "4:1 there is no key 'extend' (did you mean 'extends'?)",
            "7:15 this is no pattern: unclosed group at column 6 of the expression",
            "11:1 there is no key 'levl' (did you mean 'level'?)",
            "12:9 'loud' is no level (there are: trace, debug, info, notice, warning, error, critical)",
            "13:12 no group is named 'usr' (did you mean 'user'?)",
            "14:23 the pattern does not match this sample",
            "15:11 the pattern matches this, and should not",
            "17:9 this pattern says nothing of a line (give it a category, or a group with a name: (?<user>\\S+))",
            "18:10 a pattern has a sample, which is its test",
            "20:12 a category is one word",
            "23:1 missing field `name`",
        ]
    );
}

#[test]
fn families_are_checked() {
    let one =
        |name: &str, extends: &str| format!("[[class]]\nname = '{name}'\nextends = '{extends}'\n");
    assert_eq!(
        mistakes(&one("a", "trainin")),
        ["3:11 there is no class 'trainin' to extend (did you mean 'training'?)"]
    );
    assert!(mistakes(&(one("a", "b") + &one("b", "a")))[0].contains("extends itself"));
    assert!(mistakes(&one("a", "a"))[0].contains("no class 'a'"));
    assert!(
        mistakes("[[class]]\nname='a'\n[[class]]\nname='a'")[0].contains("4:6 there is already")
    );
    // In the place of a built-in one, which it extends.
    let own = Classes::parse("f".as_ref(), &one("security", "security")).unwrap();
    assert_eq!(read(&own, "security", "Expired token").0.as_deref(), Some("auth_failure"));
    assert_eq!(mistakes("x = [")[0].split(' ').next(), Some("1:6"));
}

static ALL: LazyLock<Classes> = LazyLock::new(Classes::built_in);

proptest! {
    #[test]
    fn no_line_panics(line in prop::collection::vec(any::<u8>(), 0..300)) {
        for name in ["training", "security"] {
            ALL.of(&class(name)).read(&line);
        }
    }

    #[test]
    fn no_file_panics(
        words in prop::collection::vec(prop::sample::select(vec![
            "[[class]]\n", "[[class.pattern]]\n", "name='a'\n", "regex='(?<a>b'\n", "regex='x'\n",
            "sample=['x']\n", "extends='a'\n", "class=3\n", "fields={a='text'}\n", "[keep]\n", "x", "'",
        ]), 0..10)
    ) {
        let _ = Classes::parse("f".as_ref(), &words.concat());
    }
}
