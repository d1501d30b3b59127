// SPDX-License-Identifier: MIT OR Apache-2.0

//! `GET /debug/pprof/profile`: a profile of the next seconds, as Go's handler gives one, or
//! of the last ones. Nothing is begun for it: it is cut from what is recorded anyway,
//! unless nothing is.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::CONTENT_DISPOSITION;
use sampler_trace::container::info::TraceInfo;
use sampler_trace::container::load::Trace;
use sampler_trace::convert::privacy::Privacy;
use sampler_trace::convert::write_view;
use sampler_trace::formats::format::Format;
use sampler_trace::formats::sink::Shape;
use sampler_trace::join::options::JoinOptions;
use sampler_trace::query::view::TraceView;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::front::body::Body;
use crate::front::context::{Client, Context};
use crate::front::error::ApiError;
use crate::front::query::Query;
use crate::front::reply::{self, HttpReply};
use crate::front::times::now_us;
use crate::front::trace::convert::{read, turn};
use crate::front::trace::size::check_size;
use crate::front::trace::trace_request::processes;
use crate::protocol::command::{RecorderCommand, StartRecording};
use crate::protocol::message::Answer;
use crate::state::entry::{ChunkNumber, RecordingId};

/// How long a profile is if the request does not say so, in seconds, as in Go.
const DEFAULT: u32 = 30;
/// The rate of a profile where nothing is sampled otherwise, as in Go.
const HZ: u32 = 100;
/// How long samples need into the file that is read here, besides the time until it is
/// written the next time.
const ON_THE_WAY: Duration = Duration::from_millis(700);
/// How long to wait until it is written.
const FLUSH: Duration = Duration::from_secs(6);

/// Answers `GET /debug/pprof/profile`.
///
/// # Errors
/// 400, 403, 429, 503.
pub(crate) async fn get(
    context: &Arc<Context>,
    client: &Client,
    mut query: Query,
) -> Result<HttpReply, ApiError> {
    let seconds = query.number("seconds")?.unwrap_or(DEFAULT);
    let is_past = query.flag("past")?;
    let processes = processes(client, &mut query)?;
    query.finish()?;
    let length = Duration::from_secs(u64::from(seconds));
    let most = context.limits.profile;
    if length.is_zero() || length > most {
        return Err(ApiError::bad_request(format!(
            "seconds={seconds}: a profile takes 1 to {} seconds",
            most.as_secs()
        )));
    }
    let _pass = context.enter_stream(client)?;
    let now = now_us();
    let microseconds = u64::from(seconds) * 1_000_000;
    let (from_us, to_us) = match is_past {
        true => (now.saturating_sub(microseconds), now),
        false => {
            wait(context, client, length, seconds).await?;
            (now, now + microseconds)
        }
    };
    let options = JoinOptions {
        from_us: Some(from_us),
        to_us: Some(to_us),
        processes,
        privacy: Privacy {
            // The format has no place for it.
            no_source: true,
            no_command_line: false,
        },
        ..JoinOptions::default()
    };
    let chunks = context
        .read_state(move |state| state.chunks_between(Some(from_us), Some(to_us)))
        .await?;
    check_size(context, &chunks).await?;
    let permit = turn(context).await?;
    let context = context.clone();
    let made = spawn_blocking(move || {
        let _permit = permit;
        make(&context, options, chunks)
    });
    let profile = made
        .await
        .unwrap_or_else(|_| Err(ApiError::unavailable("the profile cannot be made")))?;
    let body = Body::Whole(profile.into());
    let mut reply = reply::reply(StatusCode::OK, "application/octet-stream", body);
    let disposition = "attachment; filename=\"profile\"";
    reply::set(&mut reply, CONTENT_DISPOSITION, disposition);
    Ok(reply)
}

/// Waits until that time has been recorded and written.
async fn wait(
    context: &Context,
    client: &Client,
    length: Duration,
    seconds: u32,
) -> Result<(), ApiError> {
    let status = context.recorder.status().await?.status;
    let begun = match status.hz {
        0 => Some(begin(context, client, seconds).await?),
        _ => None,
    };
    let mut flushed = context.recorder.flushed();
    sleep(length + ON_THE_WAY).await;
    flushed.mark_unchanged();
    // If it does not come, the profile is what is there.
    let _ = timeout(FLUSH, flushed.changed()).await;
    if let Some(id) = begun {
        // It stops by itself anyway.
        let _ = context.recorder.ask(RecorderCommand::Stop { id }).await;
    }
    Ok(())
}

/// Starts a recording if nothing is sampled otherwise.
async fn begin(context: &Context, client: &Client, seconds: u32) -> Result<RecordingId, ApiError> {
    client.check_change()?;
    let wanted = StartRecording {
        hz: Some(HZ),
        pids: Vec::new(),
        seconds: Some(seconds + 2),
        name: "profile".into(),
    };
    match context.recorder.ask(RecorderCommand::Start(wanted)).await? {
        Answer::Recording(entry) => Ok(entry.id),
        _ => Err(ApiError::unavailable("the recorder did not begin")),
    }
}

/// Makes the profile, an empty one if nothing was sampled.
fn make(
    context: &Context,
    options: JoinOptions,
    chunks: Vec<ChunkNumber>,
) -> Result<Vec<u8>, ApiError> {
    let trace = match chunks.is_empty() {
        true => Trace {
            info: TraceInfo {
                unix_start_us: options.from_us.unwrap_or(0),
                ..TraceInfo::default()
            },
            ..Trace::default()
        },
        false => read(context, options, chunks)?,
    };
    let view = TraceView::whole(&trace);
    let mut profile = Vec::new();
    write_view(&view, Format::Pprof, Shape::default(), &mut profile)
        .map_err(|error| ApiError::unavailable(format!("the profile cannot be made: {error}")))?;
    Ok(profile)
}
