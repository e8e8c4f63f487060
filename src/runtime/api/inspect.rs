//! Questions about the node and the overlay.
//!
//! Owns: health, readiness, metrics, status, tables, routes and holders over HTTP.
//! Never does: change anything.

use super::problem::Problem;
use super::{Node, Query, key, metrics as text, shape};
use crate::base::{Id, Span};
use crate::overlay::directory::DirectoryStatus;
use crate::overlay::router::RouterStatus;
use crate::overlay::{Command, Failure, Reply, Root};
use crate::runtime::handle;
use axum::Json;
use axum::extract::{Path, Query as Asked, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::oneshot;

type Answer = Result<Json<Value>, Problem>;

/// The process is there and answers.
pub(super) async fn healthz() -> Json<Value> {
    Json(json!({ "healthy": true }))
}

/// 200 once the leaf set is confirmed; until then 503 and what the node is waiting for.
pub(super) async fn readyz(State(node): State<Node>) -> Response {
    match router(&node, HEALTH_PATIENCE).await {
        Ok(status) => {
            let code = if status.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (code, Json(json!({ "ready": status.ready, "state": status.state }))).into_response()
        }
        Err(failure) => Problem::from(failure).into_response(),
    }
}

/// OpenMetrics.
pub(super) async fn metrics(State(node): State<Node>) -> Result<Response, Problem> {
    let (sender, receiver) = oneshot::channel();
    // Nobody waiting any more is fine.
    node.port.readings(Box::new(move |readings| drop(sender.send(readings))));
    match tokio::time::timeout(HEALTH_PATIENCE.into(), receiver).await {
        Ok(Ok(readings)) => Ok(([(header::CONTENT_TYPE, text::CONTENT_TYPE)], text::encode(&readings)).into_response()),
        Ok(Err(_)) => Err(Failure::Stopping.into()),
        Err(_) => Err(Failure::TimedOut.into()),
    }
}

pub(super) async fn id(State(node): State<Node>) -> Json<Value> {
    let mut shape = shape::contact(&node.port.contact());
    shape["network"] = Value::String(node.port.network());
    shape["version"] = Value::String(env!("CARGO_PKG_VERSION").to_owned());
    Json(shape)
}

pub(super) async fn status(State(node): State<Node>, Asked(query): Asked<Query>) -> Answer {
    let timeout = query.timeout()?;
    let router = router(&node, timeout).await?;
    let mut directory = DirectoryStatus::default();
    for shard in 0..node.port.shards() {
        if let Reply::Directory(part) = node.ask(Command::DirectoryStatus { shard }, timeout).await? {
            handle::add(&mut directory, &part);
        }
    }
    Ok(Json(shape::status(&node.port.contact(), &node.port.network(), &router, &directory)))
}

pub(super) async fn peers(State(node): State<Node>, Asked(query): Asked<Query>) -> Answer {
    let router = router(&node, query.timeout()?).await?;
    Ok(Json(json!({ "peers": router.peers.iter().map(shape::peer).collect::<Vec<_>>() })))
}

pub(super) async fn table(State(node): State<Node>, Asked(query): Asked<Query>) -> Answer {
    Ok(Json(shape::table(&router(&node, query.timeout()?).await?)))
}

pub(super) async fn leaf_set(State(node): State<Node>, Asked(query): Asked<Query>) -> Answer {
    Ok(Json(shape::leaf_set(&router(&node, query.timeout()?).await?)))
}

/// The path to a key's root, hop by hop, beside the direct round trip.
pub(super) async fn route(State(node): State<Node>, Path(text): Path<String>, Asked(query): Asked<Query>) -> Answer {
    let (key, timeout) = (key(&text)?, query.timeout()?);
    let root = lookup(&node, key, true, timeout).await?;
    let router = router(&node, timeout).await?;
    let peer = router.peers.iter().find(|peer| peer.id == root.contact.id());
    let direct = peer.and_then(|peer| {
        let measured = peer.link_rtt.map(|rtt| (rtt, true));
        measured.or(peer.estimated_rtt.map(|rtt| (rtt, false)))
    });
    Ok(Json(shape::root(&key, &root, direct)))
}

pub(super) async fn root(State(node): State<Node>, Path(text): Path<String>, Asked(query): Asked<Query>) -> Answer {
    let key = key(&text)?;
    let root = lookup(&node, key, false, query.timeout()?).await?;
    Ok(Json(shape::root(&key, &root, None)))
}

pub(super) async fn locate(State(node): State<Node>, Path(text): Path<String>, Asked(query): Asked<Query>) -> Answer {
    let object = key(&text)?;
    let answer = node.ask(Command::Locate { object }, query.timeout()?).await;
    match answer.map_err(|failure| Problem::of(failure, &object))? {
        Reply::Holders { holders, by } if !holders.is_empty() => {
            let holders = holders.iter().map(shape::holder).collect::<Vec<_>>();
            Ok(Json(json!({ "id": shape::id(&object), "holders": holders, "answered": shape::located(&object, &by) })))
        }
        _ => Err(Problem::of(Failure::NotFound, &object)),
    }
}

async fn lookup(node: &Node, key: Id, traced: bool, timeout: Span) -> Result<Root, Problem> {
    match node.ask(Command::Lookup { key, traced }, timeout).await? {
        Reply::Root(root) => Ok(root),
        _ => Err(Failure::NotFound.into()),
    }
}

async fn router(node: &Node, timeout: Span) -> Result<RouterStatus, Failure> {
    match node.ask(Command::RouterStatus, timeout).await? {
        Reply::Router(status) => Ok(*status),
        _ => Err(Failure::NotReady),
    }
}

/// How long a healthy node may take to answer about itself. A guess.
const HEALTH_PATIENCE: Span = Span::from_secs(5);
