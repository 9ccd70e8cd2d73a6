//! The HTTP server that scrapers ask.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::form::Form;
use crate::samples::Exposition;

/// So many scrapers are answered at once; as many again are told that there are too many, and
/// further ones are hung up on.
const SCRAPERS: usize = 64;

/// How long a request may take to arrive.
const REQUEST: Duration = Duration::from_secs(5);

/// How long a connection may last in all: the wait for the first round, and a slow reader.
const CONNECTION: Duration = Duration::from_secs(30);

/// The head of a request may have so many bytes.
const HEAD_BYTES: usize = 16 << 10;

/// How long a scraper waits that does not say it: the default of Prometheus.
const PATIENCE: Duration = Duration::from_secs(10);

/// So much earlier than the scraper's deadline is it told that there is nothing yet.
const MARGIN: Duration = Duration::from_millis(500);

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is none of this machine, or not allowed.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// No thread or no event queue is to be had.
    #[error("cannot start the server")]
    Start(#[source] io::Error),
}

/// The last round, and its two forms once somebody has asked for them.
#[derive(Default)]
struct Page {
    exposition: Exposition,
    text: OnceLock<Bytes>,
    open_metrics: OnceLock<Bytes>,
}

impl Page {
    fn body(&self, form: Form) -> Bytes {
        let body = match form {
            Form::Text => &self.text,
            Form::OpenMetrics => &self.open_metrics,
        };
        body.get_or_init(|| self.exposition.text(form).into()).clone()
    }
}

type Pages = watch::Receiver<Option<Arc<Page>>>;

/// Serves the round that was published last, from a thread of its own.
pub struct Server {
    pages: watch::Sender<Option<Arc<Page>>>,
}

impl Server {
    /// Listens on the address and begins to serve. A port that is taken is no error: it is tried
    /// again after each `retry`. What happens is said in sentences.
    ///
    /// # Errors
    /// The address cannot be listened on whoever else does, or the system refuses a thread.
    pub fn start(
        address: SocketAddr,
        retry: Duration,
        say: fn(String),
    ) -> Result<Server, ServeError> {
        let listener = match TcpListener::bind(address) {
            Ok(listener) => Some(listener),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
                say(format!(
                    "{address} is taken by somebody else: sampling goes on, and it is tried again \
                     every {retry:?}"
                ));
                None
            }
            Err(source) => return Err(ServeError::Bind { address, source }),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(ServeError::Start)?;
        let (sender, pages) = watch::channel(None);
        let serve = async move {
            let listener = bound(listener, address, retry).await;
            if let Err(e) = accept_all(listener, pages, say).await {
                say(format!("nothing is served any longer on {address}: {e}"));
            }
        };
        thread::Builder::new()
            .name("serve".to_owned())
            .spawn(move || runtime.block_on(serve))
            .map_err(ServeError::Start)?;
        Ok(Server { pages: sender })
    }

    /// From now on scrapers get this round.
    pub fn publish(&self, exposition: Exposition) {
        let page = Page { exposition, ..Page::default() };
        self.pages.send_replace(Some(Arc::new(page)));
    }
}

/// The listener, once the port is free.
async fn bound(
    mut listener: Option<TcpListener>,
    address: SocketAddr,
    retry: Duration,
) -> TcpListener {
    loop {
        if let Some(listener) = listener {
            return listener;
        }
        sleep(retry).await;
        listener = TcpListener::bind(address).ok();
    }
}

async fn accept_all(listener: TcpListener, pages: Pages, say: fn(String)) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let address = listener.local_addr()?;
    say(format!("listening on http://{address}/metrics"));
    if !address.ip().is_loopback() {
        say(format!(
            "there is no password: whoever reaches {address} reads names, labels and usage of all \
             processes"
        ));
    }
    let (answer, refuse) = (routes(pages), Router::new().fallback(too_many));
    let active = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No descriptor left, most likely: connections that end will free some.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let slot = Slot::take(&active);
        let routes = match slot.before {
            n if n < SCRAPERS => answer.clone(),
            n if n < 2 * SCRAPERS => refuse.clone(),
            _ => continue,
        };
        tokio::spawn(async move {
            let _ = timeout(CONNECTION, one(stream, routes)).await;
            drop(slot);
        });
    }
}

/// Serves one request. Connections are not kept: a scraper comes back after seconds, and one that
/// holds a connection would hold a slot.
async fn one(stream: tokio::net::TcpStream, routes: Router) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(REQUEST);
    server.keep_alive(false).max_buf_size(HEAD_BYTES);
    // What goes wrong on a connection is the client's affair.
    let _ = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes)).await;
}

/// A place among those who are served, given back when dropped.
struct Slot {
    active: Arc<AtomicUsize>,
    /// How many were there before.
    before: usize,
}

impl Slot {
    fn take(active: &Arc<AtomicUsize>) -> Slot {
        Slot { before: active.fetch_add(1, Ordering::Relaxed), active: Arc::clone(active) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.active.fetch_sub(1, Ordering::Relaxed);
    }
}

fn routes(pages: Pages) -> Router {
    Router::new()
        .route("/", get(|| async { "fleet-metrics: Prometheus and OpenMetrics are at /metrics\n" }))
        .route("/-/healthy", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics))
        .route("/metrics/prometheus", get(metrics))
        .with_state(pages)
}

async fn too_many() -> (StatusCode, &'static str) {
    (StatusCode::SERVICE_UNAVAILABLE, "too many scrapers at once\n")
}

async fn metrics(State(mut pages): State<Pages>, headers: HeaderMap) -> Response {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let form = Form::negotiate(text(header::ACCEPT).unwrap_or_default());
    let wait = patience(headers.get(TIMEOUT).and_then(|value| value.to_str().ok()));
    let page = match timeout(wait, pages.wait_for(Option::is_some)).await {
        Ok(Ok(page)) => page.clone(),
        _ => None,
    };
    match page {
        Some(page) => {
            ([(header::CONTENT_TYPE, form.content_type())], page.body(form)).into_response()
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, "no sample was taken yet\n").into_response(),
    }
}

/// By which a scraper says how long it waits.
const TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";

/// How long a scraper can be let wait for the first round.
fn patience(said: Option<&str>) -> Duration {
    let said = said.and_then(|text| text.trim().parse().ok());
    let said = said.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    said.unwrap_or(PATIENCE).saturating_sub(MARGIN).min(CONNECTION - MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_is_answered_before_it_gives_up() {
        let ms = Duration::from_millis;
        assert_eq!(patience(Some("3")), ms(2500));
        assert_eq!(patience(Some("0.2")), ms(0));
        assert_eq!(patience(Some("1e9")), ms(29_500));
        for odd in [None, Some("-1"), Some("NaN"), Some("soon")] {
            assert_eq!(patience(odd), ms(9_500), "{odd:?}");
        }
    }
}
