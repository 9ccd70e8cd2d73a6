//! The server as scrapers meet it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use fleet_core::{Sample, Subject, Timestamp};
use fleet_exposition::{Exporter, Server};

const RETRY: Duration = Duration::from_millis(20);

/// A port that was free a moment ago.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn start(address: SocketAddr) -> Server {
    Server::start(address, RETRY, |_| {}).unwrap()
}

fn publish(server: &Server) {
    let mut host = Sample::new(Subject::Host, Timestamp::from_nanos(0));
    host.measures.load1 = Some(0.5);
    server.publish(Exporter::default().round(&[host]).0);
}

fn connect(address: SocketAddr) -> TcpStream {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return stream,
            Err(e) => assert!(Instant::now() < deadline, "nobody listens on {address}: {e}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a request without a body is answered.
fn ask(address: SocketAddr, line: &str, headers: &str) -> String {
    let mut stream = connect(address);
    write!(stream, "{line} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn paths_and_formats() {
    let address = free();
    let server = start(address);
    publish(&server);
    let open = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let answer = ask(address, "GET /metrics", open);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"));
    assert!(answer.contains("\nfleet_host_load1 0.5\n") && answer.ends_with("# EOF\n"), "{answer}");
    for path in ["/metrics", "/metrics/prometheus", "/metrics?a=b"] {
        let answer = ask(address, &format!("GET {path}"), "");
        assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8"));
        assert!(answer.contains("\nfleet_host_load1 0.5\n"), "{answer}");
    }
    assert!(ask(address, "GET /", "").contains("/metrics\n"));
    assert!(ask(address, "GET /-/healthy", "").ends_with("ok\n"));
    assert!(ask(address, "GET /none", "").starts_with("HTTP/1.1 404 "));
    assert!(ask(address, "POST /metrics", "").starts_with("HTTP/1.1 405 "));
    let head = ask(address, "HEAD /metrics", "");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn a_scraper_that_comes_before_the_first_round_waits_for_it_within_its_deadline() {
    let address = free();
    let server = start(address);
    let begin = Instant::now();
    let headers = "X-Prometheus-Scrape-Timeout-Seconds: 0.6\r\n";
    let answer = ask(address, "GET /metrics", headers);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(begin.elapsed() >= Duration::from_millis(100));
    let waiting = std::thread::spawn(move || ask(address, "GET /metrics", ""));
    while !waiting.is_finished() && begin.elapsed() < Duration::from_millis(400) {
        std::thread::sleep(Duration::from_millis(5));
    }
    publish(&server);
    assert!(waiting.join().unwrap().starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_taken_port_is_tried_again() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let server = start(address);
    publish(&server);
    drop(other);
    assert!(ask(address, "GET /metrics", "").starts_with("HTTP/1.1 200 "));
}

#[test]
fn an_address_of_somebody_else_is_refused() {
    // Of the block for documentation (RFC 5737): no machine has it.
    let address = "192.0.2.1:9551".parse().unwrap();
    let error = Server::start(address, RETRY, |_| {}).err().unwrap();
    assert_eq!(error.to_string(), "cannot listen on 192.0.2.1:9551");
}

#[test]
fn fifty_scrapers_at_once() {
    let address = free();
    let server = start(address);
    publish(&server);
    let scrapers: Vec<_> =
        (0..50).map(|_| std::thread::spawn(move || ask(address, "GET /metrics", ""))).collect();
    for scraper in scrapers {
        assert!(scraper.join().unwrap().starts_with("HTTP/1.1 200 "));
    }
}

/// Who says nothing holds no more than a slot, and that not for long.
#[test]
fn silent_clients_are_bounded_and_hung_up_on() {
    let address = free();
    let server = start(address);
    publish(&server);
    let mut silent: Vec<TcpStream> = (0..200).map(|_| connect(address)).collect();
    // Those beyond the bound are closed or refused; those within it when their time is over.
    let deadline = Instant::now() + Duration::from_secs(20);
    for stream in &mut silent {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        assert!(Instant::now() < deadline, "a silent client was not hung up on");
    }
    assert!(ask(address, "GET /metrics", "").starts_with("HTTP/1.1 200 "));
}

#[test]
fn too_many_scrapers_are_told_so() {
    let address = free();
    let server = start(address);
    let silent: Vec<TcpStream> = (0..64).map(|_| connect(address)).collect();
    let answer = ask(address, "GET /metrics", "");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("too many"), "{answer}");
    drop(silent);
    publish(&server);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !ask(address, "GET /metrics", "").starts_with("HTTP/1.1 200 ") {
        assert!(Instant::now() < deadline, "the slots were not given back");
    }
}

#[test]
fn garbage_and_floods_harm_nobody() {
    let address = free();
    let server = start(address);
    publish(&server);
    for bytes in [&b"\0\xff\x80\r\n\r\n"[..], &[b'a'; 1 << 20], b"GET /metrics HTTP/9\r\n\r\n"] {
        let mut stream = connect(address);
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        let _ = stream.write_all(bytes);
        let _ = stream.read_to_end(&mut Vec::new());
        assert!(ask(address, "GET /metrics", "").starts_with("HTTP/1.1 200 "));
    }
}
