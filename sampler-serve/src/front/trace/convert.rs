// SPDX-License-Identifier: MIT OR Apache-2.0

//! A part of the trace in another format. The trace is in memory meanwhile, so only a few
//! are made at a time.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use flate2::Compression;
use flate2::write::GzEncoder;
use sampler_trace::container::load::Trace;
use sampler_trace::convert::selection::Selection;
use sampler_trace::convert::{TOO_LARGE, write_view};
use sampler_trace::formats::format::FileFormat;
use sampler_trace::formats::sink::{Shape, SinkError};
use sampler_trace::formats::size::projected_bytes;
use sampler_trace::join::options::JoinOptions;
use sampler_trace::query::view::TraceView;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::front::body::{Body, stream as new_stream};
use crate::front::context::Context;
use crate::front::error::ApiError;
use crate::front::gate::Pass;
use crate::front::trace::joined::{JoinedChunks, JoinedRead};
use crate::front::trace::outlet::Outlet;
use crate::front::trace::trace_request::TraceRequest;
use crate::state::entry::ChunkNumber;

/// Waits for a turn to convert.
///
/// # Errors
/// 429: others take too long.
pub(crate) async fn turn(context: &Context) -> Result<OwnedSemaphorePermit, ApiError> {
    let turn = timeout(
        context.limits.turn,
        context.conversions.clone().acquire_owned(),
    )
    .await;
    let turn = turn.ok().and_then(Result::ok);
    turn.ok_or_else(|| {
        ApiError::too_many("other traces are being converted; try again, or use format=pyebpf")
    })
}

/// Begins a conversion. It answers only after the trace was read and something was found.
///
/// # Errors
/// 400, 404, 429, 503.
pub(crate) async fn stream(
    context: &Arc<Context>,
    wanted: TraceRequest,
    chunks: Vec<ChunkNumber>,
    pass: Pass,
) -> Result<Body, ApiError> {
    let permit = turn(context).await?;
    let (pieces, body) = new_stream();
    let outlet = Outlet::new(pieces, Handle::current(), context.limits.stall);
    let (begun, has_begun) = oneshot::channel();
    let context = context.clone();
    spawn_blocking(move || {
        let _kept = (permit, pass);
        let TraceRequest {
            format,
            join,
            selection,
            ..
        } = wanted;
        let trace = match read(&context, join, chunks) {
            Ok(trace) => trace,
            Err(error) => return drop(begun.send(Err(error))),
        };
        let view = match select(&selection, &trace, format) {
            Ok(view) => view,
            Err(error) => return drop(begun.send(Err(error))),
        };
        // A client that is gone is noticed at the first piece.
        let _ = begun.send(Ok(()));
        if let Err(error) = write(&view, format, outlet) {
            context.counters.aborted.fetch_add(1, Ordering::Relaxed);
            tracing::info!(%error, "a converted trace was not sent to its end");
        }
    });
    match has_begun.await {
        Ok(Ok(())) => Ok(body),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(ApiError::unavailable("the trace cannot be converted")),
    }
}

/// Reads the joined chunks.
///
/// # Errors
/// 400: it is too much; 503: they cannot be read.
pub(crate) fn read(
    context: &Context,
    options: JoinOptions,
    chunks: Vec<ChunkNumber>,
) -> Result<Trace, ApiError> {
    let most = context.limits.joined_bytes;
    let joined = JoinedChunks::new(context.state.clone(), chunks, options, most);
    Trace::read(JoinedRead::new(joined))
        .map_err(|error| ApiError::unavailable(format!("the trace cannot be joined: {error}")))
}

fn select<'a>(
    selection: &Selection,
    trace: &'a Trace,
    format: FileFormat,
) -> Result<TraceView<'a>, ApiError> {
    let view = selection
        .of(trace)
        .map_err(|error| ApiError::bad_request(error.to_string()))?;
    if view.tracks().is_empty() {
        return Err(ApiError::not_found(
            "no matching thread was sampled in that time",
        ));
    }
    let size = projected_bytes(&view, format.format);
    if size > TOO_LARGE && format.format.is_for_browsers() {
        return Err(ApiError::bad_request(format!(
            "the JSON would have {} MB, too much for a browser; choose a shorter time or another format",
            size / 1_000_000
        )));
    }
    Ok(view)
}

fn write(view: &TraceView<'_>, format: FileFormat, mut outlet: Outlet) -> Result<(), SinkError> {
    if format.gzip {
        let mut packer = GzEncoder::new(&mut outlet, Compression::fast());
        write_view(view, format.format, Shape::default(), &mut packer)?;
        packer.finish()?.flush()?;
    } else {
        write_view(view, format.format, Shape::default(), &mut outlet)?;
    }
    Ok(outlet.end()?)
}
