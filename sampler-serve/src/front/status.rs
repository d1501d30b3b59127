// SPDX-License-Identifier: MIT OR Apache-2.0

//! `GET /api/v1/status`: the state of the server, its recorder and its disk.

use hyper::StatusCode;

use crate::documents::{DiskUse, RecorderHealth, RecorderState, Status};
use crate::front::context::{Client, Context};
use crate::front::error::ApiError;
use crate::front::reply::{self, HttpReply};
use crate::front::times::now_us;
use crate::front::visible;

/// The most marks, and the most recordings, in a status: the latest ones.
const MOST_ENTRIES: usize = 200;

/// Makes the document. Without a recorder, it has the last known status.
///
/// # Errors
/// 503: the state directory cannot be read.
pub(crate) async fn document(context: &Context, client: &Client) -> Result<Status, ApiError> {
    let recorder = &context.recorder;
    let asked = recorder.status().await;
    let state = recorder.state();
    let seen = asked.as_ref().ok().cloned().or(recorder.last_status());
    let survey = context.read_state(|state| state.survey()).await?;
    let (mut marks, mut recordings) = visible::entries(context, client).await?;
    marks.drain(..marks.len().saturating_sub(MOST_ENTRIES));
    // Whoever wants the stacks of a stall asks for its mark.
    for mark in &mut marks {
        let sentence = mark.sentence().len();
        mark.details.truncate(sentence);
    }
    recordings.drain(..recordings.len().saturating_sub(MOST_ENTRIES));
    let last = seen.as_ref().map(|seen| &*seen.status);
    let sees_all = client.access.own_uid().is_none();
    let mut problems = match last {
        Some(last) if sees_all => last.problems.clone(),
        _ => Vec::new(),
    };
    if let Err(error) = &asked {
        problems.insert(0, error.to_string());
    }
    let counters = last.filter(|_| sees_all).map(|last| last.counters.clone());
    let is_running = state == RecorderState::Running;
    let now = last.filter(|_| is_running);
    Ok(Status {
        program: context.about.program.clone(),
        host: context.about.host.clone(),
        mode: last.map(|last| last.mode),
        hz: now.map_or(0, |now| now.hz),
        base_hz: last.map_or(0, |last| last.base_hz),
        now_us: now_us(),
        since_us: now.map(|now| now.since_us),
        kept_from_us: survey.from_us,
        recorder: RecorderHealth {
            state,
            pid: now.map(|now| now.pid),
            restarts: recorder.restarts(),
            behind_us: now.map_or(0, |now| now.behind_us),
            cpu_percent: seen
                .as_ref()
                .filter(|_| is_running)
                .map_or(0.0, |it| it.cpu_percent),
            rss_bytes: now.map_or(0, |now| now.rss_bytes),
        },
        disk: DiskUse {
            bytes: last.map_or(0, |last| last.disk_bytes),
            max_bytes: context.about.max_bytes,
            keep_s: context.about.keep_s,
            chunks: survey.chunks,
            damaged_chunks: survey.damaged,
        },
        recordings,
        marks,
        problems,
        counters: counters.unwrap_or_default(),
    })
}

/// Answers `GET /api/v1/status`.
///
/// # Errors
/// As [`document`].
pub(crate) async fn get(context: &Context, client: &Client) -> Result<HttpReply, ApiError> {
    reply::json(StatusCode::OK, &document(context, client).await?)
}
