// SPDX-License-Identifier: MIT OR Apache-2.0

//! The time that a request is about: `last=10m`, or `from=@1352241181.5` and `to=`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::front::error::ApiError;
use crate::front::query::Query;

/// From when to when, in microseconds of Unix time; both ends can be open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The start; open if `None`.
    pub from_us: Option<u64>,
    /// The end; open if `None`.
    pub to_us: Option<u64>,
}

impl Range {
    /// Takes `last`, `from` and `to` from a query.
    ///
    /// # Errors
    /// 400: they are not times, or contradict each other.
    pub fn take(query: &mut Query, now_us: u64) -> Result<Self, ApiError> {
        let last = query.one("last")?;
        let from = query.one("from")?;
        let to = query.one("to")?;
        let range = match (last, from, to) {
            (None, from, to) => Self {
                from_us: from.map(|text| moment("from", &text)).transpose()?,
                to_us: to.map(|text| moment("to", &text)).transpose()?,
            },
            (Some(last), None, None) => Self {
                from_us: Some(now_us.saturating_sub(duration("last", &last)?)),
                to_us: None,
            },
            _ => {
                return Err(ApiError::bad_request(
                    "last cannot be combined with from and to; use one or the other",
                ));
            }
        };
        match range {
            Self {
                from_us: Some(from),
                to_us: Some(to),
            } if from >= to => Err(ApiError::bad_request("from is not before to")),
            range => Ok(range),
        }
    }
}

/// The time now, in microseconds of Unix time.
#[must_use]
pub fn now_us() -> u64 {
    since_epoch_us(SystemTime::now()).unwrap_or(0)
}

fn since_epoch_us(time: SystemTime) -> Option<u64> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_micros()).ok()
}

/// Reads a duration such as `90` (seconds), `1.5`, `10m` or `1h 30m`, in microseconds.
///
/// # Errors
/// 400: it is not a duration, or zero.
pub fn duration(name: &str, text: &str) -> Result<u64, ApiError> {
    let text = text.trim();
    let parsed = seconds(text).or_else(|| humantime::parse_duration(text).ok());
    let microseconds = parsed.and_then(|it| u64::try_from(it.as_micros()).ok());
    microseconds.filter(|it| *it > 0).ok_or_else(|| {
        let message = format!("{name}={text}: not a duration such as 90, 10m or 1h30m");
        ApiError::bad_request(message)
    })
}

/// Reads a moment: `@` and seconds of Unix time, or an RFC 3339 date in UTC.
///
/// # Errors
/// 400: it is not a time.
pub fn moment(name: &str, text: &str) -> Result<u64, ApiError> {
    let text = text.trim();
    let parsed = match text.strip_prefix('@') {
        Some(unix) => seconds(unix).and_then(|it| u64::try_from(it.as_micros()).ok()),
        None => humantime::parse_rfc3339_weak(text)
            .ok()
            .and_then(since_epoch_us),
    };
    parsed.ok_or_else(|| {
        let message = format!(
            "{name}={text}: neither @SECONDS of Unix time nor a date such as 2012-11-06T22:33:01Z"
        );
        ApiError::bad_request(message)
    })
}

/// Reads seconds: digits, with at most nine more after a point.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    if !is_digits(whole) || !is_digits(part) || part.len() > 9 {
        return None;
    }
    let nanoseconds = format!("{part:0<9}").parse().ok()?;
    Some(Duration::new(whole.parse().ok()?, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Result<(Option<u64>, Option<u64>), ApiError> {
        let mut query = Query::parse(text)?;
        Range::take(&mut query, 1_000_000_000).map(|it| (it.from_us, it.to_us))
    }

    #[test]
    fn ranges_as_people_write_them() {
        assert_eq!(range(""), Ok((None, None)));
        assert_eq!(range("last=10m"), Ok((Some(400_000_000), None)));
        assert_eq!(range("last=1.5"), Ok((Some(998_500_000), None)));
        assert_eq!(range("last=10d"), Ok((Some(0), None)));
        assert_eq!(
            range("from=@1352241181.5&to=@1352241182"),
            Ok((Some(1_352_241_181_500_000), Some(1_352_241_182_000_000)))
        );
        assert_eq!(
            range("from=2012-11-06T22:33:01Z"),
            Ok((Some(1_352_241_181_000_000), None))
        );
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "last=",
            "last=0",
            "last=-1",
            "last=x",
            "last=99999999999999999999",
            "from=",
            "from=12",
            "from=@",
            "from=@-1",
            "from=@1e3",
            "from=@1.0000000001",
            "to=yesterday",
            "from=@2&to=@1",
            "from=@1&to=@1",
            "last=1m&from=@1",
            "last=1&last=2",
            "from=@18446744073709551615",
        ] {
            assert!(range(text).is_err(), "{text}");
        }
    }
}
