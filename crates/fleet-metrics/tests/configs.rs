//! The configuration for Prometheus and Grafana that a user copies: accepted by promtool and by
//! Grafana's own types, and about nothing that is not exported. Where a program is not installed
//! (scripts/setup.sh), its test says so and ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]
#![allow(clippy::print_stderr, reason = "a test says why it is left out")]

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fleet_core::{Measures, Sample};
use fleet_exposition::{Exporter, Form};
use regex::Regex;
use serde_json::{Value, json};

const DASHBOARDS: [&str; 2] = ["fleet-overview", "fleet-process"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn config(path: &str) -> PathBuf {
    repository().join("configs").join(path)
}

fn dashboard(name: &str) -> Value {
    let text = fs::read_to_string(config(&format!("grafana/{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Runs a check that must succeed; what is not installed is passed over.
fn succeeds(command: &mut Command) {
    let Ok(output) = command.output() else {
        eprintln!("{:?} is not installed; run scripts/setup.sh", command.get_program());
        return;
    };
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

fn promtool(args: &[&str], file: &Path) {
    succeeds(Command::new("promtool").args(args).arg(file));
}

#[test]
fn promtool_accepts_the_configuration_and_the_rules_do_what_their_tests_say() {
    promtool(&["check", "config"], &config("prometheus/prometheus.yml"));
    promtool(&["check", "rules", "--lint-fatal"], &config("prometheus/fleet.rules.yml"));
    promtool(&["test", "rules"], &config("prometheus/fleet.rules.test.yml"));
}

/// The names of all that can be exported: one sample of each subject with every measure.
fn exported() -> BTreeSet<String> {
    let subjects = ["process", "host", "core", "network", "sensor", "gpu", "disk", "container"];
    let mut samples = Vec::new();
    for subject in subjects.iter().chain(&["fleet", "custom", "collector"]) {
        let mut record = json!({
            "kind": "sample", "ts": "2026-11-22T06:00:00Z", "subject": subject, "id": "a",
            "host": "h", "state": "failed", "health": "healthy", "restarts": 1, "run": 1,
            "started_at": "2026-11-22T06:00:00Z",
            "exit": {"code": 1, "cause": "exited", "reason": "", "duration_seconds": 1.0},
            "kpis": {"k": {
                "value": 1, "target": 1, "baseline": 1, "change_percent": 1, "met": true,
                "trend": "stable",
            }},
        });
        for measure in Measures::ALL {
            record[measure.name] = 1.into();
        }
        samples.push(serde_json::from_value::<Sample>(record).unwrap());
    }
    let text = Exporter::default().round(&samples).0.text(Form::Text);
    let name = |line: &str| line.split(['{', ' ']).next().unwrap_or_default().to_owned();
    text.lines().filter(|line| !line.starts_with('#')).map(name).collect()
}

/// The names of fleet's series in an expression. Those with a colon are recorded by a rule.
fn series(expression: &str) -> Vec<String> {
    let names = Regex::new(r"[a-z_:]*fleet_[a-z0-9_:]+").unwrap();
    names.find_iter(expression).map(|found| found.as_str().to_owned()).collect()
}

#[test]
fn rules_are_about_series_that_there_are() {
    let text = fs::read_to_string(config("prometheus/fleet.rules.yml")).unwrap();
    let field = Regex::new(r"^\s*(- )?(alert|name|record|summary|description|labels):").unwrap();
    let recorded = Regex::new(r"- record: (\S+)").unwrap();
    let mut known = exported();
    known.extend(recorded.captures_iter(&text).map(|found| found[1].to_owned()));
    for line in text.lines().filter(|l| !l.trim().starts_with('#') && !field.is_match(l)) {
        for name in series(line) {
            assert!(known.contains(&name), "'{name}' is not exported: {line}");
        }
    }
}

#[test]
fn alerts_have_the_names_of_those_of_fleet_alert() {
    let rules = fs::read_to_string(config("prometheus/fleet.rules.yml")).unwrap();
    let alerts = fs::read_to_string(config("alerts.toml")).unwrap();
    // What only a server can fail at.
    let own = ["fleet_samples_old", "fleet_metrics_down"];
    for found in Regex::new(r"- alert: (\S+)").unwrap().captures_iter(&rules) {
        let there = alerts.contains(&format!("\nname = \"{}\"\n", &found[1]));
        assert!(there || own.contains(&&found[1]), "{}", &found[1]);
    }
}

/// The panels of a dashboard that show something.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let panels = dashboard["panels"].as_array().unwrap();
    panels.iter().filter(|panel| panel["type"] != "row").collect()
}

/// All expressions of a dashboard: of panels and annotations.
fn expressions(dashboard: &Value) -> Vec<String> {
    let annotations = dashboard["annotations"]["list"].as_array().unwrap();
    let targets = panels(dashboard).into_iter().flat_map(|p| p["targets"].as_array().unwrap());
    let expression = |from: &Value| from["expr"].as_str().unwrap().to_owned();
    targets.chain(annotations).map(expression).collect()
}

#[test]
fn expressions_of_dashboards_are_promql_about_series_that_there_are() {
    let known = exported();
    let mut rules = String::from("groups:\n- name: expressions\n  rules:\n");
    for dashboard in DASHBOARDS.map(dashboard) {
        for (at, expression) in expressions(&dashboard).iter().enumerate() {
            for name in series(expression) {
                assert!(known.contains(&name), "'{name}' is not exported: {expression}");
            }
            let plain = expression.replace("$__rate_interval", "5m").replace("$__range", "1h");
            let uid = dashboard["uid"].as_str().unwrap().replace('-', "_");
            rules += &format!("  - record: {uid}:{at}\n    expr: {}\n", json!(plain));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yml");
    fs::write(&file, rules).unwrap();
    promtool(&["check", "rules"], &file);
}

/// The rules of Grafana's dashboard-linter, as far as they fit here.
#[test]
fn dashboards_follow_the_linter() {
    let rate = Regex::new(r"\b(rate|irate|increase|changes)\(").unwrap();
    let over = Regex::new(r"\[\$__(rate_interval|range)\]").unwrap();
    let counter = Regex::new(r"[a-z_]+_total\b").unwrap();
    let counted = Regex::new(r"(rate|increase)\([a-z_]+_total\{").unwrap();
    for dashboard in DASHBOARDS.map(dashboard) {
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        assert_eq!(
            (&variables[0]["name"], &variables[0]["type"]),
            (&json!("datasource"), &json!("datasource"))
        );
        for expression in expressions(&dashboard) {
            for name in ["job", "instance"] {
                assert!(expression.contains(&format!("{name}=~\"${name}\"")), "{expression}");
            }
            let count = |regex: &Regex| regex.find_iter(&expression).count();
            assert_eq!(count(&rate), count(&over), "a rate needs $__rate_interval: {expression}");
            assert_eq!(count(&counter), count(&counted), "a counter alone: {expression}");
        }
        let mut ids = HashSet::new();
        for panel in panels(&dashboard) {
            let title = panel["title"].as_str().unwrap();
            assert!(!title.is_empty() && panel["description"].as_str().unwrap().ends_with('.'));
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title}: no unit");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title}: it is empty");
            assert!(ids.insert(panel["id"].as_u64()), "{title}: its id is taken");
        }
        no_overlap(&dashboard);
    }
}

/// No panel lies on another or beyond the 24 columns.
fn no_overlap(dashboard: &Value) {
    let mut taken = HashSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|of| panel["gridPos"][of].as_u64().unwrap());
        assert!(x + w <= 24, "{}", panel["title"]);
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{} lies on another panel", panel["title"]);
        }
    }
}

#[test]
fn the_overview_has_its_four_parts() {
    let overview = dashboard("fleet-overview");
    let all = overview["panels"].as_array().unwrap();
    let rows = all.iter().filter(|p| p["type"] == "row").map(|p| p["title"].as_str().unwrap());
    let expected = ["Resources", "Progress and performance", "Custom and diversity", "Containers"];
    assert_eq!(rows.collect::<Vec<_>>(), expected);
}

/// Annotations of the Prometheus data source hold more than the type for all data sources says.
const TYPES: &str = r#"import type { AnnotationQuery, Dashboard } from "@grafana/schema";
type Annotation = AnnotationQuery & { expr: string; titleFormat: string; textFormat: string; tagKeys: string };
type Board = Omit<Dashboard, "annotations"> & { annotations: { list: Annotation[] } };
"#;

const TSCONFIG: &str = r#"{"compilerOptions": {"module": "nodenext", "strict": true, "noEmit": true,
"skipLibCheck": true}, "include": ["*.ts"]}"#;

#[test]
fn dashboards_have_the_types_of_grafana() {
    let checker = repository().join("target/grafana-check");
    let compiler = checker.join("node_modules/.bin/tsc");
    if !compiler.exists() {
        eprintln!("@grafana/schema and typescript are not installed; run scripts/setup.sh");
        return;
    }
    // Below the folder that holds the modules, which is where the compiler looks for them.
    let folder = tempfile::tempdir_in(&checker).unwrap();
    fs::write(folder.path().join("tsconfig.json"), TSCONFIG).unwrap();
    for name in DASHBOARDS {
        let board = dashboard(name);
        let source = format!("{TYPES}export const board: Board = {board:#};\n");
        fs::write(folder.path().join(format!("{name}.ts")), source).unwrap();
    }
    succeeds(Command::new(compiler).arg("-p").arg(folder.path()));
}
