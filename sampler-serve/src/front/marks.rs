// SPDX-License-Identifier: MIT OR Apache-2.0

//! `/api/v1/marks`: moments around which the trace is kept for longer.

use hyper::StatusCode;
use hyper::header::LOCATION;

use crate::documents::Marks;
use crate::front::context::{Client, Context};
use crate::front::error::ApiError;
use crate::front::recorder::AskError;
use crate::front::recordings::check_name;
use crate::front::reply::{self, HttpReply};
use crate::front::visible;
use crate::protocol::command::{NewMark, RecorderCommand};
use crate::protocol::message::Answer;
use crate::state::entry::MarkId;

/// Answers `GET /api/v1/marks`.
///
/// # Errors
/// 503.
pub(crate) async fn list(context: &Context, client: &Client) -> Result<HttpReply, ApiError> {
    let (marks, _) = visible::entries(context, client).await?;
    reply::json(StatusCode::OK, &Marks { marks })
}

/// Answers `GET /api/v1/marks/{id}`.
///
/// # Errors
/// 404, 503.
pub(crate) async fn get(
    context: &Context,
    client: &Client,
    id: MarkId,
) -> Result<HttpReply, ApiError> {
    let (marks, _) = visible::entries(context, client).await?;
    let found = marks.into_iter().find(|entry| entry.id == id);
    let missing = || {
        let message = format!("there is no mark {}; see /api/v1/marks", id.0);
        ApiError::not_found(message)
    };
    reply::json(StatusCode::OK, &found.ok_or_else(missing)?)
}

/// Answers `POST /api/v1/marks`.
///
/// # Errors
/// 400, 403, 429, 503.
pub(crate) async fn set(
    context: &Context,
    client: &Client,
    wanted: NewMark,
) -> Result<HttpReply, ApiError> {
    client.check_change()?;
    check_name(&wanted.name)?;
    let Answer::Mark(entry) = context.recorder.ask(RecorderCommand::Mark(wanted)).await? else {
        return Err(AskError::Unexpected.into());
    };
    let mut reply = reply::json(StatusCode::CREATED, &entry)?;
    let location = format!("/api/v1/marks/{}", entry.id.0);
    reply::set(&mut reply, LOCATION, &location);
    Ok(reply)
}

/// Answers `DELETE /api/v1/marks/{id}`.
///
/// # Errors
/// 403, 404, 503.
pub(crate) async fn delete(
    context: &Context,
    client: &Client,
    id: MarkId,
) -> Result<HttpReply, ApiError> {
    client.check_change()?;
    match context
        .recorder
        .ask(RecorderCommand::DeleteMark { id })
        .await?
    {
        Answer::Deleted => reply::json(StatusCode::OK, &serde_json::json!({ "deleted": id })),
        _ => Err(AskError::Unexpected.into()),
    }
}
