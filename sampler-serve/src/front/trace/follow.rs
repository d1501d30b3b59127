// SPDX-License-Identifier: MIT OR Apache-2.0

//! A trace that goes on as it is recorded: after what is there, each segment as soon as it
//! is in its chunk. A client that is slow gets it later; nothing is collected for it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sampler_trace::join::options::JoinOptions;
use tokio::time::{Instant, sleep_until, timeout};

use crate::front::body::{Body, Pieces, stream as new_stream};
use crate::front::context::Context;
use crate::front::gate::Pass;
use crate::front::trace::download::{StreamError, end, finish, send_all};
use crate::front::trace::joined::Joined;
use crate::state::entry::ChunkNumber;

/// The directory is looked at after this time even if the recorder says nothing.
const LOOK_ANYWAY: Duration = Duration::from_secs(10);

/// Begins to follow.
pub(crate) fn stream(
    context: &Arc<Context>,
    options: JoinOptions,
    chunks: Vec<ChunkNumber>,
    pass: Pass,
) -> Body {
    let (pieces, body) = new_stream();
    let context = context.clone();
    tokio::spawn(async move {
        let _pass = pass;
        let until = Instant::now() + context.limits.stream;
        let sent = tokio::select! {
            sent = follow(&context, options, chunks, &pieces, until) => sent,
            () = pieces.closed() => Err(StreamError::Gone),
        };
        end(&context, sent, pieces).await;
    });
    body
}

async fn follow(
    context: &Context,
    options: JoinOptions,
    chunks: Vec<ChunkNumber>,
    pieces: &Pieces,
    until: Instant,
) -> Result<(), StreamError> {
    let most = context.limits.joined_bytes;
    let mut flushed = context.recorder.flushed();
    let mut last = chunks.last().copied();
    let mut joined = Joined::new(context.state.clone(), chunks, options, most);
    loop {
        // What is flushed from here on is noticed.
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
            // The client comes again, from where it is.
            return finish(context, joined, pieces).await;
        }
        let wait = timeout(LOOK_ANYWAY, flushed.changed());
        tokio::select! {
            _ = wait => {}
            () = sleep_until(until) => {}
        }
    }
}
