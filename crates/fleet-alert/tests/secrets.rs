//! Secrets of channels reach the receiver and nobody else: no record, no talk, no file in the home,
//! though every receiver repeats what it was sent and refuses it.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use fleet_testkit::{Answer, Receiver};
use tempfile::TempDir;

const SECRET: &str = "hunter2hunter2hunter2hunter2-abc";
const RECORD: &str = "{\"kind\":\"sample\",\"ts\":\"2026-11-22T06:00:00Z\",\"id\":\"a\",\"x\":2}\n";
const RULE: &str = "[[rule]]\nname = \"r\"\non = \"sample\"\nwhen = \"x > 1\"\nimmediate = true\n";

/// A home, a rules file and a file with a secret.
struct Bench(TempDir);

impl Bench {
    fn new(channels: &str, receiver: &str) -> Bench {
        let bench = Bench(tempfile::tempdir().unwrap());
        let (token, address) = (bench.file("token"), bench.file("address"));
        let channels = channels
            .replace("URL", receiver)
            .replace("TOKEN", token.to_str().unwrap())
            .replace("ADDRESS", address.to_str().unwrap());
        fs::write(bench.file("alerts.toml"), format!("{RULE}{channels}")).unwrap();
        for (path, text) in [(token, SECRET), (address, &format!("{receiver}/{SECRET}"))] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        bench
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &[&str], proxy: Option<&str>) -> Output {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("fleet-alert"));
        command.arg("--rules").arg(self.file("alerts.toml")).args(args);
        command.env("FLEET_HOME", self.file("home"));
        for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        command.envs(proxy.map(|proxy| ("HTTP_PROXY", proxy)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may not read.
        let _ = child.stdin.take().unwrap().write_all(RECORD.as_bytes());
        child.wait_with_output().unwrap()
    }
}

/// All that stands in the files of a folder.
fn read_all(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&read_all(&path));
        } else {
            text.push_str(&String::from_utf8_lossy(&fs::read(path).unwrap()));
        }
    }
    text
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

const CHANNELS: &str = "
[channel.slack]\ntype = 'slack'\nurl_file = 'ADDRESS'
[channel.hook]\ntype = 'webhook'\nurl = 'URL'\ntoken_file = 'TOKEN'\nheaders = { X-Key_file = 'TOKEN' }
[channel.am]\ntype = 'alertmanager'\nurl = 'URL'\ntoken_file = 'TOKEN'
[channel.pager]\ntype = 'pagerduty'\nurl = 'URL'\nrouting_key_file = 'TOKEN'
[channel.sms]\ntype = 'sms'\nurl = 'URL'\naccount = 'AC1'\ntoken_file = 'TOKEN'\nfrom = '+15550100'\nto = ['+15550101']
[channel.phone]\ntype = 'ntfy'\nurl = 'URL'\ntopic_file = 'TOKEN'
[channel.deadman]\ntype = 'healthchecks'\nurl = 'URL'\nping_key_file = 'TOKEN'\nslug = 'a'
";

#[test]
fn no_secret_is_told_or_kept() {
    let receiver = Receiver::start();
    receiver.otherwise(|request| {
        let headers: String = request.headers.iter().map(|(n, v)| format!("{n}: {v} ")).collect();
        Answer::status(400).body(format!("{} {} {headers}", request.path, request.text()))
    });
    let bench = Bench::new(CHANNELS, &receiver.url(""));
    let mut all = String::new();
    for args in [&["--explain"][..], &["--send-test", "all"], &["--spool"], &["--check"]] {
        all.push_str(&said(&bench.run(args, None)));
    }
    assert!(all.contains("answered 400"), "{all}");
    all.push_str(&read_all(&bench.file("home")));
    let repeated = receiver.until(8).iter().any(|request| format!("{request:?}").contains(SECRET));
    assert!(repeated, "the receivers got them");
    assert!(!all.contains("hunter2"), "{all}");
}

#[test]
fn a_channel_whose_secret_is_missing_says_where_it_should_be() {
    let bench = Bench::new("[channel.slack]\ntype = 'slack'\nurl_file = '/nowhere'\n", "");
    let output = bench.run(&["--send-test", "slack"], None);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("'/nowhere'"), "{}", said(&output));
}

/// Takes one connection as a proxy does and leads it to this port; gives back what it was asked.
fn proxy(port: u16) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            asked.extend(byte);
        }
        stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
        let mut receiver = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut back, mut from) = (stream.try_clone().unwrap(), receiver.try_clone().unwrap());
        thread::spawn(move || io::copy(&mut from, &mut back));
        let _ = io::copy(&mut stream, &mut receiver);
        String::from_utf8(asked).unwrap()
    });
    (address, asked)
}

#[test]
fn a_proxy_of_the_environment_leads_to_the_receiver() {
    let receiver = Receiver::start();
    let (proxy, asked) = proxy(receiver.port());
    let channel = "[channel.hook]\ntype = 'webhook'\nurl = 'URL'\n";
    let bench = Bench::new(channel, "http://receiver.invalid:8080/hook");
    let output = bench.run(&["--send-test", "hook"], Some(&proxy));
    assert!(said(&output).contains("channel 'hook' took the test"), "{}", said(&output));
    assert!(asked.join().unwrap().starts_with("CONNECT receiver.invalid:8080 "));
    assert_eq!(receiver.requests()[0].path, "/hook");
}
