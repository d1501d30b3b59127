// SPDX-License-Identifier: MIT OR Apache-2.0

//! `GET /api/v1/processes` and `GET /api/v1/dump`: what is sampled, and the stacks of a
//! process now.

use hyper::StatusCode;
use serde_json::Value;

use crate::documents::Processes;
use crate::front::context::{Client, Context};
use crate::front::error::ApiError;
use crate::front::query::Query;
use crate::front::recorder::AskError;
use crate::front::reply::{self, HttpReply};
use crate::front::visible;
use crate::protocol::command::RecorderCommand;
use crate::protocol::message::Answer;

/// Answers `GET /api/v1/processes`.
///
/// # Errors
/// 503: the recorder is unavailable.
pub(crate) async fn list(context: &Context, client: &Client) -> Result<HttpReply, ApiError> {
    let processes = context.recorder.processes().await?;
    let seen = processes.iter().filter(|it| client.access.sees(it.uid));
    let processes = seen.cloned().collect();
    reply::json(StatusCode::OK, &Processes { processes })
}

/// Answers `GET /api/v1/dump?pid=`.
///
/// # Errors
/// 400, 404, 429, 503.
pub(crate) async fn dump(
    context: &Context,
    client: &Client,
    mut query: Query,
) -> Result<HttpReply, ApiError> {
    let pid = query.number("pid")?;
    query.finish()?;
    let pid = pid.ok_or_else(|| ApiError::bad_request("pid=PID is missing"))?;
    visible::check_pid(context, client, pid).await?;
    let _turn = context
        .dumps
        .try_acquire()
        .map_err(|_| ApiError::too_many("too many dumps at once; try again in a moment"))?;
    let Answer::Dump(mut document) = context.recorder.ask(RecorderCommand::Dump { pid }).await?
    else {
        return Err(AskError::Unexpected.into());
    };
    // Its pid may belong to another user's process by now.
    visible::check_pid(context, client, pid).await?;
    if !context.sends_source(client) {
        forget_sources(&mut document);
    }
    reply::json(StatusCode::OK, &document)
}

/// Empties the text of source lines.
fn forget_sources(document: &mut Value) {
    match document {
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "source" if value.is_string() => *value = Value::String(String::new()),
                    _ => forget_sources(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(forget_sources),
        _ => {}
    }
}
