// SPDX-License-Identifier: MIT OR Apache-2.0

//! The bodies of answers: bytes that are there, or pieces that come one after the other.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::mpsc;

/// How many pieces of a stream may wait for the client.
const PIECES: usize = 4;

/// A stream that was not brought to its end. The client notices, because the last chunk of
/// HTTP is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer was not completed")]
pub(crate) struct Aborted;

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Body {
    /// All of it.
    Whole(Bytes),
    /// What comes from the other end of [`stream`].
    Stream {
        /// The pieces; `None` is the end.
        pieces: mpsc::Receiver<Option<Bytes>>,
        /// Whether the end has come.
        ended: bool,
    },
}

/// Where a stream's pieces are put in. If it is dropped before [`Pieces::end`], the stream
/// is aborted.
#[derive(Debug)]
pub(crate) struct Pieces(mpsc::Sender<Option<Bytes>>);

/// A body, and where its pieces are put in.
#[must_use]
pub(crate) fn stream() -> (Pieces, Body) {
    let (sender, pieces) = mpsc::channel(PIECES);
    let ended = false;
    (Pieces(sender), Body::Stream { pieces, ended })
}

impl Pieces {
    /// Sends a piece, as soon as the client has taken some of those before. Returns
    /// whether the client is still there.
    pub(crate) async fn send(&self, piece: impl Into<Bytes>) -> bool {
        let piece = piece.into();
        piece.is_empty() || self.0.send(Some(piece)).await.is_ok()
    }

    /// Completes the stream.
    pub(crate) async fn end(self) {
        // A client that is gone does not need to know.
        let _ = self.0.send(None).await;
    }

    /// Waits until the client is gone.
    pub(crate) async fn closed(&self) {
        self.0.closed().await;
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Stream { ended: true, .. } => Poll::Ready(None),
            Self::Stream { pieces, ended } => {
                let piece = ready!(pieces.poll_recv(context));
                *ended = !matches!(piece, Some(Some(_)));
                Poll::Ready(match piece {
                    Some(Some(piece)) => Some(Ok(Frame::data(piece))),
                    Some(None) => None,
                    None => Some(Err(Aborted)),
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Stream { ended, .. } => *ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream { .. } => SizeHint::default(),
        }
    }
}
