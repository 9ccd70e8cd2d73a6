//! `--listen`, as scrapers and the person at the terminal meet it.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::ChildStderr;

use super::*;

/// A tool that listens, until it is dropped.
pub(crate) struct Listener {
    tool: Child,
    said: std::io::Lines<BufReader<ChildStderr>>,
}

impl Listener {
    pub(crate) fn start(fleet: &Fleet, args: &[&str]) -> Listener {
        let mut command = fleet.command(&["--interval", "100ms"]);
        let command = command.args(args).stdin(Stdio::null());
        let mut tool = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(tool.stderr.take().unwrap()).lines();
        Listener { tool, said }
    }

    /// The next line on standard error.
    fn says(&mut self) -> String {
        self.said.next().unwrap().unwrap()
    }

    /// The address that it says it listens on.
    pub(crate) fn address(&mut self) -> String {
        let line = self.says();
        let address = line.split_once("listening on http://").map(|(_, rest)| rest);
        address.and_then(|rest| rest.strip_suffix("/metrics")).expect(&line).to_owned()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.tool.kill();
        let _ = self.tool.wait();
    }
}

/// The body of an answer, with its head before it.
pub(crate) fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn rounds_are_served_and_nothing_is_printed() {
    let mut fleet = Fleet::new();
    fleet.start("a");
    let mut tool = Listener::start(&fleet, &["--listen", "0"]);
    let address = tool.address();
    assert!(get(&address, "/metrics").contains("fleet_process_threads{id=\"a\",name=\"a\"} 1\n"));
    fleet.start("b");
    until("b is served", || get(&address, "/metrics/prometheus").contains("{id=\"b\""));
    tool.tool.kill().unwrap();
    let mut printed = String::new();
    tool.tool.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert_eq!(printed, "");
}

#[test]
fn what_is_to_be_printed_too_is_printed() {
    let fleet = Fleet::new();
    let mut tool = Listener::start(&fleet, &["--listen", "0", "-o", "jsonl"]);
    tool.address();
    let mut lines = BufReader::new(tool.tool.stdout.take().unwrap()).lines();
    assert_eq!(parse(&lines.next().unwrap().unwrap())[0].subject, Subject::Host);
}

#[test]
fn a_taken_port_is_said_and_tried_again_while_sampling_goes_on() {
    let fleet = Fleet::new();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    let mut tool = Listener::start(&fleet, &["--listen", &port, "-o", "jsonl"]);
    let said = tool.says();
    assert!(said.contains("is taken by somebody else: sampling goes on"), "{said}");
    let mut lines = BufReader::new(tool.tool.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        lines.next().unwrap().unwrap();
    }
    drop(other);
    let address = tool.address();
    assert!(get(&address, "/metrics").contains("fleet_host_load1 "));
}

#[test]
fn an_address_that_cannot_be_had_is_an_error_at_once() {
    let fleet = Fleet::new();
    let output = fleet.run(&["--listen", "192.0.2.1:9551"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("cannot listen on 192.0.2.1:9551: "), "{}", err(&output));
}

#[test]
fn who_listens_to_the_world_is_warned() {
    let fleet = Fleet::new();
    let mut tool = Listener::start(&fleet, &["--listen", "0.0.0.0:0"]);
    tool.address();
    let said = tool.says();
    assert!(said.contains("there is no password"), "{said}");
}
