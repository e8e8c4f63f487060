//! The local HTTP API.
//!
//! Owns: the one thread that serves the listeners of any number of nodes, the routes, and who is let in.
//! Never does: touch a machine: it wishes through the node's port, as every local client.

mod content;
mod inspect;
mod metrics;
mod problem;
mod shape;
mod stream;
mod written;

pub use written::Written;

use super::handle::NodePort;
use crate::base::{Id, Span};
use crate::overlay::directory::tuning::REPLICAS_MAX;
use crate::overlay::{Command, Failure, Reply};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use log::warn;
use problem::Problem;
use serde::Deserialize;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio::sync::{Semaphore, oneshot};

/// The thread that serves the API of every node of this process.
pub struct ApiServer {
    runtime: tokio::runtime::Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// One node's API: dropped, it takes no new requests and closes when those under way are answered.
pub struct Served {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

/// Why the API cannot listen: one line that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError(String);

/// What the handlers of one node share.
#[derive(Clone)]
struct Node {
    port: Arc<dyn NodePort>,
    token: Option<Arc<str>>,
    requests: Arc<Semaphore>,
    transfers: Arc<Semaphore>,
}

/// What may be said behind the question mark.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    /// How long to wait for the result, as in `10s`.
    timeout: Option<String>,
    /// How long something is to be kept, as in `30d`.
    lifetime: Option<String>,
    /// On how many nodes.
    replicas: Option<u8>,
    /// Compare-and-swap: the version that must be there.
    expected: Option<u64>,
}

/// Opens an API's address.
pub fn bind(address: SocketAddr) -> Result<TcpListener, ApiError> {
    TcpListener::bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            ApiError(format!("API address {address} is in use: stop whatever has it, or choose another (--api-listen)"))
        }
        _ => ApiError(format!("API address {address}: {error}")),
    })
}

impl ApiServer {
    /// Starts the thread.
    pub fn start() -> io::Result<ApiServer> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(TRANSFERS_MAX).build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name("arras-api".to_owned()).spawn(move || {
            // Ends when told to, and as well when the sender is gone.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_timeout(GRACE);
        })?;
        Ok(ApiServer { runtime: handle, stop: Some(stop), thread: Some(thread) })
    }

    /// Serves one node on this listener. With a token, every request but health checks must carry it.
    pub fn serve(&self, listener: TcpListener, port: Arc<dyn NodePort>, token: Option<&str>) -> io::Result<Served> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let node = Node {
            port,
            token: token.map(Arc::from),
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            transfers: Arc::new(Semaphore::new(TRANSFERS_MAX)),
        };
        self.runtime.spawn(async move {
            let served = async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                axum::serve(listener, routes(node)).with_graceful_shutdown(async { drop(stopped.await) }).await
            };
            if let Err(error) = served.await {
                warn!("the API on {address} has ended: {error}");
            }
        });
        Ok(Served { address, _stop: stop })
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("the API thread ended in a panic");
        }
    }
}

impl Served {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Node {
    /// Wishes, and waits for the result at most this long.
    async fn ask(&self, command: Command, timeout: Span) -> Result<Reply, Failure> {
        let (sender, receiver) = oneshot::channel();
        // Nobody waiting any more is fine.
        self.port.wish(command, Box::new(move |result| drop(sender.send(result))));
        match tokio::time::timeout(timeout.into(), receiver).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Failure::Stopping),
            Err(_) => Err(Failure::TimedOut),
        }
    }
}

impl Query {
    fn timeout(&self) -> Result<Span, Problem> {
        self.span(&self.timeout, "timeout").map(|span| span.unwrap_or(super::handle::TIMEOUT))
    }

    fn kept(&self) -> Result<super::objects::Kept, Problem> {
        let default = super::objects::Kept::default();
        let lifetime = self.lifetime()?.unwrap_or(default.lifetime);
        let replicas = match self.replicas {
            None => default.replicas,
            Some(replicas) if (1..=REPLICAS_MAX).contains(&replicas) => replicas,
            Some(replicas) => {
                let line =
                    format!("replicas is {replicas}, but must be 1 to {REPLICAS_MAX}; without it the node decides");
                return Err(Problem::usage(line));
            }
        };
        Ok(super::objects::Kept { lifetime, replicas })
    }

    /// Versions are compared where there are versions.
    fn expects_nothing(&self) -> Result<(), Problem> {
        match self.expected {
            None => Ok(()),
            Some(_) => Err(Problem::usage("expected is for records".to_owned())),
        }
    }

    fn lifetime(&self) -> Result<Option<Span>, Problem> {
        let lifetime = self.span(&self.lifetime, "lifetime")?;
        if lifetime == Some(Span::ZERO) {
            return Err(Problem::usage("lifetime must be above zero".to_owned()));
        }
        Ok(lifetime)
    }

    fn span(&self, text: &Option<String>, name: &str) -> Result<Option<Span>, Problem> {
        let span = text.as_deref().map(super::config::keys::span).transpose();
        span.map_err(|why| Problem::usage(format!("{name} {why}")))
    }
}

fn routes(node: Node) -> Router {
    Router::new()
        .route("/healthz", get(inspect::healthz))
        .route("/readyz", get(inspect::readyz))
        .route("/metrics", get(inspect::metrics))
        .route("/v1/id", get(inspect::id))
        .route("/v1/status", get(inspect::status))
        .route("/v1/peers", get(inspect::peers))
        .route("/v1/table", get(inspect::table))
        .route("/v1/leafset", get(inspect::leaf_set))
        .route("/v1/route/{key}", get(inspect::route))
        .route("/v1/root/{key}", get(inspect::root))
        .route("/v1/locate/{id}", get(inspect::locate))
        .route("/v1/blobs", post(content::put_blob))
        .route("/v1/blobs/{id}", get(content::fetch_blob))
        .route("/v1/records", put(content::put_record))
        .route("/v1/records/{id}", get(content::fetch_record))
        .route("/v1/publish", post(content::publish))
        .route("/v1/publish/{id}", delete(content::unpublish))
        .route("/v1/objects", post(stream::place))
        .route("/v1/objects/{id}", get(stream::fetch))
        .fallback(|| async { Problem::absent("there is nothing under this path; see README, \"HTTP API\"") })
        .method_not_allowed_fallback(|| async { Problem::method() })
        .layer(middleware::from_fn_with_state(node.clone(), guard))
        .with_state(node)
}

/// Who is let in: nobody beyond [`REQUESTS_MAX`] at once, no web page (they can reach loopback, and say their origin, or
/// the name under which they found this address), and, if there is a token, only who knows it. What fails before a handler
/// has it is told in the form of all errors.
async fn guard(State(node): State<Node>, request: Request, next: Next) -> Result<Response, Problem> {
    let path = request.uri().path();
    let health = path == "/healthz" || path == "/readyz";
    if request.headers().contains_key(header::ORIGIN) {
        return Err(Problem::forbidden("requests from web pages are not taken"));
    }
    match node.token.as_deref() {
        Some(token) if !health && !carries(request.headers(), token) => return Err(Problem::unauthorised()),
        None if !is_by_address(request.headers()) => {
            return Err(Problem::forbidden(
                "without a token this API is for localhost and IP addresses, not for names",
            ));
        }
        _ => {}
    }
    let Ok(_permit) = Arc::clone(&node.requests).try_acquire_owned() else {
        return Err(Problem::busy("api.requests", REQUESTS_MAX));
    };
    let response = next.run(request).await;
    let is_text =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/"));
    if !(response.status().is_client_error() && is_text) {
        return Ok(response);
    }
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), LINE_MAX).await.unwrap_or_default();
    Err(Problem::refused(status, &String::from_utf8_lossy(&body)))
}

/// Whether the request was sent to an address or to `localhost`: a page whose own name was made to lead here (DNS
/// rebinding) says that name.
fn is_by_address(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default()) else { return true };
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_bare = host.parse::<IpAddr>().is_ok() || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    is_bare || host.parse::<SocketAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

/// Whether the token is there; compared by hash, so that time tells nothing of how much of it was right.
fn carries(headers: &HeaderMap, token: &str) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|text| text.strip_prefix("Bearer "));
    given.is_some_and(|given| blake3::hash(given.trim().as_bytes()) == blake3::hash(token.as_bytes()))
}

/// What stands in a path for a key: 64 hex digits are an id; anything else is hashed, unless it looks like
/// an id that was cut short.
fn key(text: &str) -> Result<Id, Problem> {
    match text.parse() {
        Ok(id) => Ok(id),
        Err(why) if text.len() >= ID_LIKE && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Err(Problem::usage(format!("malformed id {text}: {why}")))
        }
        Err(_) => Ok(Id::hash_of(text.as_bytes())),
    }
}

/// What stands in a path for an object: its id and nothing else.
fn object(text: &str) -> Result<Id, Problem> {
    text.parse().map_err(|why| Problem::usage(format!("malformed id {text}: {why}")))
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ApiError {}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiServer")
    }
}

/// Requests under way at one node. A guess: far above what a thread can serve, far below what hurts.
const REQUESTS_MAX: usize = 256;
/// The longest line of a framework's own refusal. A guess.
const LINE_MAX: usize = 4_096;
/// Streams under way in one process, with up to 8 MiB in memory each. A guess.
const TRANSFERS_MAX: usize = 16;
/// How long streams may go on after the server was told to stop.
const GRACE: std::time::Duration = std::time::Duration::from_secs(2);
/// Hex digits from which on a text is taken for an id cut short. A guess.
const ID_LIKE: usize = 16;

#[cfg(test)]
mod tests;
