// SPDX-License-Identifier: MIT OR Apache-2.0

//! The path and query by which a part of the trace is asked for.

use crate::cli::arguments::ctl::TraceArguments;

/// Returns the path and query for a trace in the format with this name.
pub(super) fn path(wanted: &TraceArguments, format: &str) -> String {
    let path = match wanted.recording {
        Some(id) => format!("/api/v1/recordings/{id}/trace"),
        None => "/api/v1/trace".into(),
    };
    let mut query = format!("{path}?format={}", encode(format));
    let mut add = |name: &str, value: &str| {
        query.push_str(&format!("&{name}={}", encode(value)));
    };
    for (name, value) in [
        ("last", &wanted.last),
        ("from", &wanted.from),
        ("to", &wanted.to),
        ("process", &wanted.process),
        ("thread", &wanted.thread),
    ] {
        if let Some(value) = value {
            add(name, value);
        }
    }
    for pid in &wanted.pid {
        add("pid", &pid.to_string());
    }
    if wanted.no_source {
        add("source", "0");
    }
    if wanted.follow {
        add("follow", "1");
    }
    query
}

/// Writes all bytes but letters, digits and `-._~` as `%41`.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                encoded.push(char::from(byte));
            }
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wanted_is_in_the_query() {
        let all = TraceArguments::default();
        assert_eq!(path(&all, "pyebpf"), "/api/v1/trace?format=pyebpf");
        let part = TraceArguments {
            from: Some("@1.5".into()),
            to: Some("2026-11-30 12:00:00".into()),
            pid: vec![1, 2],
            process: Some("^a&b=é+$".into()),
            thread: Some("x".into()),
            no_source: true,
            ..TraceArguments::default()
        };
        assert_eq!(
            path(&part, "json.gz"),
            "/api/v1/trace?format=json.gz&from=%401.5&to=2026-11-30%2012%3A00%3A00\
             &process=%5Ea%26b%3D%C3%A9%2B%24&thread=x&pid=1&pid=2&source=0"
        );
        let last = TraceArguments {
            last: Some("1h 30m".into()),
            follow: true,
            ..TraceArguments::default()
        };
        assert_eq!(
            path(&last, "pyebpf"),
            "/api/v1/trace?format=pyebpf&last=1h%2030m&follow=1"
        );
        let recording = TraceArguments {
            recording: Some(3),
            ..TraceArguments::default()
        };
        assert_eq!(
            path(&recording, "html"),
            "/api/v1/recordings/3/trace?format=html"
        );
    }
}
