// SPDX-License-Identifier: MIT OR Apache-2.0

//! `GET /api/v1/events`: the status every two seconds, and each mark and recording as it
//! happens, as server-sent events.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderMap;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::front::body::{Pieces, stream};
use crate::front::context::{Client, Context};
use crate::front::error::ApiError;
use crate::front::recorder::{ClientEvent, NumberedEvent};
use crate::front::reply::{self, HttpReply};
use crate::front::{status, visible};

/// How often the status is sent.
const EVERY: Duration = Duration::from_secs(2);

/// Answers `GET /api/v1/events`.
///
/// # Errors
/// 503: too many streams.
pub(crate) fn get(
    context: &Arc<Context>,
    client: &Client,
    headers: &HeaderMap,
) -> Result<HttpReply, ApiError> {
    let pass = context.enter_stream(client)?;
    let last = headers.get("last-event-id").and_then(|it| it.to_str().ok());
    let (epoch, recorder) = (context.epoch, &context.recorder);
    // Numbers of another run of the front say nothing; the status has everything anyway.
    let after = last.and_then(|last| number_in(last, epoch));
    let after = after.unwrap_or_else(|| recorder.last_event());
    let (pieces, body) = stream();
    let (context, client) = (context.clone(), *client);
    tokio::spawn(async move {
        let _pass = pass;
        let end = Instant::now() + context.limits.stream;
        tokio::select! {
            () = send(&context, &client, after, &pieces) => {}
            () = sleep_until(end) => {}
            () = pieces.closed() => {}
        }
        pieces.end().await;
    });
    Ok(reply::reply(StatusCode::OK, "text/event-stream", body))
}

/// Sends events until the client is gone.
async fn send(context: &Context, client: &Client, after: u64, pieces: &Pieces) {
    let (kept, mut events) = context.recorder.events_after(after);
    for event in kept {
        if !send_event(context, client, &event, pieces).await {
            return;
        }
    }
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_open = tokio::select! {
            _ = ticks.tick() => send_status(context, client, pieces).await,
            event = events.recv() => match event {
                Ok(event) => send_event(context, client, &event, pieces).await,
                // The next status includes what was left out.
                Err(RecvError::Lagged(_)) => true,
                Err(RecvError::Closed) => false,
            },
        };
        if !is_open {
            return;
        }
    }
}

async fn send_status(context: &Context, client: &Client, pieces: &Pieces) -> bool {
    let text = match status::document(context, client).await {
        Ok(status) => serde_json::to_string(&status).unwrap_or_default(),
        // It cannot be read now; perhaps it can next time.
        Err(_) => return pieces.send(": no status\n\n").await,
    };
    let event = format!("event: status\ndata: {text}\n\n");
    pieces.send(event).await
}

async fn send_event(
    context: &Context,
    client: &Client,
    event: &NumberedEvent,
    pieces: &Pieces,
) -> bool {
    let access = client.access;
    let processes = match access.own_uid() {
        None => Arc::default(),
        Some(_) => context.recorder.processes().await.unwrap_or_default(),
    };
    let (name, is_visible, text) = match &event.event {
        ClientEvent::Mark(mark) => (
            "mark",
            visible::sees_mark(access, mark, &processes),
            serde_json::to_string(mark),
        ),
        ClientEvent::Recording(entry) => (
            "recording",
            visible::sees_recording(access, entry, &processes),
            serde_json::to_string(entry),
        ),
    };
    let (true, Ok(text)) = (is_visible, text) else {
        return true;
    };
    let id = format!("{}-{}", context.epoch, event.number);
    let event = format!("id: {id}\nevent: {name}\ndata: {text}\n\n");
    pieces.send(event).await
}

/// Returns the number in an id of this run of the front.
fn number_in(id: &str, epoch: u64) -> Option<u64> {
    let (of, number) = id.split_once('-')?;
    (of.parse() == Ok(epoch)).then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::number_in;

    #[test]
    fn ids_of_another_run_say_nothing() {
        assert_eq!(number_in("17-4", 17), Some(4));
        for id in ["16-4", "17", "17-", "17-x", "-4", "", "17-4-4"] {
            assert_eq!(number_in(id, 17), None, "{id}");
        }
    }
}
