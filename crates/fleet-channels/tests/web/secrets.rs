//! No secret is ever shown: not when a channel is printed, not in an error, not when a server repeats it.

use fleet_testkit::{Answer, Receiver};

use super::*;

/// Channels of each type that has secrets, with the file they stand in, and the address that they ask.
fn all(file: &str, url: &str) -> Vec<String> {
    [
        format!(
            "type = 'webhook'\nurl = '{url}'\ntoken_file = '{file}'\nsignature_file = '{file}'\n\
             headers = {{ X-Key_file = '{file}' }}"
        ),
        format!("type = 'alertmanager'\nurl = '{url}'\nuser = 'u'\npassword_file = '{file}'"),
        format!("type = 'pagerduty'\nurl = '{url}'\nrouting_key_file = '{file}'"),
        format!("type = 'ntfy'\nurl = '{url}'\ntopic_file = '{file}'\ntoken_file = '{file}'"),
        format!("type = 'healthchecks'\nurl = '{url}'\nping_key_file = '{file}'\nslug = 'a'"),
        format!(
            "type = 'sms'\nurl = '{url}'\naccount = 'AC1'\nfrom = '+15550100'\nto = ['+15550101']\n\
             token_file = '{file}'"
        ),
    ]
    .map(|text| format!("{text}\ntimeout = '2s'"))
    .to_vec()
}

/// Holds what was said against what must not be.
fn silent(said: &str) {
    use base64::Engine;
    let coded = base64::prelude::BASE64_STANDARD.encode(format!("u:{SECRET}"));
    assert!(!said.contains("hunter2") && !said.contains(&coded), "{said}");
}

/// A server that answers with all that it was told.
fn parrot(receiver: &Receiver, status: u16) {
    receiver.otherwise(move |request| {
        let headers: String = request.headers.iter().map(|(n, v)| format!("{n}: {v}\n")).collect();
        Answer::status(status).body(format!("{} {headers} {}", request.path, request.text()))
    });
}

#[test]
fn what_a_server_repeats_is_struck_out() {
    let (_folder, file) = secret(SECRET);
    let receiver = Receiver::start();
    for status in [302, 400, 401, 404, 429, 500] {
        parrot(&receiver, status);
        for text in all(&file, &receiver.url("")) {
            silent(why(&carrier(&text).deliver(&first())));
        }
    }
}

#[test]
fn an_address_that_is_a_secret_is_struck_out_whether_it_answers_or_not() {
    let receiver = Receiver::start();
    parrot(&receiver, 404);
    let (_folder, file) = secret(&receiver.url(&format!("/services/{SECRET}")));
    let mut carriers: Vec<Box<dyn Carrier>> = ["slack", "webhook", "healthchecks"]
        .map(|kind| carrier(&format!("type = '{kind}'\nurl_file = '{file}'\ntimeout = '2s'")))
        .into();
    for carrier in &mut carriers {
        silent(why(&carrier.deliver(&first())));
    }
    drop(receiver);
    for carrier in &mut carriers {
        let verdict = carrier.deliver(&first());
        assert_eq!(word(&verdict), "again, channel");
        silent(why(&verdict));
    }
}

#[test]
fn a_secret_of_the_wrong_form_is_not_repeated() {
    for text in [SECRET, &format!("https://u:{SECRET}@host/"), &format!("ftp://{SECRET}/")] {
        let (_folder, file) = secret(text);
        let error =
            channel(&format!("type = 'slack'\nurl_file = '{file}'")).carrier().err().unwrap();
        silent(&format!("{error} {error:?}"));
    }
    let (_folder, file) = secret("hunter2");
    let pager = format!("type = 'pagerduty'\nrouting_key_file = '{file}'");
    silent(&channel(&pager).carrier().err().unwrap().to_string());
    let (_folder, file) = secret("hunter2\nX-Evil: 1");
    let hook = format!("type = 'webhook'\nurl = 'http://a'\nheaders = {{ X_file = '{file}' }}");
    silent(&channel(&hook).carrier().err().unwrap().to_string());
}

#[test]
fn a_channel_that_is_printed_shows_where_secrets_stand_and_none() {
    let (_folder, file) = secret(SECRET);
    for text in all(&file, "http://127.0.0.1:9") {
        let channel = channel(&text);
        let _carrier = channel.carrier().unwrap();
        let shown = format!("{channel:?}");
        silent(&shown);
        assert!(shown.contains(&file), "{shown}");
    }
}

#[test]
fn a_token_that_no_header_can_hold_is_told_without_it() {
    let (_folder, file) = secret("hunter2\nhunter2");
    for kind in ["webhook", "ntfy"] {
        let text = format!("type = '{kind}'\ntoken_file = '{file}'\nurl = 'http://a'");
        let text = if kind == "ntfy" { format!("{text}\ntopic = 'a'") } else { text };
        let error = channel(&text).carrier().err().unwrap().to_string();
        silent(&error);
        assert!(error.contains("'token'"), "{error}");
    }
}
