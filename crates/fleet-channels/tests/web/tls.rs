//! Servers with certificates: whose is trusted, and what is said of one that is not.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

/// A server that answers `200` to so many connections, and the certificate that it shows.
fn server(name: &str, connections: usize) -> (String, String, thread::JoinHandle<()>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(config);
    let serving = thread::spawn(move || {
        for stream in listener.incoming().take(connections) {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(session, stream.unwrap());
            // Who refuses the certificate says nothing more.
            if stream.read(&mut [0; 4096]).is_ok_and(|bytes| bytes > 0) {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    (format!("https://127.0.0.1:{port}/"), cert.pem(), serving)
}

#[test]
fn a_certificate_of_ones_own_is_refused_until_it_is_named() {
    let (url, pem, serving) = server("127.0.0.1", 2);
    let refused = carrier(&format!("type = 'webhook'\nurl = '{url}'")).deliver(&first());
    assert_eq!(word(&refused), "again, channel");
    assert!(
        why(&refused).contains("TLS certificate") && why(&refused).contains("ca_file"),
        "{refused:?}"
    );
    let (_folder, file) = secret(&pem);
    let mut trusting = carrier(&format!("type = 'webhook'\nurl = '{url}'\nca_file = '{file}'"));
    assert_eq!(trusting.deliver(&first()), Verdict::Delivered);
    serving.join().unwrap();
}

#[test]
fn a_certificate_of_another_host_is_refused_and_no_message_was_sent() {
    let (url, pem, serving) = server("other.example", 1);
    let (_folder, file) = secret(&pem);
    let (_other, token) = secret(SECRET);
    let mut sms = carrier(&format!(
        "type = 'sms'\naccount = 'AC1'\nfrom = '+15550100'\nto = ['+15550101']\nurl = '{url}'\n\
         token_file = '{token}'\nca_file = '{file}'"
    ));
    let verdict = sms.deliver(&first());
    assert_eq!(word(&verdict), "again, channel", "{verdict:?}");
    assert!(why(&verdict).contains("not valid for"), "{verdict:?}");
    serving.join().unwrap();
}

/// The kernel takes the connection; nobody ever answers.
#[test]
fn a_handshake_that_never_ends_holds_nobody_beyond_the_time_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let mut hook = carrier(&format!("type = 'webhook'\nurl = '{url}'\ntimeout = '300ms'"));
    let verdict = hook.deliver(&first());
    assert_eq!(word(&verdict), "again, channel");
    assert_eq!(why(&verdict), "gave no answer within 300ms");
}

#[test]
fn a_file_without_certificates_is_refused() {
    for text in ["", "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n"] {
        let (_folder, file) = secret(text);
        let channel = channel(&format!("type = 'webhook'\nurl = 'https://a'\nca_file = '{file}'"));
        let error = channel.carrier().err().unwrap().to_string();
        assert!(error.contains("holds no certificate"), "{error}");
    }
    let channel = channel("type = 'webhook'\nurl = 'https://a'\nca_file = '/nowhere'");
    assert!(channel.carrier().is_err());
}
