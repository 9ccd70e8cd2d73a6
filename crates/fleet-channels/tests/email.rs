//! Letters, as a real mail server gets them.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![expect(clippy::print_stderr, reason = "what was not tested is said")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use fleet_channels::{Channel, RawChannel};
use fleet_notify::{Carrier, Notification, Verdict};
use fleet_testkit::{PATIENCE, until};
use serde_json::{Value, json};
use toml::Spanned;

/// A mail server of its own and what a channel needs to use it.
struct Bench {
    folder: tempfile::TempDir,
    server: Child,
    letters: Receiver<String>,
    port: u16,
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }
}

fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/mail-venv/bin/python")
}

/// A server of this kind; nothing where the mail server is not installed.
fn serve(mode: &str) -> Option<Bench> {
    if !python().exists() {
        eprintln!("passed over: no aiosmtpd in target/mail-venv, scripts/setup.sh installs it");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "secret\n").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = Command::new(python());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/email/sink.py")).arg(mode);
    if mode != "none" {
        command.args(certificate(folder.path()));
    }
    let mut server =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines().map_while(Result::ok);
    let port = lines.next().unwrap().parse().unwrap();
    let (send, letters) = mpsc::channel();
    // The server must be able to print while the test waits for it.
    std::thread::spawn(move || lines.try_for_each(|line| send.send(line)));
    Some(Bench { folder, server, letters, port })
}

/// A certificate that nobody but us trusts, and its key.
fn certificate(folder: &Path) -> [PathBuf; 2] {
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.join(name));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    [certificate, key]
}

impl Bench {
    fn carrier(&self, tls: &str, to: &[&str], rest: &str) -> Box<dyn Carrier> {
        let folder = self.folder.path().display();
        let mut text = format!(
            "type = 'email'\nhost = 'localhost'\nport = {}\ntls = '{tls}'\n\
             from = 'Flöte <fleet@example.com>'\nto = {to:?}\n",
            self.port
        );
        if tls != "none" {
            text += &format!("user = 'fleet'\npassword_file = '{folder}/password'\n");
        }
        if !rest.contains("untrusted") && tls != "none" {
            text += &format!("ca_file = '{folder}/certificate.pem'\n");
        }
        text += rest;
        channel(&text).carrier().unwrap()
    }

    /// The next letter.
    fn letter(&self) -> Value {
        serde_json::from_str(&self.letters.recv_timeout(PATIENCE).unwrap()).unwrap()
    }
}

fn channel(text: &str) -> Channel {
    let all: BTreeMap<Spanned<String>, RawChannel> =
        toml::from_str(&format!("[mail]\n{text}")).unwrap();
    let (name, raw) = all.into_iter().next().unwrap();
    Channel::load(name, raw).map_err(|fault| fault.message).unwrap()
}

fn alert(summary: &str) -> Value {
    json!({
        "kind": "alert", "ts": "2026-11-22T06:15:00Z", "alert": "gpu_idle", "state": "firing",
        "severity": "critical", "id": "train-7", "run": 2, "labels": {"team": "vision"},
        "since": "2026-11-22T06:05:00Z", "value": 12.5, "summary": summary,
        "annotations": {"runbook": "https://wiki.example/gpu?a=1&b=2"},
        "reason": "gpu_percent is 12.5", "fingerprint": "0123456789abcdef",
    })
}

fn notification(id: &str, alerts: Vec<Value>) -> Notification {
    serde_json::from_value(json!({
        "kind": "notification", "id": id, "channel": "mail", "group": {"alert": "gpu_idle"},
        "reason": "first", "created": "2026-11-22T06:15:00Z", "host": "workstation",
        "alerts": alerts,
    }))
    .unwrap()
}

#[test]
fn a_letter_arrives_by_starttls_and_login() {
    let Some(bench) = serve("starttls") else { return };
    let mut mailer = bench.carrier("starttls", &["anna@example.com", "Bo <bo@example.com>"], "");
    let summary = "GPU <0> idle & wasted: größer 10 m";
    let told = notification("00112233445566aa", vec![alert(summary)]);
    assert_eq!(mailer.deliver(&told), Verdict::Delivered);
    let letter = bench.letter();
    assert_eq!(letter["from"], "fleet@example.com");
    assert_eq!(letter["to"], json!(["anna@example.com", "bo@example.com"]));
    assert_eq!(
        (&letter["defects"], &letter["type"]),
        (&json!([]), &"multipart/alternative".into())
    );
    let headers = &letter["headers"];
    assert_eq!(headers["Subject"], format!("[critical] gpu_idle: train-7 — {summary}"));
    assert_eq!(headers["From"], "Flöte <fleet@example.com>");
    assert_eq!(headers["To"], "anna@example.com, Bo <bo@example.com>");
    assert_eq!(headers["Date"], "Sun, 22 Nov 2026 06:15:00 +0000");
    assert_eq!(headers["Message-ID"], "<fleet.00112233445566aa@example.com>");
    assert_eq!(headers["Auto-Submitted"], "auto-generated");
    assert_eq!(
        (&headers["X-Fleet-Severity"], &headers["Importance"]),
        (&"critical".into(), &"high".into())
    );
    let text = letter["text"].as_str().unwrap();
    let expected = "FIRING critical gpu_idle train-7\n    GPU <0> idle & wasted: größer 10 m\n  \
                    why      gpu_percent is 12.5\n  since    2026-11-22 06:05:00 UTC, for 10m00s\n  \
                    value    12.5\n  runbook  https://wiki.example/gpu?a=1&b=2\n  team     vision\n\n\
                    -- \nfrom fleet-alert on workstation, because this began to fire\n\
                    to silence: fleet-alert silence --rule gpu_idle --id train-7 --for 2h --why …\n\
                    notification 00112233445566aa\n";
    assert_eq!(text, expected);
    let html = letter["html"].as_str().unwrap();
    assert!(html.contains("GPU &lt;0&gt; idle &amp; wasted: größer 10 m</p>"), "{html}");
    assert!(html.contains("<a href=\"https://wiki.example/gpu?a=1&amp;b=2\">"), "{html}");
    assert!(html.contains("color-scheme") && !html.contains("<0>"), "{html}");
}

#[test]
fn the_end_of_an_alert_is_in_the_thread_of_its_beginning() {
    let Some(bench) = serve("none") else { return };
    let mut mailer = bench.carrier("none", &["anna@example.com"], "");
    let mut over = alert("GPU idle");
    over["state"] = "resolved".into();
    over["ts"] = "2026-11-22T07:05:00Z".into();
    let told = [notification("01", vec![alert("GPU idle")]), notification("02", vec![over])];
    let letters = told.map(|told| {
        assert_eq!(mailer.deliver(&told), Verdict::Delivered);
        bench.letter()
    });
    let thread = |letter: &Value| letter["headers"]["References"].as_str().unwrap().to_owned();
    assert_eq!(thread(&letters[0]), thread(&letters[1]));
    assert!(thread(&letters[0]).contains("<fleet.0123456789abcdef."), "{}", thread(&letters[0]));
    assert_eq!(letters[1]["headers"]["Subject"], "[resolved] gpu_idle: train-7 — GPU idle");
    assert_eq!(letters[1]["headers"]["Importance"], Value::Null);
    assert!(letters[1]["text"].as_str().unwrap().contains("over after 1h00m"));
}

#[test]
fn a_repeat_is_the_same_letter() {
    let Some(bench) = serve("none") else { return };
    let mut mailer = bench.carrier("none", &["anna@example.com"], "");
    let told = notification("01", vec![alert("x")]);
    let letters = [(); 2].map(|()| {
        assert_eq!(mailer.deliver(&told), Verdict::Delivered);
        let mut letter = bench.letter();
        // Only what divides its parts is drawn by lot.
        letter["headers"]["Content-Type"].take();
        letter
    });
    assert_eq!(letters[0], letters[1]);
}

#[test]
fn a_subject_may_be_written_by_the_user() {
    let Some(bench) = serve("none") else { return };
    let subject = |template: &str| {
        let rest = format!("subject = '{template}'");
        let mut mailer = bench.carrier("none", &["anna@example.com"], &rest);
        assert_eq!(mailer.deliver(&notification("01", vec![alert("a\nb")])), Verdict::Delivered);
        bench.letter()["headers"]["Subject"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        subject("{{severity}}: {{id}}, {{labels.team}} {{summary}}"),
        "critical: train-7, vision a | b"
    );
    assert_eq!(subject(" "), "[critical] gpu_idle: train-7 — a | b");
}

#[test]
fn tls_from_the_first_byte() {
    let Some(bench) = serve("tls") else { return };
    let mut mailer = bench.carrier("tls", &["anna@example.com"], "");
    assert_eq!(mailer.deliver(&notification("01", vec![alert("x")])), Verdict::Delivered);
    assert_eq!(bench.letter()["to"], json!(["anna@example.com"]));
}

#[test]
fn what_is_printed_cannot_become_headers_or_end_the_letter() {
    let Some(bench) = serve("none") else { return };
    let mut mailer = bench.carrier("none", &["anna@example.com"], "");
    let evil =
        "x\r\nBcc: victim@example.com\r\n\r\nbody\r\n.\r\nMAIL FROM:<a@b>\r\n..dots\u{1b}[2J";
    let mut one = alert(evil);
    one["id"] = "a\r\nBcc: b@example.com".into();
    one["labels"] = json!({"l\r\nX: y": "v\r\n.\r\n"});
    let told = notification("0\r\nBcc: c@example.com", vec![one]);
    assert_eq!(mailer.deliver(&told), Verdict::Delivered);
    let letter = bench.letter();
    assert_eq!((&letter["to"], &letter["defects"]), (&json!(["anna@example.com"]), &json!([])));
    assert_eq!((&letter["headers"]["Bcc"], &letter["headers"]["X"]), (&Value::Null, &Value::Null));
    let text = letter["text"].as_str().unwrap();
    assert!(text.contains("\n    .\n    MAIL FROM:<a@b>\n    ..dots[2J\n"), "{text}");
    assert_eq!(mailer.deliver(&notification("02", vec![alert("next")])), Verdict::Delivered);
    assert!(bench.letter()["headers"]["Subject"].as_str().unwrap().ends_with("next"));
}

#[test]
fn a_huge_notification_is_a_letter_of_bounded_size() {
    let Some(bench) = serve("none") else { return };
    let mut mailer = bench.carrier("none", &["anna@example.com"], "");
    let traceback =
        format!("Traceback (most recent call last):\n{}ValueError: ü", "  x\n".repeat(9_999));
    let alerts = (0..200).map(|_| alert(&traceback)).collect();
    assert_eq!(mailer.deliver(&notification("01", alerts)), Verdict::Delivered);
    let letter = bench.letter();
    let text = letter["text"].as_str().unwrap();
    assert!(text.len() < 200_000, "{}", text.len());
    assert!(text.contains("… 9972 lines left out …\n") && text.contains("    ValueError: ü\n"));
    assert!(text.contains("and 150 alerts more\n"));
    assert!(letter["longest_line"].as_u64().unwrap() < 998);
    assert_eq!(letter["headers"]["Subject"], "[critical] 200 alerts: gpu_idle");
}

#[test]
fn one_bad_recipient_does_not_cost_the_others_their_letter() {
    let Some(bench) = serve("none") else { return };
    let to = ["nobody@example.com", "full-once@example.com", "anna@example.com"];
    let mut mailer = bench.carrier("none", &to, "");
    let told = notification("01", vec![alert("x")]);
    let Verdict::Again { channel: false, why, .. } = mailer.deliver(&told) else { panic!() };
    assert!(
        why.starts_with("has not taken 'full-once@example.com' yet: it answered 452 "),
        "{why}"
    );
    assert_eq!(bench.letter()["to"], json!(["anna@example.com"]));
    assert_eq!(mailer.deliver(&told), Verdict::Delivered);
    assert_eq!(bench.letter()["to"], json!(["full-once@example.com"]), "who has it gets no second");
}

#[test]
fn what_the_server_says_decides_what_happens_next() {
    let Some(bench) = serve("none") else { return };
    let deliver = |to: &str| {
        let mut mailer = bench.carrier("none", &[to], "timeout = '1s'");
        mailer.deliver(&notification("01", vec![alert("x")]))
    };
    let again = |channel, why: &str| Verdict::Again { after: None, channel, why: why.to_owned() };
    let why = "answered 550 5.1.1 no such user".to_owned();
    assert_eq!(deliver("nobody@example.com"), Verdict::Dead { why });
    let full = "answered 452 4.2.2 mailbox full";
    assert_eq!(deliver("full@example.com"), again(true, full));
    let why = "answered 554 5.7.1 this looks like spam".to_owned();
    assert_eq!(deliver("spam@example.com"), Verdict::Refused { why });
    let busy = "answered 421 4.3.2 closing for maintenance";
    assert_eq!(deliver("busy@example.com"), again(true, busy));
}

#[test]
fn a_wrong_password_is_a_dead_channel_and_is_not_said() {
    let Some(bench) = serve("starttls") else { return };
    fs::write(bench.folder.path().join("password"), "hunter2").unwrap();
    let mut mailer = bench.carrier("starttls", &["anna@example.com"], "");
    let verdict = mailer.deliver(&notification("01", vec![alert("x")]));
    let Verdict::Dead { why } = verdict else { panic!("{verdict:?}") };
    assert!(why.starts_with("answered 535 ") && !why.contains("hunter2"), "{why}");
}

#[test]
fn a_server_that_nobody_vouches_for_gets_no_password() {
    for tls in ["starttls", "tls"] {
        let Some(bench) = serve(tls) else { return };
        let mut mailer = bench.carrier(tls, &["anna@example.com"], "# untrusted");
        let verdict = mailer.deliver(&notification("01", vec![alert("x")]));
        let Verdict::Again { channel: true, why, .. } = verdict else { panic!("{verdict:?}") };
        assert!(why.starts_with("is not trusted: ") && why.contains("ca_file"), "{why}");
    }
}

#[test]
fn a_server_without_starttls_gets_no_letter() {
    let Some(bench) = serve("none") else { return };
    let mut mailer = bench.carrier("starttls", &["anna@example.com"], "# untrusted");
    fs::write(bench.folder.path().join("certificate.pem"), "").unwrap();
    let verdict = mailer.deliver(&notification("01", vec![alert("x")]));
    let Verdict::Again { channel: true, why, .. } = verdict else { panic!("{verdict:?}") };
    assert!(why.contains("STARTTLS"), "{why}");
}

#[test]
fn a_server_that_hangs_after_the_letter_holds_only_so_long() {
    let Some(bench) = serve("none") else { return };
    let mut mailer = bench.carrier("none", &["hang@example.com"], "timeout = '300ms'");
    let start = Instant::now();
    let verdict = mailer.deliver(&notification("01", vec![alert("x")]));
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(matches!(verdict, Verdict::Again { .. }), "{verdict:?}");
    let mut other = bench.carrier("none", &["anna@example.com"], "");
    assert_eq!(other.deliver(&notification("02", vec![alert("y")])), Verdict::Delivered);
    assert_eq!(bench.letter()["to"], json!(["anna@example.com"]));
}

/// A server that says a byte now and then, each within the time limit of one answer, until the
/// test drops what this returns.
fn dripping() -> (u16, Arc<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let wanted = Arc::new(());
    let test = Arc::downgrade(&wanted);
    std::thread::spawn(move || {
        let mut sockets = Vec::new();
        listener.set_nonblocking(true).unwrap();
        while test.strong_count() > 0 {
            sockets.extend(listener.accept().map(|(socket, _)| socket));
            sockets.retain_mut(|socket| socket.write_all(b"2").is_ok());
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    (port, wanted)
}

#[test]
fn a_server_that_says_a_byte_now_and_then_holds_a_thread_not_us() {
    let (port, wanted) = dripping();
    let text = format!(
        "type = 'email'\nhost = '127.0.0.1'\nport = {port}\ntls = 'none'\nfrom = 'a@b.c'\n\
         to = ['d@e.f']\ntimeout = '100ms'\n"
    );
    let mut mailer = channel(&text).carrier().unwrap();
    let told = notification("01", vec![alert("x")]);
    let mut deliver = || match mailer.deliver(&told) {
        Verdict::Again { channel: true, why, .. } => why,
        other => panic!("{other:?}"),
    };
    let start = Instant::now();
    for _ in 0..4 {
        assert_eq!(deliver(), "did not finish within 100ms");
    }
    assert_eq!(deliver(), "hangs in 4 sessions already");
    assert!(start.elapsed() < Duration::from_secs(10));
    drop(wanted);
    until("the sessions are over", || deliver() != "hangs in 4 sessions already");
}

#[test]
fn a_server_that_is_down_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let text = format!(
        "type = 'email'\nhost = '127.0.0.1'\nport = {port}\ntls = 'none'\nfrom = 'a@b.c'\nto = ['d@e.f']\n"
    );
    let verdict = channel(&text).carrier().unwrap().deliver(&notification("01", vec![]));
    let Verdict::Again { channel: true, why, .. } = verdict else { panic!("{verdict:?}") };
    assert!(why.starts_with("failed: ") && why.contains("refused"), "{why}");
}
