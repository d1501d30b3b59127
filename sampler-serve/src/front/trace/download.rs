// SPDX-License-Identifier: MIT OR Apache-2.0

//! A joined trace as a download. It is made as fast as the client takes it, and while the
//! client takes its time, no thread waits.

use tokio::task::spawn_blocking;

use crate::front::body::Pieces;
use crate::front::context::Context;
use crate::front::trace::joined::{JoinedChunks, JoinedError};

/// How many bytes are collected before they are sent.
const ENOUGH: usize = 32 << 10;

/// Why a stream is not completed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    /// The trace cannot be made.
    #[error(transparent)]
    Joined(#[from] JoinedError),
    /// The client is gone.
    #[error("the client is gone")]
    Gone,
    /// The thread that made it has panicked.
    #[error("internal error: {0}")]
    Panicked(String),
}

/// Sends all of the trace.
///
/// # Errors
/// [`StreamError`].
pub(super) async fn download(
    context: &Context,
    joined: JoinedChunks,
    pieces: &Pieces,
) -> Result<(), StreamError> {
    let joined = send_all(context, joined, pieces).await?;
    finish(context, joined, pieces).await
}

/// Sends what is there, up to the end of the last chunk.
///
/// # Errors
/// [`StreamError`].
pub(crate) async fn send_all(
    context: &Context,
    mut joined: JoinedChunks,
    pieces: &Pieces,
) -> Result<JoinedChunks, StreamError> {
    loop {
        let (back, bytes, is_end) = work(context, move || some(joined)).await??;
        joined = back;
        if !pieces.send(bytes).await {
            return Err(StreamError::Gone);
        }
        if is_end {
            return Ok(joined);
        }
    }
}

/// Completes the trace.
///
/// # Errors
/// [`StreamError`].
pub(crate) async fn finish(
    context: &Context,
    joined: JoinedChunks,
    pieces: &Pieces,
) -> Result<(), StreamError> {
    let rest = work(context, move || joined.finish()).await??;
    match pieces.send(rest).await {
        true => Ok(()),
        false => Err(StreamError::Gone),
    }
}

/// Makes the next part of the trace. Returns whether it was the last.
fn some(mut joined: JoinedChunks) -> Result<(JoinedChunks, Vec<u8>, bool), JoinedError> {
    let mut all = Vec::new();
    while all.len() < ENOUGH {
        match joined.step()? {
            Some(bytes) if all.is_empty() => all = bytes,
            Some(bytes) => all.extend(bytes),
            None => return Ok((joined, all, true)),
        }
    }
    Ok((joined, all, false))
}

/// Does some work on another thread, within the limit.
async fn work<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StreamError> {
    // It is never closed.
    let _turn = context.steps.acquire().await;
    let result = spawn_blocking(work).await;
    result.map_err(|error| StreamError::Panicked(error.to_string()))
}
