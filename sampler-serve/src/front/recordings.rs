// SPDX-License-Identifier: MIT OR Apache-2.0

//! `/api/v1/recordings`: recordings at a higher rate, from start to stop.

use hyper::StatusCode;
use hyper::header::LOCATION;

use crate::documents::Recordings;
use crate::front::context::{Client, Context};
use crate::front::error::ApiError;
use crate::front::recorder::AskError;
use crate::front::reply::{self, HttpReply};
use crate::front::visible;
use crate::protocol::command::{RecorderCommand, StartRecording};
use crate::protocol::message::Answer;
use crate::state::entry::{RecordingEntry, RecordingId};

/// The longest name of a recording or a mark, in bytes.
const LONGEST_NAME: usize = 200;
/// The most processes of a recording.
const MOST_PIDS: usize = 1024;

/// Answers `GET /api/v1/recordings`.
///
/// # Errors
/// 503.
pub(crate) async fn list(context: &Context, client: &Client) -> Result<HttpReply, ApiError> {
    let (_, recordings) = visible::entries(context, client).await?;
    reply::json(StatusCode::OK, &Recordings { recordings })
}

/// Answers `GET /api/v1/recordings/{id}`.
///
/// # Errors
/// 404, 503.
pub(crate) async fn get(
    context: &Context,
    client: &Client,
    id: RecordingId,
) -> Result<HttpReply, ApiError> {
    let entry = visible::recording(context, client, id).await?;
    reply::json(StatusCode::OK, &entry)
}

/// Answers `POST /api/v1/recordings`.
///
/// # Errors
/// 400, 403, 429, 503.
pub(crate) async fn start(
    context: &Context,
    client: &Client,
    wanted: StartRecording,
) -> Result<HttpReply, ApiError> {
    client.check_change()?;
    check_name(&wanted.name)?;
    if wanted.pids.len() > MOST_PIDS {
        let message = format!("a recording has at most {MOST_PIDS} processes");
        return Err(ApiError::bad_request(message));
    }
    let entry = ask(context, RecorderCommand::Start(wanted)).await?;
    let mut reply = reply::json(StatusCode::CREATED, &entry)?;
    let location = format!("/api/v1/recordings/{}", entry.id.0);
    reply::set(&mut reply, LOCATION, &location);
    Ok(reply)
}

/// Answers `POST /api/v1/recordings/{id}/stop`.
///
/// # Errors
/// 403, 404, 409, 503.
pub(crate) async fn stop(
    context: &Context,
    client: &Client,
    id: RecordingId,
) -> Result<HttpReply, ApiError> {
    client.check_change()?;
    let entry = ask(context, RecorderCommand::Stop { id }).await?;
    reply::json(StatusCode::OK, &entry)
}

/// Answers `DELETE /api/v1/recordings/{id}`.
///
/// # Errors
/// 403, 404, 503.
pub(crate) async fn delete(
    context: &Context,
    client: &Client,
    id: RecordingId,
) -> Result<HttpReply, ApiError> {
    client.check_change()?;
    match context
        .recorder
        .ask(RecorderCommand::DeleteRecording { id })
        .await?
    {
        Answer::Deleted => reply::json(StatusCode::OK, &serde_json::json!({ "deleted": id })),
        _ => Err(AskError::Unexpected.into()),
    }
}

async fn ask(context: &Context, command: RecorderCommand) -> Result<RecordingEntry, ApiError> {
    match context.recorder.ask(command).await? {
        Answer::Recording(entry) => Ok(entry),
        _ => Err(AskError::Unexpected.into()),
    }
}

/// Checks that a text can be a name.
///
/// # Errors
/// 400.
pub(crate) fn check_name(name: &str) -> Result<(), ApiError> {
    if name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        let message = format!("a name has at most {LONGEST_NAME} bytes, and no control characters");
        return Err(ApiError::bad_request(message));
    }
    Ok(())
}
