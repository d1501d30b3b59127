// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads durations and points in time as people write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sampler_trace::convert::selection::TimePoint;

use crate::cli::values::error::ValueError;
use crate::cli::values::ranges::LONGEST_DURATION;

/// Reads how long to record: longer than 0, and at most [`LONGEST_DURATION`].
///
/// # Errors
/// [`ValueError::Duration`].
pub fn duration(value: &str) -> Result<Duration, ValueError> {
    let error = |reason| ValueError::Duration { reason };
    let duration = parse_duration(value).ok_or_else(|| error("this is no length of time"))?;
    if duration.is_zero() {
        return Err(error("the time must be longer than 0"));
    }
    if duration > LONGEST_DURATION {
        return Err(error(
            "this is more than a year; without it, Ctrl-C ends the recording",
        ));
    }
    Ok(duration)
}

/// Reads a duration since the start, an RFC 3339 date in UTC (`Z` may be missing), or `@`
/// and seconds of Unix time.
///
/// # Errors
/// [`ValueError::TimePoint`].
pub fn time_point(value: &str) -> Result<TimePoint, ValueError> {
    parse_time_point(value).ok_or(ValueError::TimePoint)
}

/// Reads a duration such as `30` (seconds), `1.5`, `30s`, `500ms`, `2h` or `1h 30m`;
/// `None` for anything else.
fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    seconds(text).or_else(|| humantime::parse_duration(text).ok())
}

fn parse_time_point(text: &str) -> Option<TimePoint> {
    let text = text.trim();
    if let Some(unix) = text.strip_prefix('@') {
        return on_clock(UNIX_EPOCH.checked_add(seconds(unix)?)?);
    }
    let since_start = parse_duration(text).map(TimePoint::SinceStart);
    since_start.or_else(|| on_clock(humantime::parse_rfc3339_weak(text).ok()?))
}

fn on_clock(time: SystemTime) -> Option<TimePoint> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(TimePoint::Unix(u64::try_from(since.as_micros()).ok()?))
}

/// Reads seconds: digits, with at most nine more after a point.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let only_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !only_digits(whole) || !only_digits(part) || part.len() > 9 {
        return None;
    }
    Some(Duration::new(
        whole.parse().ok()?,
        format!("{part:0<9}").parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_people_write_them() {
        for (text, milliseconds) in [
            ("30", 30_000),
            ("1.5", 1_500),
            ("0", 0),
            ("30s", 30_000),
            ("500ms", 500),
            ("2h", 7_200_000),
            ("1h 30m", 5_400_000),
            (" 7 ", 7_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in [
            "",
            "-1",
            "+1",
            "s",
            "1.",
            ".5",
            "1e3",
            "99999999999999999999",
            "3 bananas",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn recordings_have_a_length_and_an_end() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for value in ["0", "0s", "-3", "soon", "400days", "99999999999999999999h"] {
            let error = duration(value).err();
            assert!(
                matches!(error, Some(ValueError::Duration { .. })),
                "{value}"
            );
        }
        assert_eq!(time_point("noon"), Err(ValueError::TimePoint));
    }

    #[test]
    fn points_of_time() {
        let clock = |seconds: f64| TimePoint::Unix((seconds * 1e6) as u64);
        assert_eq!(
            parse_time_point("2h"),
            Some(TimePoint::SinceStart(Duration::from_secs(7200)))
        );
        assert_eq!(
            parse_time_point("@1352241181.5"),
            Some(clock(1_352_241_181.5))
        );
        assert_eq!(
            parse_time_point("2012-11-06T22:33:01Z"),
            Some(clock(1_352_241_181.0))
        );
        assert_eq!(
            parse_time_point("2012-11-06 22:33:01"),
            Some(clock(1_352_241_181.0))
        );
        for text in [
            "yesterday",
            "@",
            "@-1",
            "@18446744073709551615",
            "2012-13-45T00:00:00Z",
        ] {
            assert_eq!(parse_time_point(text), None, "{text}");
        }
    }
}
