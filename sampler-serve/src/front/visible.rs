// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which marks, recordings and processes a client may see.

use crate::front::context::{Client, Context};
use crate::front::error::ApiError;
use crate::front::peer::Access;
use crate::protocol::message::ProcessEntry;
use crate::state::entry::{MarkEntry, RecordingEntry, RecordingId};

/// The marks and recordings that a client may see, in order.
///
/// # Errors
/// 503: the state directory cannot be read.
pub(crate) async fn entries(
    context: &Context,
    client: &Client,
) -> Result<(Vec<MarkEntry>, Vec<RecordingEntry>), ApiError> {
    let read = context.read_state(|state| Ok((state.marks()?, state.recordings()?)));
    let (mut marks, mut recordings) = read.await?;
    if client.access.own_uid().is_some() {
        // Without a recorder, the user of a process is unknown.
        let processes = context.recorder.processes().await.unwrap_or_default();
        marks.retain(|it| sees_mark(client.access, it, &processes));
        recordings.retain(|it| sees_recording(client.access, it, &processes));
    }
    Ok((marks, recordings))
}

/// Whether a client may see a mark.
#[must_use]
pub(crate) fn sees_mark(access: Access, mark: &MarkEntry, processes: &[ProcessEntry]) -> bool {
    match mark.pid {
        Some(pid) => access.sees_pid(pid, processes),
        None => access.own_uid().is_none(),
    }
}

/// Whether a client may see a recording.
#[must_use]
pub(crate) fn sees_recording(
    access: Access,
    entry: &RecordingEntry,
    processes: &[ProcessEntry],
) -> bool {
    let mut pids = entry.pids.iter();
    access.own_uid().is_none()
        || !entry.pids.is_empty() && pids.all(|pid| access.sees_pid(*pid, processes))
}

/// A recording that a client may see.
///
/// # Errors
/// 404, 503.
pub(crate) async fn recording(
    context: &Context,
    client: &Client,
    id: RecordingId,
) -> Result<RecordingEntry, ApiError> {
    let (_, recordings) = entries(context, client).await?;
    let found = recordings.into_iter().find(|entry| entry.id == id);
    found.ok_or_else(|| {
        ApiError::not_found(format!(
            "there is no recording {}; see /api/v1/recordings",
            id.0
        ))
    })
}

/// Checks that a client may see a process.
///
/// # Errors
/// 404: it does not exist, or may not be seen. 503: the recorder is unavailable.
pub(crate) async fn check_pid(
    context: &Context,
    client: &Client,
    pid: u32,
) -> Result<(), ApiError> {
    let processes = context.recorder.processes().await?;
    if client.access.sees_pid(pid, &processes) {
        return Ok(());
    }
    Err(ApiError::not_found(format!(
        "no process {pid} of yours is sampled; see /api/v1/processes"
    )))
}
