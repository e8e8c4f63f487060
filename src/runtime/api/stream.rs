//! Content of any size over HTTP.
//!
//! Owns: the bridge between a body's frames and the blocking work on objects.
//! Never does: hold more of a body than a few frames, or end a broken body as if it were whole.

use super::problem::Problem;
use super::{Node, Query, TRANSFERS_MAX, object, shape};
use crate::base::{Id, Span};
use crate::overlay::{Command, Failure, Reply};
use crate::runtime::handle::Handle;
use crate::runtime::objects::{self, ObjectError, Progress};
use crate::wire::object::Value as Kind;
use axum::Json;
use axum::body::{Body, HttpBody};
use axum::extract::{Path, Query as Asked, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body::Frame;
use serde_json::{Value, json};
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Takes a body of any size; the answer names the manifest.
pub(super) async fn place(
    State(node): State<Node>,
    Asked(query): Asked<Query>,
    mut body: Body,
) -> Result<Json<Value>, Problem> {
    let placed = take_in(&node, &query, &mut body).await;
    if placed.is_err() {
        drain(&mut body).await;
    }
    placed
}

/// Reads on what nobody wants any more: a client that is still sending would see a broken connection instead
/// of the error. At most [`DRAINED_BYTES_MAX`].
pub(super) async fn drain(body: &mut Body) {
    let mut read = 0;
    while read < DRAINED_BYTES_MAX
        && let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
    {
        read += frame.data_ref().map_or(0, Bytes::len);
    }
}

async fn take_in(node: &Node, query: &Query, body: &mut Body) -> Result<Json<Value>, Problem> {
    query.expects_nothing()?;
    let permit = transfer(node)?;
    let (handle, kept) = (Handle::new(Arc::clone(&node.port)).with_timeout(query.timeout()?), query.kept()?);
    let (sender, receiver) = channel(FRAMES);
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        objects::place(&handle, &mut Incoming { frames: receiver, rest: Bytes::new(), ended: false }, kept, &mut |_| {})
    });
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
        let part = match frame.map(Frame::into_data) {
            Ok(Ok(data)) => Incoming::part(data),
            Ok(Err(_trailers)) => continue,
            Err(error) => Err(io::Error::other(error.to_string())),
        };
        let Some(part) = part.transpose() else { continue };
        if sender.send(part.map(Some)).await.is_err() {
            // The work has ended early, and its result says why.
            break;
        }
    }
    // Without this last word the source counts as broken off.
    let _ = sender.send(Ok(None)).await;
    let placed = work.await.map_err(|_| Problem::from(Failure::Stopping))??;
    Ok(Json(json!({ "id": shape::id(&placed.id), "bytes": placed.bytes, "blobs": placed.blobs })))
}

/// Gives the content named by a manifest, or one blob, every piece checked.
pub(super) async fn fetch(
    State(node): State<Node>,
    Path(text): Path<String>,
    Asked(query): Asked<Query>,
) -> Result<Response, Problem> {
    let (id, permit) = (object(&text)?, transfer(&node)?);
    let timeout = query.timeout()?;
    let handle = Handle::new(Arc::clone(&node.port)).with_timeout(timeout);
    let (sender, mut receiver) = channel(FRAMES);
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let size = sender.clone();
        let mut tell = |progress| {
            if let Progress::Whole(bytes) = progress {
                // A client that has gone shows at the first write.
                let _ = size.blocking_send(Part::Whole(bytes));
            }
        };
        let last = match objects::fetch(&handle, id, &mut Outgoing { parts: &sender }, &mut tell) {
            Ok(_) => Part::End,
            Err(error) => Part::Failed(error),
        };
        let _ = sender.blocking_send(last);
    });
    match receiver.recv().await {
        Some(Part::Whole(bytes)) => {
            let headers = [
                (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
                (header::CONTENT_LENGTH, bytes.to_string()),
            ];
            Ok((headers, Body::new(Parts { parts: receiver })).into_response())
        }
        Some(Part::Failed(error)) => Err(explained(&node, id, error, timeout).await),
        _ => Err(Failure::Stopping.into()),
    }
}

/// What is wrong with a fetch. What is no content under its own id may be a record: worth one more look.
async fn explained(node: &Node, id: Id, error: ObjectError, timeout: Span) -> Problem {
    if matches!(error, ObjectError::Malformed { piece, .. } if piece == id)
        && let Ok(Reply::Value { value: Kind::Record(_), .. }) = node.ask(Command::Get { object: id }, timeout).await
    {
        return Problem::is_record(&id);
    }
    error.into()
}

fn transfer(node: &Node) -> Result<OwnedSemaphorePermit, Problem> {
    let permit = Arc::clone(&node.transfers).try_acquire_owned();
    permit.map_err(|_| Problem::busy("api.transfers", TRANSFERS_MAX))
}

/// A body as a blocking source.
struct Incoming {
    frames: Receiver<io::Result<Option<Bytes>>>,
    rest: Bytes,
    ended: bool,
}

impl Incoming {
    /// An empty frame says nothing.
    fn part(data: Bytes) -> io::Result<Option<Bytes>> {
        Ok((!data.is_empty()).then_some(data))
    }
}

impl Read for Incoming {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() && !self.ended {
            match self.frames.blocking_recv() {
                Some(Ok(Some(data))) => self.rest = data,
                Some(Ok(None)) => self.ended = true,
                Some(Err(error)) => return Err(error),
                None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the request was broken off")),
            }
        }
        let length = self.rest.len().min(into.len());
        into[..length].copy_from_slice(&self.rest.split_to(length));
        Ok(length)
    }
}

/// What the work on a fetch says.
enum Part {
    Whole(u64),
    Data(Bytes),
    End,
    Failed(ObjectError),
}

/// A blocking sink that is a body.
struct Outgoing<'a> {
    parts: &'a Sender<Part>,
}

impl Write for Outgoing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(FRAME_BYTES)];
        let part = Part::Data(Bytes::copy_from_slice(bytes));
        self.parts.blocking_send(part).map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The parts as a body; a failure breaks it off.
struct Parts {
    parts: Receiver<Part>,
}

impl HttpBody for Parts {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            return match self.parts.poll_recv(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(Part::Data(data))) => Poll::Ready(Some(Ok(Frame::data(data)))),
                Poll::Ready(Some(Part::Whole(_))) => continue,
                Poll::Ready(Some(Part::End)) => Poll::Ready(None),
                Poll::Ready(Some(Part::Failed(error))) => Poll::Ready(Some(Err(io::Error::other(error.to_string())))),
                Poll::Ready(None) => Poll::Ready(Some(Err(io::ErrorKind::BrokenPipe.into()))),
            };
        }
    }
}

/// Frames between the two sides: at most half a MiB.
const FRAMES: usize = 8;
/// Bytes read on after an error. A guess: a second or less on loopback.
const DRAINED_BYTES_MAX: usize = 256 << 20;
/// Bytes in an outgoing frame. A guess.
const FRAME_BYTES: usize = 64 << 10;
