//! What is exported, before the programs that read it: promtool, the parser of prometheus_client, a
//! real Prometheus and the textfile collector of a real node_exporter. Where one of them is not
//! installed (scripts/setup.sh), its test says so and ends.

#![allow(clippy::print_stderr, reason = "a test says why it is left out")]

use std::io::Write;
use std::net::TcpListener;

use fleet_core::{Labels, Timestamp};
use fleet_exposition::{Exporter, Form, Server};

use super::listen::{Listener, get};
use super::*;

/// Names that no parser should meet.
const HOSTILE: &[&str] = &[
    "plain",
    "",
    " ",
    "a \"quoted\" name",
    "back\\slash\\",
    "line\nfeed",
    "carriage\r\nreturn",
    "\\n",
    "tab\tand\x1b[31mescape\0nul",
    "{}=,#",
    "# EOF",
    "umlaut ü, 日本語, \u{202e}turned",
    "\u{fffd}\u{fffd}",
    "9starts_with_a_digit",
    "__reserved",
    "le",
];

/// One sample of every subject, and hostile names wherever a name can stand.
fn hostile_samples() -> Vec<Sample> {
    let subjects =
        [Subject::Disk, Subject::Network, Subject::Gpu, Subject::Sensor, Subject::Collector];
    let mut samples = Vec::new();
    for (at, name) in HOSTILE.iter().enumerate() {
        let labels: Labels =
            HOSTILE.iter().map(|n| ((*n).to_owned(), (*name).to_owned())).collect();
        let mut process = Sample::new(Subject::Process, Timestamp::now());
        process.id = format!("p{at}").parse().ok();
        process.labels = labels.clone();
        process.state = Some((*name).to_owned());
        process.measures.threads = Some(at as u64);
        let mut custom = process.clone();
        custom.subject = Subject::Custom;
        custom.more = HOSTILE.iter().map(|n| ((*n).to_owned(), json!("NaN"))).collect();
        custom.more.insert("source".to_owned(), (*name).into());
        samples.extend([process, custom]);
        for subject in subjects {
            let mut device = Sample::new(subject, Timestamp::now());
            device.name = Some((*name).to_owned());
            device.measures.temperature_celsius = Some(-0.5);
            device.measures.io_read_bytes = Some(u64::MAX);
            device.more.insert((*name).to_owned(), (*name).into());
            samples.push(device);
        }
    }
    samples
}

fn hostile_text(form: Form) -> String {
    let (exposition, problems) = Exporter::default().round(&hostile_samples());
    assert_eq!(problems, Vec::<String>::new());
    exposition.text(form)
}

/// What the program says of the text on its standard input; nothing when it is not installed.
fn judged(program: &Path, args: &[&str], text: &str) -> Option<Output> {
    let mut command = Command::new(program);
    let command = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = command.stderr(Stdio::piped()).spawn() else {
        eprintln!("{} is not installed; run scripts/setup.sh", program.display());
        return None;
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    Some(child.wait_with_output().unwrap())
}

/// It accepts the text without a word.
fn accepts(program: &Path, args: &[&str], text: &str) {
    if let Some(said) = judged(program, args, text) {
        assert!(said.status.success() && said.stdout.is_empty(), "{}{}", out(&said), err(&said));
    }
}

#[test]
fn promtool_finds_nothing_to_say() {
    let mut fleet = Fleet::new();
    fleet.start("a");
    let check = ["check", "metrics"];
    accepts(Path::new("promtool"), &check, &out(&fleet.run(&["-o", "prometheus"])));
    accepts(Path::new("promtool"), &check, &hostile_text(Form::Text));
}

/// The strictest parser of OpenMetrics there is.
#[test]
fn the_parser_of_prometheus_client_takes_every_line() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/metrics-venv/bin/python");
    let parse = "import sys; from prometheus_client.openmetrics.parser import \
                 text_string_to_metric_families as p; list(p(sys.stdin.read()))";
    let mut fleet = Fleet::new();
    fleet.start("a");
    accepts(&python, &["-c", parse], &out(&fleet.run(&["-o", "openmetrics"])));
    accepts(&python, &["-c", parse], &hostile_text(Form::OpenMetrics));
}

/// A server of somebody else, until it is dropped.
struct Peer(Child);

impl Peer {
    /// Starts it, or says that it is not installed.
    fn start(program: &str, args: &[String], log: &Path) -> Option<Peer> {
        let log = fs::File::create(log).unwrap();
        let mut command = Command::new(program);
        let command = command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let started = command.spawn();
        if started.is_err() {
            eprintln!("{program} is not installed; run scripts/setup.sh");
        }
        started.ok().map(Peer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An address on loopback that was free a moment ago.
fn free() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn answers(address: &str, path: &str) -> bool {
    std::net::TcpStream::connect(address).is_ok() && get(address, path).starts_with("HTTP/1.0 200")
}

/// The values of an instant query by the API of Prometheus.
fn query(address: &str, expression: &str) -> Vec<Value> {
    let encoded: String = expression.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let answer = get(address, &format!("/api/v1/query?query={encoded}"));
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let answer: Value = serde_json::from_str(body).unwrap();
    answer["data"]["result"].as_array().expect(body).clone()
}

#[test]
fn a_real_prometheus_stores_every_series_without_a_warning() {
    let mut fleet = Fleet::new();
    fleet.start("a");
    let hostile = "a \"quoted\\ name\nof two lines";
    let pid = fleet.start("b");
    let start = Proc::default().stat(pid).unwrap().start;
    let labels = json!({"note": hostile, "job": "mine", "my-label": "x"});
    fleet.record("b", json!({"labels": labels, "pid": pid, "pid_start": start, "ports": [9555]}));
    let mut tool = Listener::start(&fleet, &["--listen", "0"]);
    let hostile_address = free();
    let server = Server::start(hostile_address.parse().unwrap(), Duration::from_secs(1), |_| {});
    let exposition = Exporter::default().round(&hostile_samples()).0;
    let lines = exposition.text(Form::Text).lines().filter(|line| !line.starts_with('#')).count();
    server.as_ref().unwrap().publish(exposition);

    let (config, log) = (fleet.path("prometheus.yml"), fleet.path("prometheus.log"));
    let jobs = [("tool", tool.address()), ("hostile", hostile_address)].map(|(job, address)| {
        format!("- job_name: {job}\n  static_configs: [{{targets: ['{address}']}}]\n")
    });
    let head = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n";
    fs::write(&config, format!("{head}{}", jobs.concat())).unwrap();
    let address = free();
    let args = [
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", fleet.path("data").display()),
        format!("--web.listen-address={address}"),
    ];
    let Some(_prometheus) = Peer::start("prometheus", &args, &log) else { return };
    until("Prometheus is ready", || answers(&address, "/-/ready"));
    until("both targets are up", || query(&address, "up == 1").len() == 2);
    let stored = |expression: &str| query(&address, expression);
    let found = stored("fleet_process_threads{job=\"tool\",id=\"b\"}");
    assert_eq!(found[0]["metric"]["note"], hostile, "{found:?}");
    assert_eq!(found[0]["metric"]["exported_job"], "mine");
    assert_eq!(found[0]["metric"]["port"], "9555");
    assert_eq!(found[0]["value"][1], "1");
    let scraped = stored("scrape_samples_scraped{job=\"hostile\"}");
    assert_eq!(scraped[0]["value"][1], lines.to_string());
    let kept = stored("count({job=\"hostile\",__name__=~\"fleet_.*\"})");
    assert_eq!(kept[0]["value"][1], lines.to_string(), "series that are one to Prometheus");
    let said = fs::read_to_string(&log).unwrap();
    let bad: Vec<&str> =
        said.lines().filter(|l| l.contains("level=warn") || l.contains("level=error")).collect();
    assert_eq!(bad, Vec::<&str>::new());
}

#[test]
fn the_textfile_collector_of_a_real_node_exporter_takes_the_file() {
    let mut fleet = Fleet::new();
    fleet.start("a");
    let folder = fleet.path("textfile");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("fleet.prom");
    fleet.run(&["-o", "prometheus", "--output-file", file.to_str().unwrap()]);
    let address = free();
    let args = [
        "--collector.disable-defaults".to_owned(),
        "--collector.textfile".to_owned(),
        format!("--collector.textfile.directory={}", folder.display()),
        format!("--web.listen-address={address}"),
    ];
    let log = fleet.path("node.log");
    let Some(_node) = Peer::start("prometheus-node-exporter", &args, &log) else { return };
    until("node_exporter answers", || answers(&address, "/metrics"));
    let text = get(&address, "/metrics");
    assert!(text.contains("\nnode_textfile_scrape_error 0\n"), "{text}");
    assert!(text.contains("\nfleet_process_threads{id=\"a\",name=\"a\"} 1\n"), "{text}");
    fs::write(&file, hostile_text(Form::Text)).unwrap();
    let text = get(&address, "/metrics");
    assert!(text.contains("\nnode_textfile_scrape_error 0\n"), "{text}");
    assert!(text.contains("\nfleet_custom{"), "{text}");
}
