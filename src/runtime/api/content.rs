//! Values and claims.
//!
//! Owns: blobs, records and publications over HTTP: bodies that fit into one value.
//! Never does: sign for anybody: a record comes signed by its owner.

use super::problem::Problem;
use super::stream::drain;
use super::{Node, Query, Written, object, shape};
use crate::base::Id;
use crate::overlay::{Command, Failure, Reply};
use crate::wire::codec::Blob;
use crate::wire::object::{VALUE_BYTES_MAX, Value as Content};
use axum::Json;
use axum::body::{Body, HttpBody};
use axum::extract::{Path, Query as Asked, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use serde_json::{Value, json};
use std::future::poll_fn;
use std::pin::Pin;

type Answer = Result<Json<Value>, Problem>;

pub(super) async fn put_blob(State(node): State<Node>, Asked(query): Asked<Query>, body: Body) -> Answer {
    let value = Content::Blob(Blob(whole(body, VALUE_BYTES_MAX).await?));
    query.expects_nothing()?;
    keep(&node, value, &query).await
}

pub(super) async fn fetch_blob(
    State(node): State<Node>,
    Path(text): Path<String>,
    Asked(query): Asked<Query>,
) -> Result<Response, Problem> {
    let id = object(&text)?;
    match found(&node, id, &query).await? {
        Reply::Value { value: Content::Blob(Blob(bytes)), from, replicas } => {
            let headers = [
                (header::CONTENT_TYPE.as_str(), "application/octet-stream".to_owned()),
                ("x-arras-from", from.to_string()),
                ("x-arras-replicas", replicas.to_string()),
            ];
            Ok((headers, bytes).into_response())
        }
        Reply::Value { .. } => Err(Problem::is_record(&id)),
        _ => Err(Failure::NotFound.into()),
    }
}

pub(super) async fn put_record(State(node): State<Node>, Asked(query): Asked<Query>, body: Body) -> Answer {
    // Twice the value for its hex digits, and room for the rest.
    let bytes = whole(body, 2 * VALUE_BYTES_MAX + 4_096).await?;
    let written: Written =
        serde_json::from_slice(&bytes).map_err(|error| Problem::usage(format!("not a record: {error}")))?;
    let record = written.read().map_err(Problem::usage)?;
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
    match found(&node, id, &query).await? {
        Reply::Value { value: Content::Record(record), .. } => Ok(Json(shape::record(&record))),
        Reply::Value { .. } => Err(Problem::usage(format!("{id} is a blob: GET /v1/blobs/{id}"))),
        _ => Err(Failure::NotFound.into()),
    }
}

pub(super) async fn publish(State(node): State<Node>, Asked(query): Asked<Query>, body: Body) -> Answer {
    let value = Content::Blob(Blob(whole(body, VALUE_BYTES_MAX).await?));
    query.expects_nothing()?;
    if query.replicas.is_some() {
        let line = "replicas is for what others keep: a publication stays at this node alone";
        return Err(Problem::usage(line.to_owned()));
    }
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

async fn found(node: &Node, id: Id, query: &Query) -> Result<Reply, Problem> {
    let reply = node.ask(Command::Get { object: id }, query.timeout()?).await;
    reply.map_err(|failure| Problem::of(failure, &id))
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
