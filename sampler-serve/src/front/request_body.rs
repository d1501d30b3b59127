// SPDX-License-Identifier: MIT OR Apache-2.0

//! The body of a request: JSON, bounded in size and time, without unknown fields.

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::front::config::Limits;
use crate::front::error::ApiError;

/// Makes sure that the body is declared as JSON. A form of another site cannot do that
/// without the browser asking us first, and we do not agree.
///
/// # Errors
/// 415.
pub fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let declared = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let essence = declared.and_then(|it| it.split(';').next()).unwrap_or("");
    if essence.trim().eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "requests that change something need the header Content-Type: application/json",
    ))
}

/// The body of a request without fields.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Reads a body. Nothing is the same as `{}`.
///
/// # Errors
/// 413: it is too long; 408: it takes too long; 400: it is not the JSON that is expected.
pub async fn read<T: DeserializeOwned>(body: Incoming, limits: &Limits) -> Result<T, ApiError> {
    let most = limits.body_bytes;
    let too_long = || {
        let message = format!("the body of the request is longer than {most} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    // What its length says already is not waited for.
    if body.size_hint().lower() > most as u64 {
        return Err(too_long());
    }
    let collected = timeout(limits.body, Limited::new(body, most).collect()).await;
    let collected = collected.map_err(|_| {
        ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body of the request did not arrive in time",
        )
    })?;
    let collected = collected.map_err(|error| {
        if error.is::<LengthLimitError>() {
            too_long()
        } else {
            ApiError::bad_request("the body of the request did not arrive")
        }
    })?;
    parse(&collected.to_bytes())
}

/// Reads a document.
///
/// # Errors
/// 400: it is not the JSON that is expected.
pub fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiError> {
    let text = if text.is_empty() { b"{}" } else { text };
    serde_json::from_slice(text)
        .map_err(|error| ApiError::bad_request(format!("the body of the request: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::command::{NewMark, StartRecording};

    #[test]
    fn unknown_fields_are_named() {
        let error = parse::<StartRecording>(br#"{"hz":100,"sec":5}"#).expect_err("sec");
        assert_eq!(error.status, StatusCode::BAD_REQUEST);
        assert!(error.message.contains("unknown field `sec`"), "{error}");
        let error = parse::<NewMark>(br#"{"name":"a","name":"b"}"#).expect_err("twice");
        assert!(error.message.contains("duplicate field `name`"), "{error}");
        assert_eq!(parse(b""), Ok(StartRecording::default()));
        for text in ["[]", "1", "{", r#"{"hz":-1}"#, r#"{"hz":1.5}"#, "{} {}"] {
            assert!(
                parse::<StartRecording>(text.as_bytes()).is_err() || text == "[]",
                "{text}"
            );
        }
    }

    #[test]
    fn only_json_is_taken() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, value.parse().expect("a value"));
            check_type(&headers).is_ok()
        };
        assert!(of("application/json") && of("Application/JSON; charset=utf-8"));
        for other in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "",
            "application/jsonp",
        ] {
            assert!(!of(other), "{other}");
        }
        assert!(check_type(&HeaderMap::new()).is_err());
    }
}
