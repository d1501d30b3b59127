// SPDX-License-Identifier: MIT OR Apache-2.0

//! What happens to a request: where it comes from is checked, then who asks, then what it
//! asks for; then the handler answers. A handler that panics or takes too long costs its
//! request alone.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as TaskContext, Poll};

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::{Method, Request, StatusCode};
use tokio::time::timeout;

use crate::front::context::{Client, Context};
use crate::front::error::ApiError;
use crate::front::query::Query;
use crate::front::reply::{HttpReply, refusal, text_refusal};
use crate::front::routes::{Endpoint, find};
use crate::front::{
    events, fixed, marks, metrics, origin, processes, recordings, request_body, status, trace,
};
use crate::state::entry::{MarkId, RecordingId};

/// Answers a request, whatever happens.
///
/// # Errors
/// Never.
pub(crate) async fn answer(
    context: Arc<Context>,
    client: Client,
    request: Request<Incoming>,
) -> Result<HttpReply, Infallible> {
    let is_pprof = request.uri().path().starts_with("/debug/pprof/");
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let handled = Box::pin(handle(context.clone(), client, request));
    let result = CatchPanic(handled).await.unwrap_or_else(|message| {
        context.counters.panics.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%method, path, message, "a request ended with a panic");
        let text = "internal error; the server's log says more";
        Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, text))
    });
    let reply = result.unwrap_or_else(|error| match is_pprof {
        true => text_refusal(&error),
        false => refusal(&error),
    });
    let status = reply.status();
    context.counters.answered(status);
    tracing::debug!(%method, path, status = status.as_u16(), "answered");
    Ok(reply)
}

async fn handle(
    context: Arc<Context>,
    client: Client,
    request: Request<Incoming>,
) -> Result<HttpReply, ApiError> {
    let (head, body) = request.into_parts();
    origin::check(&context.hosts, &head.method, &head.uri, &head.headers)?;
    if client.access.is_tcp {
        check_token(&context, &head.headers)?;
    }
    let (endpoint, id) = find(&head.method, head.uri.path())?;
    if head.method != Method::GET {
        request_body::check_type(&head.headers)?;
    }
    let query = Query::parse(head.uri.query().unwrap_or_default())?;
    let limit = context.limits.request;
    let handled = dispatch(&context, client, endpoint, id, query, &head.headers, body);
    if is_long(endpoint) {
        return handled.await;
    }
    timeout(limit, handled).await.unwrap_or_else(|_| {
        let text = "the answer took too long; try again later";
        Err(ApiError::unavailable(text))
    })
}

fn check_token(context: &Context, headers: &HeaderMap) -> Result<(), ApiError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let is_right = match (values.next(), values.next()) {
        (Some(header), None) => context.tokens.accept(header.as_bytes()),
        _ => false,
    };
    is_right.then_some(()).ok_or_else(|| {
        ApiError::new(
            StatusCode::UNAUTHORIZED,
            "a token is required: Authorization: Bearer TOKEN, or the token as the password",
        )
    })
}

/// Whether an endpoint has limits of its own for how long it takes.
fn is_long(endpoint: Endpoint) -> bool {
    matches!(
        endpoint,
        Endpoint::Trace | Endpoint::RecordingTrace | Endpoint::Profile
    )
}

async fn dispatch(
    context: &Arc<Context>,
    client: Client,
    endpoint: Endpoint,
    id: u64,
    query: Query,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<HttpReply, ApiError> {
    let client = &client;
    let takes_query = is_long(endpoint) || endpoint == Endpoint::Dump;
    let query = match takes_query {
        true => query,
        false => {
            query.finish()?;
            Query::default()
        }
    };
    let recording = RecordingId(id);
    let mark = MarkId(id);
    let limits = &context.limits;
    match endpoint {
        Endpoint::Page => Ok(fixed::page(context, headers)),
        Endpoint::Status => status::get(context, client).await,
        Endpoint::Processes => processes::list(context, client).await,
        Endpoint::Dump => processes::dump(context, client, query).await,
        Endpoint::Trace => trace::get(context, client, query).await,
        Endpoint::RecordingTrace => trace::of_recording(context, client, recording, query).await,
        Endpoint::Profile => trace::pprof::get(context, client, query).await,
        Endpoint::Recordings => recordings::list(context, client).await,
        Endpoint::StartRecording => {
            let wanted = request_body::read(body, limits).await?;
            recordings::start(context, client, wanted).await
        }
        Endpoint::Recording => recordings::get(context, client, recording).await,
        Endpoint::StopRecording => {
            request_body::read::<request_body::Nothing>(body, limits).await?;
            recordings::stop(context, client, recording).await
        }
        Endpoint::DeleteRecording => recordings::delete(context, client, recording).await,
        Endpoint::Marks => marks::list(context, client).await,
        Endpoint::SetMark => {
            let wanted = request_body::read(body, limits).await?;
            marks::set(context, client, wanted).await
        }
        Endpoint::Mark => marks::get(context, client, mark).await,
        Endpoint::DeleteMark => marks::delete(context, client, mark).await,
        Endpoint::Events => events::get(context, client, headers),
        Endpoint::OpenApi => Ok(fixed::openapi()),
        Endpoint::Cmdline => fixed::cmdline(context, client),
        Endpoint::Metrics => metrics::get(context, client, headers).await,
        Endpoint::Healthz => Ok(fixed::healthz()),
        Endpoint::Readyz => Ok(fixed::readyz(context).await),
    }
}

/// A future whose panic is an error, with the text of the panic.
struct CatchPanic<T>(Pin<Box<dyn Future<Output = T> + Send>>);

impl<T> Future for CatchPanic<T> {
    type Output = Result<T, String>;

    fn poll(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Self::Output> {
        // After a panic the future is not polled again.
        let polled = catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(payload) => {
                let text = payload
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned());
                let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
                Poll::Ready(Err(text.unwrap_or_default()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime");
        let number = |panics: bool| async move {
            tokio::task::yield_now().await;
            assert!(!panics, "on purpose");
            7
        };
        let result = |panics| runtime.block_on(CatchPanic(Box::pin(number(panics))));
        assert_eq!(result(false), Ok(7));
        assert_eq!(result(true), Err("on purpose".to_owned()));
    }
}
