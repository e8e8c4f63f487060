//! Talking to a node.
//!
//! Owns: requests to the local API, and what its errors mean for the exit code.
//! Never does: print.

use crate::Shared;
use crate::output::{Exit, FAILED, NOT_FOUND, TIMED_OUT, UNREACHABLE, USAGE};
use arras::base::Span;
use arras::runtime::config::keys;
use serde_json::Value;
use std::io::Read;
use std::time::Duration;
use ureq::http::{Request, Response};
use ureq::{Agent, Body, SendBody};

/// One node's API.
pub struct Api {
    base: String,
    token: Option<String>,
    timeout: Span,
    agent: Agent,
}

impl Api {
    /// The API that the command line names.
    pub fn new(shared: &Shared) -> Result<Api, Exit> {
        let timeout = keys::span(&shared.timeout).map_err(|why| Exit::new(USAGE, format!("--timeout {why}")))?;
        let base = if shared.api.contains("://") { shared.api.clone() } else { format!("http://{}", shared.api) };
        let base = base.trim_end_matches('/').to_owned();
        let wrong = |why: &str| Exit::new(USAGE, format!("--api {}: {why}", shared.api));
        let uri: ureq::http::Uri = base.parse().map_err(|_| wrong("this is no address; it is ADDRESS:PORT"))?;
        if uri.scheme_str() != Some("http") || uri.host().is_none_or(str::is_empty) || uri.port().is_none() {
            return Err(wrong("it is ADDRESS:PORT, or http://ADDRESS:PORT"));
        }
        // The node keeps the deadline of each wish, of which a stream has many; this one is for a node that hangs.
        let patience = Duration::from(timeout) * TRIES + GRACE;
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(patience))
            .max_idle_connections(1)
            .build();
        Ok(Api { base, token: shared.token.clone(), timeout, agent: agent.into() })
    }

    /// Asks, and reads JSON.
    pub fn json(&self, method: &str, path: &str, body: Option<&mut dyn Read>) -> Result<Value, Exit> {
        let mut answer = self.stream(method, path, body)?;
        let broken = |error: &dyn std::fmt::Display| Exit::new(FAILED, format!("the node's answer broke off: {error}"));
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(|e| broken(&e))?;
        serde_json::from_slice(&text)
            .map_err(|_| Exit::new(FAILED, format!("{} does not answer as arras does", self.base)))
    }

    /// Asks, and leaves the answer to be read.
    pub fn stream(&self, method: &str, path: &str, body: Option<&mut dyn Read>) -> Result<Response<Body>, Exit> {
        let mark = if path.contains('?') { '&' } else { '?' };
        let uri = format!("{}{path}{mark}timeout={}us", self.base, self.timeout.as_micros());
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let malformed = |error: ureq::http::Error| Exit::new(USAGE, format!("this makes no request: {error}"));
        let answer = match body {
            Some(mut body) => {
                // A refusal that needs no body (a wrong token) comes before it is sent.
                request = request.header("expect", "100-continue");
                let body = SendBody::from_reader(&mut body);
                self.agent.run(request.body(body).map_err(malformed)?)
            }
            None => self.agent.run(request.body(()).map_err(malformed)?),
        };
        let answer = answer.map_err(|error| self.trouble(&error))?;
        if answer.status().is_success() { Ok(answer) } else { Err(refused(answer)) }
    }

    fn trouble(&self, error: &ureq::Error) -> Exit {
        let unreachable = |why: &dyn std::fmt::Display| {
            Exit::new(UNREACHABLE, format!("no node at {}: {why}; is it running? (--api, ARRAS_API)", self.base))
        };
        match error {
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                unreachable(&"connection refused")
            }
            ureq::Error::HostNotFound => unreachable(&"no such host"),
            ureq::Error::ConnectionFailed => unreachable(&"connection failed"),
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => unreachable(&"no answer"),
            ureq::Error::Timeout(_) => Exit::new(TIMED_OUT, format!("{} gave no answer in time", self.base)),
            ureq::Error::Io(error) => Exit::new(FAILED, format!("{}: {error}", self.base)),
            other => Exit::new(FAILED, format!("{}: {other}", self.base)),
        }
    }
}

/// What a refusal means: its `kind` decides the code.
fn refused(mut answer: Response<Body>) -> Exit {
    let status = answer.status();
    let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().unwrap_or_default();
    let Ok(problem) = serde_json::from_str::<Value>(&text) else {
        return Exit::new(FAILED, format!("the API answers {status} {}", text.lines().next().unwrap_or_default()));
    };
    let code = match problem["kind"].as_str() {
        Some("not_found") => NOT_FOUND,
        Some("timed_out") => TIMED_OUT,
        Some("usage") => USAGE,
        _ => FAILED,
    };
    Exit::new(code, problem["error"].as_str().map_or_else(|| status.to_string(), str::to_owned))
}

/// A text as one segment of a path (RFC 3986, §2.3: unreserved characters stand for themselves).
pub fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The id in an argument.
pub fn object(text: &str) -> Result<arras::base::Id, Exit> {
    text.parse().map_err(|why| Exit::new(USAGE, format!("malformed id {text}: {why}")))
}

/// For a node on loopback or next door. A guess.
const CONNECT: Duration = Duration::from_secs(5);
/// What a node may take beyond its own deadlines. A guess.
const GRACE: Duration = Duration::from_secs(5);
/// Tries a node makes for a piece.
const TRIES: u32 = 3;
/// The longest JSON we read: status of a node that knows some 100,000 peers.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
