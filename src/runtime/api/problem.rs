//! What goes wrong, for clients.
//!
//! Owns: the one form of an error: HTTP status, and JSON with `error` (a line), `kind` (stable) and `limit`
//! (the configuration key that was met, if any).
//! Never does: hide which limit it was.

use crate::base::Id;
use crate::overlay::Failure;
use crate::runtime::objects::ObjectError;
use crate::wire::directory::Refusal;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// One error.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    kind: &'static str,
    error: String,
    limit: Option<String>,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, error: impl Into<String>) -> Problem {
        Problem { status, kind, error: error.into(), limit: None }
    }

    fn limited(mut self, limit: impl Into<String>) -> Problem {
        self.limit = Some(limit.into());
        self
    }

    /// The client asked for something that makes no sense.
    pub(super) fn usage(error: String) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "usage", error)
    }

    /// Content was asked for, and a record stands under this id.
    pub(super) fn is_record(id: &Id) -> Problem {
        Problem::usage(format!("{id} is a record: GET /v1/records/{id}"))
    }

    /// A failure that says of what: the path may have had a text in the id's place.
    pub(super) fn of(failure: Failure, id: &Id) -> Problem {
        match failure {
            Failure::NotFound => Problem { error: format!("{id}: {failure}"), ..Problem::from(failure) },
            failure => failure.into(),
        }
    }

    /// The framework has refused it.
    pub(super) fn refused(status: StatusCode, error: &str) -> Problem {
        Problem::new(status, "usage", error)
    }

    /// The path is there, but for another method.
    pub(super) fn method() -> Problem {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "usage", "this path takes another method")
    }

    /// There is no such thing.
    pub(super) fn absent(error: &str) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "no_such_path", error)
    }

    /// Not for this kind of client.
    pub(super) fn forbidden(error: &str) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "forbidden", error)
    }

    /// The token is missing or wrong.
    pub(super) fn unauthorised() -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorised", "this API needs a token: Authorization: Bearer TOKEN")
    }

    /// Too much at once.
    pub(super) fn busy(limit: &str, most: usize) -> Problem {
        let error = format!("this node serves {most} at once ({limit})");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", error).limited(limit)
    }

    /// The body is longer than a value may be.
    pub(super) fn too_large(limit: usize) -> Problem {
        let error = format!("larger than {limit} bytes: POST /v1/objects takes any size");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error)
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        let (status, kind) = match &failure {
            Failure::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Failure::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
            Failure::NoRoute { .. } => (StatusCode::BAD_GATEWAY, "no_route"),
            Failure::HopBudget { .. } => (StatusCode::BAD_GATEWAY, "hop_budget"),
            Failure::Silence { .. } => (StatusCode::BAD_GATEWAY, "silence"),
            Failure::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "timed_out"),
            Failure::Refused(refusal) => of_refusal(refusal),
            Failure::Limit(_) => (StatusCode::TOO_MANY_REQUESTS, "limit"),
            Failure::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        };
        let problem = Problem::new(status, kind, failure.to_string());
        match failure {
            Failure::Limit(key) => problem.limited(key),
            Failure::Refused(Refusal::Quota { .. }) => problem.limited("store.quota_bytes"),
            Failure::Refused(Refusal::Share { limit }) => problem.limited(limit.to_string()),
            _ => problem,
        }
    }
}

impl From<ObjectError> for Problem {
    fn from(error: ObjectError) -> Problem {
        let line = error.to_string();
        match error {
            ObjectError::Source(_) => Problem::usage(line),
            ObjectError::Sink(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "broken_off", line),
            ObjectError::Piece { failure, .. } => Problem { error: line, ..Problem::from(failure) },
            ObjectError::Malformed { .. } => Problem::new(StatusCode::BAD_GATEWAY, "malformed", line),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Problem { status, kind, error, limit } = self;
        let body = match limit {
            Some(limit) => json!({ "error": error, "kind": kind, "limit": limit }),
            None => json!({ "error": error, "kind": kind }),
        };
        (status, Json(body)).into_response()
    }
}

fn of_refusal(refusal: &Refusal) -> (StatusCode, &'static str) {
    match refusal {
        Refusal::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
        Refusal::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        Refusal::Quota { .. } => (StatusCode::INSUFFICIENT_STORAGE, "quota"),
        Refusal::Share { .. } => (StatusCode::TOO_MANY_REQUESTS, "share"),
        Refusal::Forged => (StatusCode::BAD_REQUEST, "forged"),
        Refusal::Stale { .. } => (StatusCode::CONFLICT, "stale"),
        Refusal::Conflict { .. } => (StatusCode::CONFLICT, "conflict"),
        Refusal::TooFewReplicas { .. } => (StatusCode::SERVICE_UNAVAILABLE, "too_few_replicas"),
        Refusal::Disk => (StatusCode::INSUFFICIENT_STORAGE, "disk"),
        Refusal::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
    }
}
