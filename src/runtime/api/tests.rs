//! What the API promises.
//!
//! Owns: the tests of the API over a port in memory, on loopback.
//! Never does: need an overlay.

use super::*;
use crate::identity::SecretKey;
use crate::runtime::memory_port::MemoryPort;
use crate::wire::directory::{Refusal, ShareLimit};
use crate::wire::object::Record;
use serde_json::{Value, json};
use std::io::Read;
use std::sync::atomic::Ordering;

struct Stage {
    port: Arc<MemoryPort>,
    served: Served,
    _server: ApiServer,
    agent: ureq::Agent,
    token: Option<&'static str>,
}

impl Stage {
    fn new(token: Option<&'static str>) -> Stage {
        let port = MemoryPort::new();
        let server = ApiServer::start().expect("starts");
        let listener = bind("127.0.0.1:0".parse().expect("an address")).expect("binds");
        let served = server.serve(listener, Arc::clone(&port) as _, token).expect("serves");
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Stage { port, served, _server: server, agent, token }
    }

    fn call(&self, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let uri = format!("http://{}{path}", self.served.address());
        let mut request = ureq::http::Request::builder().method(method).uri(uri);
        if let Some(token) = self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = if body.is_empty() && method != "POST" {
            self.agent.run(request.body(()).expect("a request"))
        } else {
            self.agent.run(request.body(body).expect("a request"))
        };
        let mut answer = answer.expect("an answer");
        let mut bytes = Vec::new();
        answer.body_mut().as_reader().read_to_end(&mut bytes).expect("a body");
        (answer.status().as_u16(), bytes)
    }

    fn json(&self, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        let (status, bytes) = self.call(method, path, body);
        let value = serde_json::from_slice(&bytes);
        (status, value.unwrap_or_else(|_| panic!("{path}: {}", String::from_utf8_lossy(&bytes))))
    }
}

#[test]
fn a_blob_goes_in_and_comes_out_and_an_unknown_or_malformed_id_says_so() {
    let stage = Stage::new(None);
    let (status, put) = stage.json("POST", "/v1/blobs?lifetime=1h&replicas=3", b"hello");
    let id = Id::hash_of(b"hello");
    assert_eq!((status, &put["id"], &put["replicas"]), (200, &json!(id.to_string()), &json!(1)));
    assert_eq!(stage.call("GET", &format!("/v1/blobs/{id}"), b""), (200, b"hello".to_vec()));
    let (status, missing) = stage.json("GET", &format!("/v1/blobs/{}", Id::MAX), b"");
    assert_eq!((status, &missing["kind"]), (404, &json!("not_found")));
    let (status, malformed) = stage.json("GET", "/v1/blobs/12ab", b"");
    assert_eq!((status, &malformed["kind"]), (400, &json!("usage")));
    assert!(malformed["error"].as_str().expect("text").contains("64 hex digits"), "{malformed}");
    let (status, large) = stage.json("POST", "/v1/blobs", &vec![0; (1 << 20) + 1]);
    assert_eq!((status, &large["kind"]), (413, &json!("too_large")));
}

#[test]
fn content_of_any_size_streams_both_ways() {
    let stage = Stage::new(None);
    let content: Vec<u8> = (0..3_500_000u32).map(|n| (n ^ (n >> 9)) as u8).collect();
    let (status, placed) = stage.json("POST", "/v1/objects", &content);
    assert_eq!((status, &placed["bytes"]), (200, &json!(content.len())), "{placed}");
    let path = format!("/v1/objects/{}", placed["id"].as_str().expect("an id"));
    let (status, back) = stage.call("GET", &path, b"");
    assert!(status == 200 && back == content);
    assert_eq!(stage.json("GET", &format!("/v1/objects/{}", Id::MAX), b"").0, 404);
}

#[test]
fn a_record_is_taken_signed_and_a_conflict_is_told() {
    let stage = Stage::new(None);
    let record = Record::sign(&SecretKey::from_seed([1; 32]), b"salt", 4, b"text".to_vec());
    let sent = shape::record(&record);
    let (status, refused) = stage.json("PUT", "/v1/records?expected=3", b"{}");
    assert_eq!((status, &refused["kind"]), (400, &json!("usage")));
    let mut body = sent.clone();
    body.as_object_mut().expect("an object").remove("id");
    let body = body.to_string();
    assert_eq!(stage.json("PUT", "/v1/records?expected=3", body.as_bytes()).1["kind"], "conflict");
    assert_eq!(stage.json("PUT", "/v1/records?expected=0", body.as_bytes()).0, 200);
    assert_eq!(stage.json("GET", &format!("/v1/records/{}", record.id()), b"").1, sent);
}

#[test]
fn content_of_a_records_id_and_a_record_of_contents_id_are_answered_with_the_right_path() {
    let stage = Stage::new(None);
    let record = Record::sign(&SecretKey::from_seed([1; 32]), b"", 1, b"text".to_vec());
    let body = json!(Written::of(&record)).to_string();
    let stored = stage.json("PUT", "/v1/records", body.as_bytes()).1;
    let hint = format!("GET /v1/records/{}", record.id());
    for path in ["objects", "blobs"] {
        let (status, told) = stage.json("GET", &format!("/v1/{path}/{}", record.id()), b"");
        assert_eq!((status, &told["kind"]), (400, &json!("usage")), "{told}");
        assert!(told["error"].as_str().expect("text").contains(&hint), "{told}");
    }
    assert_eq!(stored["id"], json!(record.id().to_string()));
    let blob = stage.json("POST", "/v1/blobs", b"").1["id"].as_str().expect("an id").to_owned();
    let told = stage.json("GET", &format!("/v1/records/{blob}"), b"").1.to_string();
    assert!(told.contains(&format!("GET /v1/blobs/{blob}")), "{told}");
}

#[test]
fn what_is_wrong_with_a_record_is_told_exactly() {
    let stage = Stage::new(None);
    let sound = json!(Written::of(&Record::sign(&SecretKey::from_seed([1; 32]), b"salt", 1, b"text".to_vec())));
    for (field, value, says) in [
        ("sequence", json!(0), "sequence is 0, but a record's versions count from 1"),
        ("salt", json!("ab".repeat(65)), "salt has 65 bytes, but may have 64"),
        ("salt", json!("a"), "salt is in hex"),
        ("owner", json!("ab".repeat(31)), "owner is a public key of 64 hex digits"),
        ("signature", json!("ab".repeat(63)), "signature has 128 hex digits"),
        ("bytes", json!("text"), "bytes are in hex"),
        ("colour", json!("red"), "unknown field `colour`"),
    ] {
        let mut body = sound.clone();
        body[field] = value;
        let (status, told) = stage.json("PUT", "/v1/records", body.to_string().as_bytes());
        assert_eq!((status, &told["kind"]), (400, &json!("usage")), "{told}");
        assert!(told["error"].as_str().expect("text").contains(says), "{told}");
    }
    assert_eq!(stage.json("PUT", "/v1/records", sound.to_string().as_bytes()).0, 200);
}

#[test]
fn what_would_have_no_effect_is_refused() {
    let stage = Stage::new(None);
    for (path, says) in [
        ("objects?expected=1", "expected is for records"),
        ("blobs?expected=0", "expected is for records"),
        ("publish?expected=1", "expected is for records"),
        ("publish?replicas=3", "a publication stays at this node alone"),
        ("objects?replicas=17", "must be 1 to 16"),
        ("blobs?replicas=17", "must be 1 to 16"),
        ("objects?replicas=0", "replicas is 0, but must be 1 to 16"),
    ] {
        let (status, told) = stage.json("POST", &format!("/v1/{path}"), b"x");
        assert_eq!((status, &told["kind"]), (400, &json!("usage")), "{told}");
        assert!(told["error"].as_str().expect("text").contains(says), "{told}");
    }
    assert_eq!(stage.port.count(), 0);
    assert_eq!(stage.json("POST", "/v1/objects?replicas=16", b"x").0, 200);
}

#[test]
fn what_is_not_found_is_named_by_its_id() {
    let stage = Stage::new(None);
    let (status, told) = stage.json("GET", "/v1/locate/some%20text", b"");
    assert_eq!((status, &told["error"]), (404, &json!(format!("{}: not found", Id::hash_of(b"some text")))));
    let (status, told) = stage.json("GET", &format!("/v1/records/{}", Id::MAX), b"");
    assert_eq!((status, &told["error"]), (404, &json!(format!("{}: not found", Id::MAX))));
}

#[test]
fn routes_and_claims_are_told_and_other_text_is_hashed() {
    let stage = Stage::new(None);
    let (status, route) = stage.json("GET", "/v1/route/hello", b"");
    assert_eq!((status, &route["key"]), (200, &json!(Id::hash_of(b"hello").to_string())));
    assert_eq!((&route["hops"], &route["path"][0]["rtt_ms"]), (&json!(1), &json!(2.0)));
    assert_eq!(stage.json("GET", &format!("/v1/route/{}", "ab".repeat(20)), b"").0, 400);
    let (_, published) = stage.json("POST", "/v1/publish", b"mine");
    let id = published["id"].as_str().expect("an id").to_owned();
    let (_, holders) = stage.json("GET", &format!("/v1/locate/{id}"), b"");
    assert_eq!(holders["holders"][0]["replica"], true);
    assert_eq!(stage.json("DELETE", &format!("/v1/publish/{id}"), b"").0, 200);
    assert_eq!(stage.json("DELETE", &format!("/v1/publish/{id}"), b"").0, 404);
    for path in ["/v1/id", "/v1/status", "/v1/peers", "/v1/table", "/v1/leafset", "/v1/root/x", "/healthz"] {
        assert_eq!(stage.json("GET", path, b"").0, 200, "{path}");
    }
    assert_eq!(stage.json("GET", "/v1/nothing", b"").0, 404);
    assert_eq!(stage.json("POST", "/v1/id", b"x").0, 405);
}

#[test]
fn readiness_and_metrics_tell_how_the_node_stands() {
    let stage = Stage::new(None);
    assert_eq!(stage.json("GET", "/readyz", b"").0, 200);
    stage.port.ready.store(false, Ordering::Relaxed);
    let (status, body) = stage.json("GET", "/readyz", b"");
    assert_eq!((status, &body["state"]), (503, &json!("joining: waiting for the leaf set")));
    let (status, text) = stage.call("GET", "/metrics", b"");
    let text = String::from_utf8(text).expect("text");
    assert!(status == 200 && text.contains("arras_sent_messages_total{family=\"probe\"} 3\n"), "{text}");
}

#[test]
fn failures_have_their_status_their_kind_and_the_limit_they_met() {
    let stage = Stage::new(None);
    let share = Refusal::Share { limit: ShareLimit::WriteRate };
    for (failure, status, kind, limit) in [
        (Failure::TimedOut, 504, "timed_out", json!(null)),
        (Failure::Limit("api.wishes"), 429, "limit", json!("api.wishes")),
        (Failure::Refused(share), 429, "share", json!("directory.writes_per_source_per_s")),
        (Failure::Refused(Refusal::Quota { limit: 5 }), 507, "quota", json!("store.quota_bytes")),
        (Failure::Silence { at: Id::MAX }, 502, "silence", json!(null)),
        (Failure::NotReady, 503, "not_ready", json!(null)),
    ] {
        *stage.port.fails.lock() = Some(failure);
        let (found, body) = stage.json("POST", "/v1/blobs", b"x");
        assert_eq!((found, &body["kind"], &body["limit"]), (status, &json!(kind), &limit), "{body}");
        assert_eq!(stage.json("POST", "/v1/objects", b"x").0, status);
    }
    *stage.port.fails.lock() = None;
    stage.port.silent.store(true, Ordering::Relaxed);
    assert_eq!(stage.json("POST", "/v1/blobs?timeout=20ms", b"x").0, 504);
    assert_eq!(stage.json("POST", "/v1/blobs?timeout=soon", b"x").0, 400);
}

#[test]
fn strangers_and_web_pages_are_kept_out() {
    let mut stage = Stage::new(Some("secret"));
    assert_eq!(stage.json("GET", "/v1/id", b"").0, 200);
    for wrong in [None, Some("secre"), Some("secret2")] {
        stage.token = wrong;
        assert_eq!(stage.json("GET", "/v1/id", b"").1["kind"], "unauthorised");
    }
    assert_eq!(stage.json("GET", "/readyz", b"").0, 200);
    let uri = format!("http://{}/healthz", stage.served.address());
    let answer = stage.agent.get(uri).header("origin", "http://evil.example").call().expect("an answer");
    assert_eq!(answer.status(), 403);
}

#[test]
fn without_a_token_only_addresses_and_localhost_are_answered() {
    let stage = Stage::new(None);
    for (host, status) in [
        ("127.0.0.1:7421", 200),
        ("127.0.0.1", 200),
        ("[::1]:7421", 200),
        ("[::1]", 200),
        ("LocalHost:7421", 200),
        ("localhost", 200),
        ("evil.example:7421", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example:7421", 403),
    ] {
        let uri = format!("http://{}/v1/id", stage.served.address());
        let answer = stage.agent.get(uri).header("host", host).call().expect("an answer");
        assert_eq!(answer.status(), status, "{host}");
    }
}

#[test]
fn what_the_framework_refuses_is_json_as_well() {
    let stage = Stage::new(None);
    assert_eq!(stage.json("POST", "/v1/blobs?lifetime=0s", b"x").0, 400);
    for path in ["/v1/blobs?replicas=abc", "/v1/blobs?replicas=300", "/v1/blobs?colour=red"] {
        let (status, body) = stage.json("POST", path, b"x");
        assert_eq!((status, &body["kind"]), (400, &json!("usage")), "{body}");
    }
    assert_eq!(stage.json("GET", "/v1/root/%ff%fe", b"").0, 400);
    assert_eq!(stage.json("DELETE", "/v1/status", b"").0, 405);
}

#[test]
fn an_address_in_use_is_refused_with_a_line_that_names_it() {
    let stage = Stage::new(None);
    let error = bind(stage.served.address()).expect_err("in use").to_string();
    assert!(error.contains("is in use") && error.contains(&stage.served.address().to_string()), "{error}");
}
