// SPDX-License-Identifier: MIT OR Apache-2.0

//! All paths and methods, and how one is found.

use hyper::{Method, StatusCode};

use crate::front::error::ApiError;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The live page.
    Page,
    /// The state of everything.
    Status,
    /// What is sampled.
    Processes,
    /// The stacks of a process now.
    Dump,
    /// A part of the trace.
    Trace,
    /// All recordings.
    Recordings,
    /// Starts a recording.
    StartRecording,
    /// A recording.
    Recording,
    /// Stops a recording.
    StopRecording,
    /// The trace of a recording.
    RecordingTrace,
    /// Deletes a recording.
    DeleteRecording,
    /// All marks.
    Marks,
    /// Sets a mark.
    SetMark,
    /// A mark.
    Mark,
    /// Deletes a mark.
    DeleteMark,
    /// A stream of events.
    Events,
    /// The description of the interface.
    OpenApi,
    /// A profile, as Go's handler gives one.
    Profile,
    /// The command line of the server.
    Cmdline,
    /// Metrics for Prometheus.
    Metrics,
    /// Whether the server is alive.
    Healthz,
    /// Whether the recorder answers.
    Readyz,
}

/// A path and a method. In a path, `{id}` stands for a number.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// `GET`, `POST` or `DELETE`.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
    /// What it is for.
    pub endpoint: Endpoint,
}

const fn get(path: &'static str, endpoint: Endpoint) -> Route {
    route("GET", path, endpoint)
}

const fn route(method: &'static str, path: &'static str, endpoint: Endpoint) -> Route {
    Route {
        method,
        path,
        endpoint,
    }
}

/// All of them.
pub const ROUTES: [Route; 22] = [
    get("/", Endpoint::Page),
    get("/api/v1/status", Endpoint::Status),
    get("/api/v1/processes", Endpoint::Processes),
    get("/api/v1/dump", Endpoint::Dump),
    get("/api/v1/trace", Endpoint::Trace),
    get("/api/v1/recordings", Endpoint::Recordings),
    route("POST", "/api/v1/recordings", Endpoint::StartRecording),
    get("/api/v1/recordings/{id}", Endpoint::Recording),
    route(
        "DELETE",
        "/api/v1/recordings/{id}",
        Endpoint::DeleteRecording,
    ),
    route(
        "POST",
        "/api/v1/recordings/{id}/stop",
        Endpoint::StopRecording,
    ),
    get("/api/v1/recordings/{id}/trace", Endpoint::RecordingTrace),
    get("/api/v1/marks", Endpoint::Marks),
    route("POST", "/api/v1/marks", Endpoint::SetMark),
    get("/api/v1/marks/{id}", Endpoint::Mark),
    route("DELETE", "/api/v1/marks/{id}", Endpoint::DeleteMark),
    get("/api/v1/events", Endpoint::Events),
    get("/api/v1/openapi.json", Endpoint::OpenApi),
    get("/debug/pprof/profile", Endpoint::Profile),
    get("/debug/pprof/cmdline", Endpoint::Cmdline),
    get("/metrics", Endpoint::Metrics),
    get("/healthz", Endpoint::Healthz),
    get("/readyz", Endpoint::Readyz),
];

/// Finds what a request is for, and the number in its path (0 where it has none).
///
/// # Errors
/// 404: no such path. 405: it has other methods.
pub fn find(method: &Method, path: &str) -> Result<(Endpoint, u64), ApiError> {
    let matching = ROUTES
        .iter()
        .filter_map(|route| Some((route, id_in(path, route.path)?)));
    let mut methods = Vec::new();
    for (route, id) in matching {
        if *method == route.method {
            return Ok((route.endpoint, id));
        }
        methods.push(route.method);
    }
    if methods.is_empty() {
        return Err(ApiError::not_found(
            "there is no such path; see /api/v1/openapi.json",
        ));
    }
    let allow = methods.join(", ");
    let message = format!("{path} has no method {method}, only {allow}");
    let mut error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message);
    error.allow = Some(allow);
    Err(error)
}

/// The number that stands for `{id}` in a path; 0 if there is none; `None` if the path is
/// another one.
fn id_in(path: &str, template: &str) -> Option<u64> {
    let Some((before, after)) = template.split_once("{id}") else {
        return (path == template).then_some(0);
    };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    let is_digits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| id.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_with_their_numbers() {
        let of = |method, path| find(&method, path).map_err(|error| error.status.as_u16());
        assert_eq!(of(Method::GET, "/"), Ok((Endpoint::Page, 0)));
        let stop = of(Method::POST, "/api/v1/recordings/12/stop");
        assert_eq!(stop, Ok((Endpoint::StopRecording, 12)));
        let mark = of(Method::DELETE, "/api/v1/marks/7");
        assert_eq!(mark, Ok((Endpoint::DeleteMark, 7)));
        for path in [
            "",
            "/x",
            "//",
            "/api/v1/status/",
            "/api/v1/recordings/",
            "/api/v1/recordings/x",
            "/api/v1/recordings/1/2",
            "/api/v1/recordings/+1",
            "/../etc/passwd",
            "/api/v1/recordings/99999999999999999999",
            "/API/v1/status",
        ] {
            assert_eq!(of(Method::GET, path), Err(404), "{path}");
        }
        for method in [Method::POST, Method::PUT, Method::HEAD, Method::OPTIONS] {
            assert_eq!(of(method, "/api/v1/status"), Err(405));
        }
        let error = find(&Method::PUT, "/api/v1/marks/1").expect_err("no PUT");
        assert_eq!(error.allow.as_deref(), Some("GET, DELETE"));
    }
}
