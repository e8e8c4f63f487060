//! A node's HTTP API, as its clients see it.
//!
//! Owns: one request at a time, and telling an answer that says why from no answer at all.
//! Never does: try again, or judge: that is for whoever asked.

use serde_json::Value;
use std::fmt;
use std::time::Duration;
use ureq::http::Request;

/// How long a node may take over one wish before it has to say that it timed out.
pub const WISH: Duration = Duration::from_secs(10);
/// How much later the answer may be here: machines that run tests are busy. A guess.
const LATE: Duration = Duration::from_secs(10);

/// One node's API.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    api: String,
}

/// A value that was put, by the words of those who keep it.
pub struct Stored {
    pub id: String,
    /// The keys of its keepers, in hex digits: each has signed that it is on disk.
    pub keepers: Vec<String>,
}

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The node has answered: the kind of its error.
    Refused(String),
    /// The connection broke, or there was none: the process is gone.
    Broken(String),
    /// Nothing came, far longer than the wish could take.
    Silence,
}

impl Client {
    /// A client of the API at this address.
    pub fn of(api: &str) -> Client {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(WISH + LATE));
        Client { agent: config.build().into(), api: api.to_owned() }
    }

    /// Puts a blob, to be kept this long (`60s`, `1h`).
    pub fn put(&self, bytes: &[u8], lifetime: &str) -> Result<Stored, Trouble> {
        let path = format!("/v1/blobs?timeout={}s&lifetime={lifetime}", WISH.as_secs());
        let stored = json(&self.ask("POST", &path, bytes)?)?;
        let receipts = stored["receipts"].as_array().cloned().unwrap_or_default();
        let keepers = receipts.iter().filter_map(|receipt| Some(receipt["keeper_key"].as_str()?.to_owned()));
        Ok(Stored { id: text(&stored["id"])?, keepers: keepers.collect() })
    }

    /// Gets a blob.
    pub fn get(&self, id: &str) -> Result<Vec<u8>, Trouble> {
        self.ask("GET", &format!("/v1/blobs/{id}?timeout={}s", WISH.as_secs()), b"")
    }

    /// Who is the root of this key?
    pub fn root(&self, key: &str) -> Result<String, Trouble> {
        let found = json(&self.ask("GET", &format!("/v1/root/{key}?timeout={}s", WISH.as_secs()), b"")?)?;
        text(&found["root"]["id"])
    }

    /// Whether the node says that it is ready, and how many others its leaf set has.
    pub fn leaves(&self) -> Option<u64> {
        let status = json(&self.ask("GET", "/v1/status", b"").ok()?).ok()?;
        status["leaf_set"].as_u64().filter(|_| status["ready"] == true)
    }

    fn ask(&self, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>, Trouble> {
        let uri = format!("{}{path}", self.api);
        let request = Request::builder().method(method).uri(uri).body(body).expect("a request");
        let mut answer = self.agent.run(request).map_err(trouble)?;
        let good = answer.status().is_success();
        let bytes = answer.body_mut().read_to_vec().map_err(trouble)?;
        if good {
            return Ok(bytes);
        }
        let kind = json(&bytes).and_then(|problem| text(&problem["kind"]));
        Err(Trouble::Refused(kind.unwrap_or_else(|_| answer.status().to_string())))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Refused(kind) => f.write_str(kind),
            Trouble::Broken(how) => write!(f, "broken: {how}"),
            Trouble::Silence => f.write_str("no result"),
        }
    }
}

fn trouble(error: ureq::Error) -> Trouble {
    match error {
        ureq::Error::Timeout(_) => Trouble::Silence,
        other => Trouble::Broken(other.to_string()),
    }
}

fn json(bytes: &[u8]) -> Result<Value, Trouble> {
    serde_json::from_slice(bytes).map_err(|error| Trouble::Broken(format!("not JSON: {error}")))
}

fn text(value: &Value) -> Result<String, Trouble> {
    value.as_str().map(str::to_owned).ok_or_else(|| Trouble::Broken(format!("not a text: {value}")))
}
