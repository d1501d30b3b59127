// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the time of `--stall`.

use std::time::Duration;

use crate::cli::values::error::ValueError;
use crate::cli::values::time::duration;

/// The range of the time that counts as a stall. Over a shorter one, threads that wait where
/// they happened to wait before look as if they stood still.
const SHORTEST: Duration = Duration::from_secs(3);
const LONGEST: Duration = Duration::from_secs(3600);

/// How long a process has to stand still to be marked; `None` if no stall is marked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StallTime(pub Option<Duration>);

/// Reads `10s`, or `off`.
///
/// # Errors
/// [`ValueError::Stall`].
pub fn stall(value: &str) -> Result<StallTime, ValueError> {
    if value.trim() == "off" {
        return Ok(StallTime(None));
    }
    let time = duration(value).ok();
    let time = time.filter(|time| (SHORTEST..=LONGEST).contains(time));
    time.map(|time| StallTime(Some(time)))
        .ok_or(ValueError::Stall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_has_a_time_or_is_off() {
        let seconds = |seconds| Ok(StallTime(Some(Duration::from_secs(seconds))));
        assert_eq!((stall("10s"), stall("3")), (seconds(10), seconds(3)));
        assert_eq!(stall(" off"), Ok(StallTime(None)));
        for text in ["", "0", "2s", "2h", "on", "-5"] {
            assert_eq!(stall(text), Err(ValueError::Stall), "{text}");
        }
    }
}
