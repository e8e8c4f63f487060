//! Values and claims.
//!
//! Owns: blobs, records and publications over HTTP: bodies that fit into one value.
//! Never does: sign for anybody: a record comes signed by its owner.

use super::problem::Problem;
use super::stream::drain;
use super::{Node, Query, object, shape};
use crate::identity::{PublicKey, Signature};
use crate::overlay::{Command, Failure, Reply};
use crate::wire::codec::Blob;
use crate::wire::object::{Record, VALUE_BYTES_MAX, Value as Content};
use axum::Json;
use axum::body::{Body, HttpBody};
use axum::extract::{Path, Query as Asked, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use serde::Deserialize;
use serde_json::{Value, json};
use std::future::poll_fn;
use std::pin::Pin;

type Answer = Result<Json<Value>, Problem>;

/// A record as it is sent: every run of bytes in hex.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    owner: String,
    #[serde(default)]
    salt: String,
    sequence: u64,
    bytes: String,
    signature: String,
}

pub(super) async fn put_blob(State(node): State<Node>, Asked(query): Asked<Query>, body: Body) -> Answer {
    let value = Content::Blob(Blob(whole(body, VALUE_BYTES_MAX).await?));
    keep(&node, value, &query).await
}

pub(super) async fn fetch_blob(
    State(node): State<Node>,
    Path(text): Path<String>,
    Asked(query): Asked<Query>,
) -> Result<Response, Problem> {
    let id = object(&text)?;
    match node.ask(Command::Get { object: id }, query.timeout()?).await? {
        Reply::Value { value: Content::Blob(Blob(bytes)), from, replicas } => {
            let headers = [
                (header::CONTENT_TYPE.as_str(), "application/octet-stream".to_owned()),
                ("x-arras-from", from.to_string()),
                ("x-arras-replicas", replicas.to_string()),
            ];
            Ok((headers, bytes).into_response())
        }
        Reply::Value { .. } => Err(Problem::usage(format!("{id} is a record: GET /v1/records/{id}"))),
        _ => Err(Failure::NotFound.into()),
    }
}

pub(super) async fn put_record(State(node): State<Node>, Asked(query): Asked<Query>, body: Body) -> Answer {
    // Twice the value for its hex digits, and room for the rest.
    let bytes = whole(body, 2 * VALUE_BYTES_MAX + 4_096).await?;
    let written: Written =
        serde_json::from_slice(&bytes).map_err(|error| Problem::usage(format!("not a record: {error}")))?;
    let record = written.read().ok_or_else(|| {
        Problem::usage("not a record: owner (32 bytes), salt, bytes and signature (64 bytes) are hex digits".to_owned())
    })?;
    if record.bytes.0.len() > VALUE_BYTES_MAX {
        return Err(Problem::too_large(VALUE_BYTES_MAX));
    }
    keep(&node, Content::Record(record), &query).await
}

pub(super) async fn fetch_record(
    State(node): State<Node>,
    Path(text): Path<String>,
    Asked(query): Asked<Query>,
) -> Answer {
    let id = object(&text)?;
    match node.ask(Command::Get { object: id }, query.timeout()?).await? {
        Reply::Value { value: Content::Record(record), .. } => Ok(Json(shape::record(&record))),
        Reply::Value { .. } => Err(Problem::usage(format!("{id} is a blob: GET /v1/blobs/{id}"))),
        _ => Err(Failure::NotFound.into()),
    }
}

pub(super) async fn publish(State(node): State<Node>, Asked(query): Asked<Query>, body: Body) -> Answer {
    let value = Content::Blob(Blob(whole(body, VALUE_BYTES_MAX).await?));
    let lifetime = query.lifetime()?;
    match node.ask(Command::Publish { value, lifetime }, query.timeout()?).await? {
        Reply::Published { object, roots } => Ok(Json(json!({ "id": shape::id(&object), "roots": roots }))),
        _ => Err(Failure::NotFound.into()),
    }
}

pub(super) async fn unpublish(
    State(node): State<Node>,
    Path(text): Path<String>,
    Asked(query): Asked<Query>,
) -> Answer {
    let object = object(&text)?;
    match node.ask(Command::Unpublish { object }, query.timeout()?).await? {
        Reply::Unpublished { object, roots } => Ok(Json(json!({ "id": shape::id(&object), "roots": roots }))),
        _ => Err(Failure::NotFound.into()),
    }
}

async fn keep(node: &Node, value: Content, query: &Query) -> Answer {
    let (kept, expected) = (query.kept()?, query.expected);
    let command = Command::Put { value, lifetime: kept.lifetime, replicas: kept.replicas, expected };
    match node.ask(command, query.timeout()?).await? {
        Reply::Stored { object, receipts } => Ok(Json(shape::stored(&object, &receipts))),
        _ => Err(Failure::NotFound.into()),
    }
}

async fn whole(mut body: Body, limit: usize) -> Result<bytes::Bytes, Problem> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|error| Problem::usage(format!("the request broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            drain(&mut body).await;
            return Err(Problem::too_large(VALUE_BYTES_MAX));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

impl Written {
    fn read(&self) -> Option<Record> {
        Some(Record {
            owner: PublicKey::from_bytes(shape::unhex(&self.owner)?.try_into().ok()?),
            salt: shape::unhex(&self.salt)?.into(),
            sequence: self.sequence,
            bytes: shape::unhex(&self.bytes)?.into(),
            signature: Signature::from_bytes(shape::unhex(&self.signature)?.try_into().ok()?),
        })
    }
}
