// SPDX-License-Identifier: MIT OR Apache-2.0

//! Answers: their bodies with the headers that all of them have.

use bytes::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::front::body::Body;
use crate::front::error::ApiError;

/// An answer.
pub(crate) type HttpReply = Response<Body>;

/// The type of JSON documents.
pub(crate) const JSON: &str = "application/json";
/// The type of text.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

/// What a browser asks its user for.
const REALM: HeaderValue = HeaderValue::from_static("Basic realm=\"pyebpf\"");

/// Answers with a body of a type.
#[must_use]
pub(crate) fn reply(status: StatusCode, content_type: &'static str, body: Body) -> HttpReply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// Answers with bytes.
#[must_use]
pub(crate) fn bytes(content_type: &'static str, body: impl Into<Bytes>) -> HttpReply {
    reply(StatusCode::OK, content_type, Body::Whole(body.into()))
}

/// Answers with a JSON document.
///
/// # Errors
/// 500, if it cannot be written as JSON.
pub(crate) fn json(status: StatusCode, document: &impl Serialize) -> Result<HttpReply, ApiError> {
    let text = serde_json::to_vec(document).map_err(|error| {
        let message = format!("the answer cannot be written as JSON: {error}");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    })?;
    Ok(reply(status, JSON, Body::Whole(text.into())))
}

/// Puts a header on an answer. What cannot be a header is left out.
pub(crate) fn set(reply: &mut HttpReply, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}

/// Answers with an error, as JSON.
#[must_use]
pub(crate) fn refusal(error: &ApiError) -> HttpReply {
    let document = serde_json::json!({ "error": error.message }).to_string();
    let body = Body::Whole(document.into());
    with_details(reply(error.status, JSON, body), error)
}

/// Answers with an error as Go's handlers do, for `go tool pprof`.
#[must_use]
pub(crate) fn text_refusal(error: &ApiError) -> HttpReply {
    let body = Body::Whole(format!("{}\n", error.message).into());
    let mut reply = with_details(reply(error.status, TEXT, body), error);
    set(&mut reply, HeaderName::from_static("x-go-pprof"), "1");
    reply
}

fn with_details(mut reply: HttpReply, error: &ApiError) -> HttpReply {
    if let Some(seconds) = error.retry_after_s {
        set(&mut reply, RETRY_AFTER, &seconds.to_string());
    }
    if let Some(methods) = &error.allow {
        set(&mut reply, ALLOW, methods);
    }
    if error.status == StatusCode::UNAUTHORIZED {
        reply.headers_mut().insert(WWW_AUTHENTICATE, REALM);
    }
    reply
}
