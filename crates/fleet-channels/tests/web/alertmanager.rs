//! A real Alertmanager: it takes our alerts, tells them, and sends what our own webhooks send. Where
//! it is not installed (scripts/setup.sh), its tests say so and end.

#![expect(clippy::print_stderr, reason = "a test says why it is left out")]

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use fleet_core::Timestamp;
use fleet_testkit::{Receiver, Request, until};

use super::*;

/// An Alertmanager that tells a receiver, until it is dropped.
struct Server {
    child: Child,
    url: String,
    folder: TempDir,
}

impl Server {
    /// Starts it, or says that it is not installed.
    fn start(receiver: &Receiver) -> Option<Server> {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let config = format!(
            "route: {{receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s, \
             repeat_interval: 1h}}\nreceivers: [{{name: hook, webhook_configs: [{{url: '{}'}}]}}]\n",
            receiver.url("/from-alertmanager")
        );
        fs::write(path("config.yml"), config).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let started = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", path("config.yml").display()))
            .arg(format!("--storage.path={}", path("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg(format!("--web.external-url=http://{address}"))
            .arg("--cluster.listen-address=")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(path("log")).unwrap())
            .spawn();
        let Ok(child) = started else {
            eprintln!("prometheus-alertmanager is not installed; run scripts/setup.sh");
            return None;
        };
        let server = Server { child, url: format!("http://{address}"), folder };
        until("Alertmanager is ready", || server.amtool(&["config", "show"]).is_some());
        Some(server)
    }

    /// What amtool prints, if it is content.
    fn amtool(&self, args: &[&str]) -> Option<String> {
        let url = format!("--alertmanager.url={}", self.url);
        let output = Command::new("amtool").arg(url).args(args).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    /// The alerts that fire, by amtool.
    fn firing(&self) -> Vec<Value> {
        let text = self.amtool(&["--output=json", "alert", "query"]).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn told(receiver: &Receiver, path: &str, status: &str) -> Option<Value> {
    let wanted = |request: &Request| {
        Some(request.json()).filter(|said| request.path == path && said["status"] == status)
    };
    receiver.requests().iter().find_map(wanted)
}

/// The same alert as of now: the server drops what was over before it began.
fn fresh(state: &str) -> Notification {
    let mut told = notification("a", "first", &[alert("memory_high", state)]);
    told.alerts[0].ts = Timestamp::now();
    told
}

fn ends(alert: &Value) -> Timestamp {
    Timestamp::parse(alert["endsAt"].as_str().unwrap(), Timestamp::now()).unwrap()
}

/// The names of a value's fields with the types of what stands there; of lists, of the first.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(all) => {
            // What the user names is the user's.
            let free = |name: &str| name.ends_with("abels") || name.ends_with("nnotations");
            let shape =
                |name: &String, v: &Value| if free(name) { json!("texts") } else { shape(v) };
            all.iter().map(|(name, v)| (name.clone(), shape(name, v))).collect()
        }
        Value::Array(all) => json!([all.first().map(shape)]),
        Value::String(_) => json!("text"),
        Value::Number(_) => json!("number"),
        other => other.clone(),
    }
}

#[test]
fn an_alert_arrives_is_refreshed_and_ends() {
    let receiver = Receiver::start();
    let Some(server) = Server::start(&receiver) else { return };
    let mut cluster = carrier(&format!("type = 'alertmanager'\nurl = '{}'", server.url));

    assert_eq!(cluster.deliver(&fresh("firing")), Verdict::Delivered);
    until("amtool shows it", || server.firing().len() == 1);
    let shown = &server.firing()[0];
    let labels = json!({"alertname": "memory_high", "severity": "critical", "id": "web-1",
        "host": "box", "team": "vision", "gpu_model": "x"});
    assert_eq!(shown["labels"], labels);
    assert_eq!(shown["annotations"]["summary"], "uses 93.5 %");
    until("it is told", || told(&receiver, "/from-alertmanager", "firing").is_some());

    let before = ends(shown);
    assert_eq!(cluster.deliver(&fresh("firing")), Verdict::Delivered);
    until("it is good for longer", || ends(&server.firing()[0]) > before);

    assert_eq!(cluster.deliver(&fresh("resolved")), Verdict::Delivered);
    until("it is over", || server.firing().is_empty());
    until("that is told", || told(&receiver, "/from-alertmanager", "resolved").is_some());

    let mut hook = carrier(&format!(
        "type = 'webhook'\nformat = 'alertmanager'\nurl = '{}'",
        receiver.url("/from-us")
    ));
    for state in ["firing", "resolved"] {
        assert_eq!(hook.deliver(&fresh(state)), Verdict::Delivered);
        let theirs = told(&receiver, "/from-alertmanager", state).unwrap();
        let ours = told(&receiver, "/from-us", state).unwrap();
        assert_eq!(shape(&ours), shape(&theirs), "{ours:#}\n{theirs:#}");
        assert_eq!(ours["version"], theirs["version"]);
        assert_eq!(ours["groupKey"], theirs["groupKey"]);
        assert_eq!(ours["groupLabels"], theirs["groupLabels"]);
        assert_eq!(ours["commonLabels"], theirs["commonLabels"]);
    }
    assert_eq!(
        told(&receiver, "/from-us", "firing").unwrap()["alerts"][0]["endsAt"],
        told(&receiver, "/from-alertmanager", "firing").unwrap()["alerts"][0]["endsAt"]
    );
    let log = fs::read_to_string(server.folder.path().join("log")).unwrap();
    let bad: Vec<&str> =
        log.lines().filter(|l| l.contains("level=warn") || l.contains("level=error")).collect();
    assert_eq!(bad, Vec::<&str>::new());
}

#[test]
fn what_is_not_refreshed_ends_by_itself() {
    let receiver = Receiver::start();
    let Some(server) = Server::start(&receiver) else { return };
    let mut cluster =
        carrier(&format!("type = 'alertmanager'\nurl = '{}'\nrefresh = '1s'", server.url));
    assert_eq!(cluster.deliver(&fresh("firing")), Verdict::Delivered);
    until("it is told", || told(&receiver, "/from-alertmanager", "firing").is_some());
    until("that it is over is told", || {
        told(&receiver, "/from-alertmanager", "resolved").is_some()
    });
}

/// Names and texts that no server should meet: what is sent is whole all the same.
#[test]
fn hostile_labels_are_taken_in_one_batch() {
    let receiver = Receiver::start();
    let Some(server) = Server::start(&receiver) else { return };
    let mut cluster = carrier(&format!("type = 'alertmanager'\nurl = '{}'", server.url));
    let mut told = fresh("firing");
    for (at, name) in
        ["", " ", "a b", "9", "__name__", "umlaut ü", "alertname", "x\ny", "\"", "{}=,", "e\u{301}"]
            .into_iter()
            .enumerate()
    {
        let mut alert = told.alerts[0].clone();
        alert.labels.insert(name.to_owned(), format!("{name}\u{202e}\\{at}"));
        alert.annotations.insert(name.to_owned(), name.to_owned());
        alert.summary = name.repeat(3);
        told.alerts.push(alert);
    }
    assert_eq!(cluster.deliver(&told), Verdict::Delivered);
    until("all are there", || server.firing().len() == told.alerts.len());
}
