//! A web server of the test's own on loopback that answers as it is told.
//!
//! ```no_run
//! # use fleet_testkit::{Answer, Receiver};
//! let receiver = Receiver::start();
//! receiver.answer([Answer::status(429).header("Retry-After", "1"), Answer::status(500)]);
//! // … something posts to receiver.url("/hook") …
//! let requests = receiver.until(3);
//! assert_eq!(requests[2].json()["kind"], "notification");
//! ```

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::until::find;

/// One answer, whole: what is said, and how slowly.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    delay: Duration,
    drip: Duration,
    close: bool,
}

impl Answer {
    /// An answer with this status and an empty body, at once.
    pub fn status(status: u16) -> Answer {
        let (headers, body) = (Vec::new(), Vec::new());
        Answer { status, headers, body, delay: Duration::ZERO, drip: Duration::ZERO, close: false }
    }

    /// The connection is closed without a word.
    pub fn close() -> Answer {
        Answer { close: true, ..Answer::status(0) }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Answer {
        self.body = body.into();
        self
    }

    /// Waits so long before the first byte.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Answer {
        self.delay = delay;
        self
    }

    /// Waits so long before each byte of the body.
    #[must_use]
    pub fn drip(mut self, drip: Duration) -> Answer {
        self.drip = drip;
        self
    }

    fn head(&self) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} Told\r\n", self.status);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        text.into_bytes()
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// `POST`.
    pub method: String,
    /// What follows the host, with its query.
    pub path: String,
    /// In their order, as they were written.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
    /// When its last byte was read.
    pub at: Instant,
    /// The status that it was answered with; 0 for a connection that was closed without a word.
    pub answered: u16,
}

impl Request {
    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        all.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// It is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

/// The server. It is gone when it is dropped, with all that it still holds open.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<thread::JoinHandle<()>>,
}

type Judge = dyn Fn(&Request) -> Answer + Send + Sync;

#[derive(Default)]
struct Inner {
    script: VecDeque<Answer>,
    otherwise: Option<Arc<Judge>>,
    requests: Vec<Request>,
    open: Vec<TcpStream>,
    stopped: bool,
}

#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
    stop: Condvar,
}

impl Receiver {
    /// A server at a free port. It answers `200 ok` until it is told otherwise.
    ///
    /// # Panics
    /// There is no free port.
    #[allow(clippy::new_without_default, reason = "it opens a port")]
    pub fn start() -> Receiver {
        Receiver::at(0)
    }

    /// A server at this port, where one was before.
    ///
    /// # Panics
    /// The port is taken.
    #[track_caller]
    pub fn at(port: u16) -> Receiver {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        let acceptor = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let theirs = Arc::clone(&ours);
                if !ours.keep(&stream) {
                    return;
                }
                thread::spawn(move || theirs.serve(&stream));
            }
        });
        Receiver { address, shared, acceptor: Some(acceptor) }
    }

    /// Its address with this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers the next requests so, one each, in this order.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.lock().script.extend(answers);
    }

    /// Answers so whatever no [`Receiver::answer`] is left for.
    pub fn otherwise(&self, judge: impl Fn(&Request) -> Answer + Send + Sync + 'static) {
        self.shared.lock().otherwise = Some(Arc::new(judge));
    }

    /// What has arrived so far, in the order in which it did.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// Waits until at least so many requests have arrived.
    ///
    /// # Panics
    /// They do not come in time.
    #[track_caller]
    pub fn until(&self, many: usize) -> Vec<Request> {
        let look = || Some(self.requests()).filter(|all| all.len() >= many);
        find(&format!("{many} requests arrived"), look, || format!("{:#?}", self.requests()))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let open = {
            let mut inner = self.shared.lock();
            inner.stopped = true;
            std::mem::take(&mut inner.open)
        };
        self.shared.stop.notify_all();
        for stream in open {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        let _ = self.acceptor.take().map(thread::JoinHandle::join);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Remembers a connection, to end it; no more once all is over.
    fn keep(&self, stream: &TcpStream) -> bool {
        let mut inner = self.lock();
        inner.open.extend(stream.try_clone());
        !inner.stopped
    }

    /// Takes requests from one connection until it is closed.
    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Ok(Some(request)) = read(&mut reader) {
            if self.reply(stream, request).is_err() {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
    }

    fn reply(&self, mut stream: &TcpStream, mut request: Request) -> io::Result<()> {
        let answer = {
            let mut inner = self.lock();
            let answer = inner.script.pop_front().unwrap_or_else(|| match &inner.otherwise {
                Some(judge) => judge(&request),
                None => Answer::status(200).body("ok"),
            });
            request.answered = answer.status;
            inner.requests.push(request);
            answer
        };
        self.wait(answer.delay)?;
        if answer.close {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        stream.write_all(&answer.head())?;
        if answer.drip.is_zero() {
            return stream.write_all(&answer.body);
        }
        answer.body.iter().try_for_each(|byte| {
            self.wait(answer.drip)?;
            stream.write_all(&[*byte])
        })
    }

    /// Lets time pass, but not beyond the end of the server.
    fn wait(&self, time: Duration) -> io::Result<()> {
        let inner = self.lock();
        let (inner, _) = self.stop.wait_timeout_while(inner, time, |i| !i.stopped).unwrap();
        if inner.stopped { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }
}

/// One request; nothing at the end of the connection.
fn read(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let first = line(reader)?;
    if first.is_empty() {
        return Ok(None);
    }
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let header = line(reader)?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut request =
        Request { method, path, headers, body: Vec::new(), at: Instant::now(), answered: 0 };
    request.body = body(reader, &request)?;
    request.at = Instant::now();
    Ok(Some(request))
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn body(reader: &mut impl BufRead, request: &Request) -> io::Result<Vec<u8>> {
    if request.header("Transfer-Encoding").is_some_and(|coding| coding == "chunked") {
        return chunks(reader);
    }
    let length = request.header("Content-Length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(body)
}

fn chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let length = usize::from_str_radix(&line(reader)?, 16).map_err(io::Error::other)?;
        reader.by_ref().take(length as u64).read_to_end(&mut body)?;
        line(reader)?;
        if length == 0 {
            return Ok(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(receiver: &Receiver, text: &str) -> String {
        let mut stream = TcpStream::connect(receiver.address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn it_answers_as_it_is_told_and_remembers() {
        let receiver = Receiver::start();
        receiver.answer([Answer::status(429).header("Retry-After", "1"), Answer::close()]);
        let post = "POST /a?b HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
        let both = ask(&receiver, &format!("{post}{post}"));
        assert!(both.starts_with("HTTP/1.1 429 Told\r\nRetry-After: 1\r\n"), "{both}");
        assert_eq!(both.matches("HTTP/1.1").count(), 1, "the second was closed: {both}");
        let chunked = "PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
        assert!(ask(&receiver, chunked).ends_with("\r\n\r\nok"));
        let seen: Vec<_> =
            receiver.until(3).iter().map(|r| (r.path.clone(), r.text(), r.answered)).collect();
        let seen: Vec<_> = seen.iter().map(|(p, t, a)| (p.as_str(), t.as_str(), *a)).collect();
        assert_eq!(seen, [("/a?b", "{}", 429), ("/a?b", "{}", 0), ("/", "ab", 200)]);
    }

    #[test]
    fn its_end_does_not_wait_for_slow_answers() {
        let receiver = Receiver::start();
        receiver.otherwise(|_| Answer::status(200).body("slow").drip(Duration::from_secs(3600)));
        let mut stream = TcpStream::connect(receiver.address).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        receiver.until(1);
        let port = receiver.port();
        drop(receiver);
        drop(Receiver::at(port));
    }
}
