//! Servers that fail in each way that a server can.

use fleet_testkit::{Answer, Receiver};

use super::*;

fn hook(url: &str, more: &str) -> Box<dyn Carrier> {
    carrier(&format!("type = 'webhook'\nurl = '{url}'\n{more}"))
}

#[test]
fn each_status_is_told_from_the_others() {
    let receiver = Receiver::start();
    let mut hook = hook(&receiver.url("/hook"), "");
    for (status, expected) in [
        (200, "delivered"),
        (204, "delivered"),
        (400, "refused"),
        (401, "dead"),
        (404, "dead"),
        (410, "dead"),
        (500, "again"),
        (503, "again, channel"),
    ] {
        receiver.answer([Answer::status(status).body("so\nit is")]);
        let verdict = hook.deliver(&first());
        assert_eq!(word(&verdict), expected, "{status}");
        if status > 299 {
            assert_eq!(why(&verdict), format!("answered {status}: so it is"));
        }
    }
}

#[test]
fn too_many_requests_wait_for_as_long_as_the_server_says() {
    let receiver = Receiver::start();
    receiver.answer([Answer::status(429).header("Retry-After", "7")]);
    let verdict = hook(&receiver.url("/"), "").deliver(&first());
    let why = "answered 429".to_owned();
    assert_eq!(verdict, Verdict::Again { after: Some(seconds(7)), channel: true, why });
}

#[test]
fn a_redirect_is_not_followed() {
    let receiver = Receiver::start();
    let url = receiver.url("/loop");
    receiver.otherwise(move |_| Answer::status(307).header("Location", &url));
    let verdict = hook(&receiver.url("/loop"), "").deliver(&first());
    assert_eq!(word(&verdict), "refused");
    assert!(why(&verdict).contains("a redirect, which is not followed"), "{verdict:?}");
    assert_eq!(receiver.requests().len(), 1);
}

#[test]
fn a_server_that_is_silent_holds_nobody_beyond_the_time_limit() {
    let receiver = Receiver::start();
    receiver.answer([Answer::status(200).delay(seconds(3600))]);
    let verdict = hook(&receiver.url("/"), "timeout = '300ms'").deliver(&first());
    assert_eq!(word(&verdict), "again, channel");
    assert_eq!(why(&verdict), "gave no answer within 300ms");
}

#[test]
fn a_body_that_drips_does_not_hide_the_status() {
    let receiver = Receiver::start();
    let slow = |status| Answer::status(status).body("x".repeat(3600)).drip(seconds(1));
    receiver.answer([slow(200), slow(500)]);
    let mut hook = hook(&receiver.url("/"), "timeout = '300ms'");
    assert_eq!(hook.deliver(&first()), Verdict::Delivered);
    assert_eq!(word(&hook.deliver(&first())), "again");
}

#[test]
fn an_endless_body_is_read_to_a_bound() {
    let receiver = Receiver::start();
    receiver.answer([Answer::status(400).body(vec![b'x'; 8 << 20])]);
    let verdict = hook(&receiver.url("/"), "").deliver(&first());
    assert_eq!(word(&verdict), "refused");
    assert!(why(&verdict).len() < 300);
}

#[test]
fn a_connection_that_breaks_or_never_was_is_tried_again() {
    let receiver = Receiver::start();
    receiver.answer([Answer::close()]);
    let url = receiver.url("/");
    let mut hook = hook(&url, "");
    let broken = hook.deliver(&first());
    assert_eq!(word(&broken), "again, channel");
    drop(receiver);
    let refused = hook.deliver(&first());
    assert_eq!(word(&refused), "again, channel");
    assert!(why(&refused).starts_with("could not be connected to: "), "{refused:?}");
}

#[test]
fn a_host_that_has_no_address_is_tried_again() {
    let verdict = hook("http://fleet.invalid/", "timeout = '5s'").deliver(&first());
    assert_eq!(word(&verdict), "again, channel", "{verdict:?}");
}

#[test]
fn an_answer_that_is_no_http_is_tried_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"220 mail.example ESMTP\r\n").unwrap();
    });
    let verdict = hook(&url, "timeout = '5s'").deliver(&first());
    server.join().unwrap();
    assert_eq!(word(&verdict), "again, channel", "{verdict:?}");
}

#[test]
fn headers_that_never_end_hold_nobody_beyond_the_time_limit() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = b"HTTP/1.1 200 OK\r\nX: ".iter().chain(std::iter::repeat(&b'x'));
        // Until the other side has gone.
        while std::io::Write::write_all(&mut stream, &[*bytes.next().unwrap()]).is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let verdict = hook(&url, "timeout = '300ms'").deliver(&first());
    server.join().unwrap();
    assert_eq!(word(&verdict), "again, channel");
    assert_eq!(why(&verdict), "gave no answer within 300ms");
}

const SMS: &str = "type = 'sms'\naccount = 'AC1'\nfrom = '+15550100'\n";

#[test]
fn a_short_message_that_may_have_been_sent_is_not_sent_again() {
    let (_folder, token) = secret(SECRET);
    let receiver = Receiver::start();
    let text = format!(
        "{SMS}to = ['+15550101', '+15550102']\ntoken_file = '{token}'\nurl = '{}'\ntimeout = '300ms'",
        receiver.url("")
    );
    let mut sms = carrier(&text);
    receiver.answer([Answer::close()]);
    receiver.otherwise(|_| Answer::status(201));
    let verdict = sms.deliver(&first());
    assert_eq!(word(&verdict), "refused");
    assert!(why(&verdict).starts_with("took 1 of 2 messages: broke the connection"), "{verdict:?}");
    assert!(why(&verdict).ends_with("it may have arrived, so it is not sent again"));
    let numbers: Vec<_> = receiver.until(2).iter().map(|request| request.text()).collect();
    assert!(numbers[0].starts_with("To=%2B15550101&") && numbers[1].starts_with("To=%2B15550102&"));
    drop(receiver);
    let verdict = sms.deliver(&notification("another", "first", &[]));
    assert_eq!(word(&verdict), "again, channel", "what was surely not sent is tried again");
}

#[test]
fn who_got_a_short_message_does_not_get_it_again() {
    let (_folder, token) = secret(SECRET);
    let receiver = Receiver::start();
    let url = receiver.url("");
    let mut sms = carrier(&format!(
        "{SMS}to = ['+15550101', '+15550102']\ntoken_file = '{token}'\nurl = '{url}'"
    ));
    receiver.answer([Answer::status(201), Answer::status(500), Answer::status(201)]);
    assert_eq!(word(&sms.deliver(&first())), "again");
    assert_eq!(sms.deliver(&first()), Verdict::Delivered);
    let requests = receiver.requests();
    let second = |request: &fleet_testkit::Request| request.text().starts_with("To=%2B15550102&");
    assert_eq!(requests.iter().map(second).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(requests[0].path, "/2010-04-01/Accounts/AC1/Messages.json");
    let login = base64(&format!("AC1:{SECRET}"));
    assert_eq!(requests[0].header("authorization"), Some(format!("Basic {login}").as_str()));
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.encode(text)
}

#[test]
fn of_a_batch_with_a_wrong_alert_each_is_tried_and_the_wrong_one_is_named() {
    let receiver = Receiver::start();
    receiver.otherwise(|request| {
        let wrong = request.text().contains("second");
        Answer::status(if wrong { 400 } else { 200 }).body("bad label")
    });
    let mut cluster = carrier(&format!("type = 'alertmanager'\nurl = '{}'", receiver.url("")));
    let two = [alert("first", "firing"), alert("second", "firing")];
    let verdict = cluster.deliver(&notification("a", "first", &two));
    assert_eq!(word(&verdict), "refused");
    assert_eq!(why(&verdict), "took 1 of 2 alerts, answered 400: bad label");
    let requests = receiver.requests();
    let sizes: Vec<_> = requests.iter().map(|r| r.json().as_array().unwrap().len()).collect();
    assert_eq!(sizes, [2, 1, 1]);
    assert_eq!(requests[0].path, "/api/v2/alerts");
}

#[test]
fn every_member_of_a_cluster_is_told_and_one_is_enough() {
    let members = [Receiver::start(), Receiver::start()];
    let urls: Vec<String> = members.iter().map(|member| member.url("/am/")).collect();
    let mut cluster =
        carrier(&format!("type = 'alertmanager'\nurls = ['{}', '{}']", urls[0], urls[1]));
    members[0].answer([Answer::status(500)]);
    assert_eq!(cluster.deliver(&first()), Verdict::Delivered);
    for member in &members {
        assert_eq!(member.until(1)[0].path, "/am/api/v2/alerts");
    }
    members[0].answer([Answer::status(503)]);
    members[1].answer([Answer::status(503)]);
    assert_eq!(word(&cluster.deliver(&first())), "again, channel");
}
