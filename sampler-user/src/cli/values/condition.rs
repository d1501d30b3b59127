// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the conditions of `--mark`.
//!
//! ```text
//! condition = metric ">" value [ "for" time ]
//! metric    = "cpu" | "threads" | "rss"
//! value     = a share of one CPU, such as 80% | a number | a size, such as 2G
//! ```

use std::fmt;
use std::time::Duration;

use crate::cli::values::error::ValueError;
use crate::cli::values::limits::{max_cpu, size};
use crate::cli::values::time::duration;

/// How long a condition has to hold if its time is left out.
const USUAL_TIME: Duration = Duration::from_secs(10);
/// The range of the time that a condition has to hold.
const SHORTEST_TIME: Duration = Duration::from_secs(1);
const LONGEST_TIME: Duration = Duration::from_secs(3600);

/// A condition of `--mark`, which holds for a process or does not.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What has to be exceeded.
    pub limit: Limit,
    /// For how long.
    pub time: Duration,
    /// As it was written.
    pub text: String,
}

/// What a process exceeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// A share of one CPU, 1.0 for all of it, on average over the time.
    Cpu(f64),
    /// A number of threads, at every moment of the time.
    Threads(u64),
    /// Bytes of resident memory, at every moment of the time.
    Resident(u64),
}

impl fmt::Display for Condition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// Reads a condition such as `cpu>80% for 10s`.
///
/// # Errors
/// [`ValueError::Condition`].
pub fn condition(value: &str) -> Result<Condition, ValueError> {
    let error = |reason| ValueError::Condition { reason };
    let (metric, rest) = value
        .split_once('>')
        .ok_or_else(|| error("there is no `>`"))?;
    let words: Vec<_> = rest.split_ascii_whitespace().collect();
    let (limit, time) = match words.iter().position(|word| *word == "for") {
        Some(at) => (words.get(..at), words.get(at + 1..)),
        None => (Some(&words[..]), None),
    };
    let limit = limit.unwrap_or_default().concat();
    let limit = match metric.trim() {
        "cpu" => {
            let share = max_cpu(&limit).ok().and_then(|limit| limit.0);
            let share = share.filter(|_| limit.ends_with('%'));
            Limit::Cpu(share.ok_or_else(|| error("cpu is compared with a share such as 80%"))?)
        }
        "threads" => {
            let is_plain = limit.bytes().all(|byte| byte.is_ascii_digit());
            let number = is_plain.then(|| limit.parse().ok()).flatten();
            let number = number.ok_or_else(|| error("threads are compared with a number"))?;
            Limit::Threads(number)
        }
        "rss" => Limit::Resident(
            size(&limit).ok_or_else(|| error("rss is compared with a size such as 2G"))?,
        ),
        _ => return Err(error("only cpu, threads and rss can be compared")),
    };
    let time = match time {
        Some(words) => duration(&words.join(" ")).map_err(|_| error("the time is invalid"))?,
        None => USUAL_TIME,
    };
    if !(SHORTEST_TIME..=LONGEST_TIME).contains(&time) {
        return Err(error("the time must be from 1s to 1h"));
    }
    let text = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Condition { limit, time, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_as_people_write_them() {
        for (text, limit, seconds) in [
            ("cpu>80% for 10s", Limit::Cpu(0.8), 10),
            ("cpu > 250 %", Limit::Cpu(2.5), 10),
            ("threads>200 for 1m", Limit::Threads(200), 60),
            (" rss >2G for 1m 30s ", Limit::Resident(2 << 30), 90),
        ] {
            let read = condition(text).expect(text);
            assert_eq!(
                (read.limit, read.time.as_secs()),
                (limit, seconds),
                "{text}"
            );
        }
        let read = condition("  cpu>80%   for\t10s ").expect("it is valid");
        assert_eq!(read.to_string(), "cpu>80% for 10s");
    }

    #[test]
    fn what_is_wrong_with_a_condition_is_said() {
        for (text, reason) in [
            ("", "no `>`"),
            ("cpu<80%", "no `>`"),
            ("cpu>80", "a share such as 80%"),
            ("cpu>off", "a share such as 80%"),
            ("cpu>-1%", "a share such as 80%"),
            ("cpu>>80%", "a share such as 80%"),
            ("cpu>80% 10s", "a share such as 80%"),
            ("threads>many", "a number"),
            ("threads>+5", "a number"),
            ("threads>", "a number"),
            ("rss>lots", "a size such as 2G"),
            ("load>3", "only cpu, threads and rss"),
            ("CPU>80%", "only cpu, threads and rss"),
            ("cpu>80% for", "the time is invalid"),
            ("cpu>80% for ever", "the time is invalid"),
            ("cpu>80% for 10s for 10s", "the time is invalid"),
            ("cpu>80% for 500ms", "from 1s to 1h"),
            ("cpu>80% for 2h", "from 1s to 1h"),
        ] {
            let error = condition(text).expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(error.contains("'cpu>80% for 10s'"), "{text}: {error}");
        }
    }
}
