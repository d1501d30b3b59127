// SPDX-License-Identifier: MIT OR Apache-2.0

//! The answers that are the same or nearly so every time: the page, the description of the
//! interface, whether the server lives and is ready, its command line.

use hyper::StatusCode;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, REFERRER_POLICY};

use crate::front::body::Body;
use crate::front::context::{Client, Context};
use crate::front::error::ApiError;
use crate::front::reply::{self, HttpReply, TEXT};

/// The description of the interface, which a test holds against the server.
pub const OPENAPI: &str = include_str!("../../openapi.json");

/// What the page may do: its own scripts and styles, which are inside of it, and requests
/// to this server.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; \
    style-src 'unsafe-inline'; img-src data: blob:; font-src data:; connect-src 'self'; \
    worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Answers `GET /`.
#[must_use]
pub(crate) fn page(context: &Context, headers: &HeaderMap) -> HttpReply {
    let mut reply = reply::bytes("text/html; charset=utf-8", context.page);
    reply::set(&mut reply, CONTENT_SECURITY_POLICY, POLICY);
    reply::set(&mut reply, REFERRER_POLICY, "no-referrer");
    // Over plain HTTP, other than to this host itself, browsers warn that they ignore it. They
    // send the other header where they do not (Fetch Metadata, W3C).
    if headers.contains_key("sec-fetch-site") {
        let name = HeaderName::from_static("cross-origin-opener-policy");
        reply::set(&mut reply, name, "same-origin");
    }
    reply
}

/// Answers `GET /api/v1/openapi.json`.
#[must_use]
pub(crate) fn openapi() -> HttpReply {
    reply::bytes(reply::JSON, OPENAPI)
}

/// Answers `GET /healthz`: the front is alive.
#[must_use]
pub(crate) fn healthz() -> HttpReply {
    reply::bytes(TEXT, "ok\n")
}

/// Answers `GET /readyz`: the recorder answers.
pub(crate) async fn readyz(context: &Context) -> HttpReply {
    match context.recorder.status().await {
        Ok(_) => reply::bytes(TEXT, "ok\n"),
        Err(error) => {
            let body = Body::Whole(format!("{error}\n").into());
            reply::reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, body)
        }
    }
}

/// Answers `GET /debug/pprof/cmdline`: the command line, with a zero byte between its
/// arguments.
///
/// # Errors
/// 403: the client sees its own processes only.
pub(crate) fn cmdline(context: &Context, client: &Client) -> Result<HttpReply, ApiError> {
    if client.access.own_uid().is_some() {
        return Err(ApiError::forbidden(
            "only root and members of the socket's group see the server's command line",
        ));
    }
    Ok(reply::bytes(TEXT, context.about.command.join("\0")))
}
