// SPDX-License-Identifier: MIT OR Apache-2.0

//! A trace that goes on as it is recorded: after what is there, each segment as soon as it
//! is in its chunk. A client that is slow gets it later; nothing is collected for it.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use crate::front::body::Pieces;
use crate::front::context::Context;
use crate::front::trace::download::{StreamError, finish, send_all};
use crate::front::trace::joined::JoinedChunks;
use crate::state::entry::ChunkNumber;

/// The directory is read after this time even if the recorder reports nothing.
const LOOK_ANYWAY: Duration = Duration::from_secs(10);

/// Sends the trace as it grows, for as long as a stream may take. `last` is the last chunk
/// in it.
///
/// # Errors
/// [`StreamError`].
pub(super) async fn follow(
    context: &Context,
    joined: JoinedChunks,
    last: Option<ChunkNumber>,
    pieces: &Pieces,
) -> Result<(), StreamError> {
    let until = Instant::now() + context.limits.stream;
    tokio::select! {
        sent = follow_until(context, joined, last, pieces, until) => sent,
        () = pieces.closed() => Err(StreamError::Gone),
    }
}

async fn follow_until(
    context: &Context,
    mut joined: JoinedChunks,
    mut last: Option<ChunkNumber>,
    pieces: &Pieces,
    until: Instant,
) -> Result<(), StreamError> {
    let mut flushed = context.recorder.flushed();
    loop {
        // Anything flushed from here on is noticed.
        flushed.mark_unchanged();
        joined = send_all(context, joined, pieces).await?;
        // A later chunk means that nothing more comes in the one before. That one is read
        // to its end before the later one begins.
        let known = context.read_state(|state| state.chunks()).await;
        let known: BTreeSet<_> = known.unwrap_or_default().into_iter().collect();
        let newer: Vec<_> = known
            .into_iter()
            .filter(|number| last.is_none_or(|last| *number > last))
            .collect();
        for number in &newer {
            joined.push(*number);
            last = Some(*number);
        }
        if !newer.is_empty() {
            continue;
        }
        if joined.is_large() || Instant::now() >= until {
            // The client reconnects, from where it is.
            return finish(context, joined, pieces).await;
        }
        let wait = timeout(LOOK_ANYWAY, flushed.changed());
        tokio::select! {
            _ = wait => {}
            () = sleep_until(until) => {}
        }
    }
}
