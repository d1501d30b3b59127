// SPDX-License-Identifier: MIT OR Apache-2.0

//! Begins the answer that carries a joined trace, and ends it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sampler_trace::join::options::JoinOptions;

use crate::front::body::{self, Body, Pieces};
use crate::front::context::Context;
use crate::front::gate::Pass;
use crate::front::trace::download::{StreamError, download};
use crate::front::trace::follow::follow;
use crate::front::trace::joined::JoinedChunks;
use crate::state::entry::ChunkNumber;

/// Begins to send the trace in `chunks`; if `follows` is set, what is recorded from now on too.
pub(super) fn begin(
    context: &Arc<Context>,
    options: JoinOptions,
    chunks: Vec<ChunkNumber>,
    follows: bool,
    pass: Pass,
) -> Body {
    let (pieces, body) = body::stream();
    let context = context.clone();
    tokio::spawn(async move {
        let _pass = pass;
        let last = chunks.last().copied();
        let most = context.limits.joined_bytes;
        let joined = JoinedChunks::new(context.state.clone(), chunks, options, most);
        let sent = match follows {
            true => follow(&context, joined, last, &pieces).await,
            false => download(&context, joined, &pieces).await,
        };
        end(&context, sent, pieces).await;
    });
    body
}

/// Ends a stream, completely or not.
async fn end(context: &Context, sent: Result<(), StreamError>, pieces: Pieces) {
    match sent {
        Ok(()) => pieces.end().await,
        Err(error) => {
            context.counters.aborted.fetch_add(1, Ordering::Relaxed);
            tracing::info!(%error, "a trace was not sent to its end");
        }
    }
}
