// SPDX-License-Identifier: MIT OR Apache-2.0

//! `GET /api/v1/trace` and `GET /api/v1/recordings/{id}/trace`: a part of what is kept, in
//! any format.

mod convert;
mod download;
mod follow;
mod joined;
mod outlet;
pub(crate) mod pprof;
mod size;
mod stream;
pub(crate) mod trace_request;

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY};
use sampler_trace::formats::format::{FileFormat, Format};

use crate::front::body::Body;
use crate::front::context::{Client, Context};
use crate::front::error::ApiError;
use crate::front::query::Query;
use crate::front::reply::{self, HttpReply};
use crate::front::times::now_us;
use crate::front::trace::size::check_size;
use crate::front::trace::trace_request::TraceRequest;
use crate::front::visible;
use crate::state::entry::RecordingId;

/// Answers `GET /api/v1/trace`.
///
/// # Errors
/// 400, 403, 404, 429, 503.
pub(crate) async fn get(
    context: &Arc<Context>,
    client: &Client,
    mut query: Query,
) -> Result<HttpReply, ApiError> {
    let wanted = TraceRequest::take(context, client, &mut query)?;
    query.finish()?;
    answer(context, client, wanted).await
}

/// Answers `GET /api/v1/recordings/{id}/trace`.
///
/// # Errors
/// 400, 403, 404, 429, 503.
pub(crate) async fn of_recording(
    context: &Arc<Context>,
    client: &Client,
    id: RecordingId,
    mut query: Query,
) -> Result<HttpReply, ApiError> {
    let mut wanted = TraceRequest::take(context, client, &mut query)?;
    query.finish()?;
    if wanted.follow || wanted.join.from_us.is_some() || wanted.join.to_us.is_some() {
        return Err(ApiError::bad_request(
            "a recording has its own time: for last, from, to or follow use /api/v1/trace",
        ));
    }
    let entry = visible::recording(context, client, id).await?;
    wanted.join.from_us = Some(entry.from_us);
    wanted.join.to_us = entry.to_us.filter(|to| *to <= now_us());
    if !entry.pids.is_empty() {
        wanted.only_pids(&entry.pids);
    }
    answer(context, client, wanted).await
}

async fn answer(
    context: &Arc<Context>,
    client: &Client,
    wanted: TraceRequest,
) -> Result<HttpReply, ApiError> {
    let pass = context.enter_stream(client)?;
    let (from, to) = (wanted.join.from_us, wanted.join.to_us);
    let chunks = context
        .read_state(move |state| state.chunks_between(from, to))
        .await?;
    if chunks.is_empty() && !wanted.follow {
        return Err(nothing_kept());
    }
    let format = wanted.format;
    let name = file_name(context, &wanted);
    let body = if wanted.follow || wanted.is_container_as_joined() {
        stream::begin(context, wanted.join, chunks, wanted.follow, pass)
    } else {
        check_size(context, &chunks).await?;
        convert::stream(context, wanted, chunks, pass).await?
    };
    Ok(attachment(format, &name, body))
}

fn nothing_kept() -> ApiError {
    ApiError::not_found(
        "nothing is kept of that time; kept_from_us in /api/v1/status is the start of what is kept",
    )
}

fn attachment(format: FileFormat, name: &str, body: Body) -> HttpReply {
    let mut reply = reply::reply(StatusCode::OK, content_type(format), body);
    let disposition = format!("attachment; filename=\"{name}\"");
    reply::set(&mut reply, CONTENT_DISPOSITION, &disposition);
    // If a page or picture is opened nevertheless, it may do nothing here.
    reply::set(&mut reply, CONTENT_SECURITY_POLICY, "sandbox");
    reply
}

fn content_type(format: FileFormat) -> &'static str {
    if format.gzip {
        return "application/gzip";
    }
    match format.format {
        Format::TimelineJson | Format::Speedscope | Format::Firefox | Format::Chrome => reply::JSON,
        Format::Html => "text/html; charset=utf-8",
        Format::FlameGraph | Format::FlameChart => "image/svg+xml",
        Format::Folded => reply::TEXT,
        Format::Container | Format::Pprof => "application/octet-stream",
    }
}

/// A name for the file: `pyebpf-web1-20261130T124500Z.svg`, in plain ASCII.
fn file_name(context: &Context, wanted: &TraceRequest) -> String {
    let plain = |sign: char| match sign {
        sign if sign.is_ascii_alphanumeric() || sign == '-' => sign,
        _ => '_',
    };
    let host: String = context.about.host.chars().take(64).map(plain).collect();
    let microseconds = wanted.join.from_us.unwrap_or_else(now_us);
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_micros(microseconds);
    let time = humantime::format_rfc3339_seconds(time).to_string();
    let time: String = time.chars().filter(|sign| !"-:".contains(*sign)).collect();
    format!("pyebpf-{host}-{time}.{}", wanted.format.extension())
}
