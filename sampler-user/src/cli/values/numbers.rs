// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads whole numbers: rates and process ids.

use crate::cli::values::error::ValueError;
use crate::cli::values::ranges::{HIGHEST_RATE, LARGEST_PROCESS_ID};

/// Reads a rate in samples a second, 1 to [`HIGHEST_RATE`].
///
/// # Errors
/// [`ValueError::Rate`].
pub fn rate(value: &str) -> Result<u32, ValueError> {
    digits(value)
        .filter(|hz| (1..=HIGHEST_RATE).contains(hz))
        .ok_or(ValueError::Rate)
}

/// Reads a process id, 1 to [`LARGEST_PROCESS_ID`].
///
/// # Errors
/// [`ValueError::ProcessId`].
pub fn process_id(value: &str) -> Result<u32, ValueError> {
    digits(value.trim())
        .filter(|pid| (1..=LARGEST_PROCESS_ID).contains(pid))
        .ok_or(ValueError::ProcessId)
}

/// Reads a number of decimal digits only: `u32::from_str` would accept a sign.
fn digits(value: &str) -> Option<u32> {
    value
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| value.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_from_1_to_10000() {
        assert_eq!((rate("1"), rate("10000")), (Ok(1), Ok(10_000)));
        for value in ["0", "10001", "-1", "+5", "1.5", "x", "", "99999999999"] {
            assert_eq!(rate(value), Err(ValueError::Rate), "{value}");
        }
    }

    #[test]
    fn pids_are_numbers_from_one() {
        assert_eq!((process_id("1"), process_id(" 7 ")), (Ok(1), Ok(7)));
        for value in ["0", "-4", "+4", "init", "", "4194305"] {
            assert_eq!(process_id(value), Err(ValueError::ProcessId), "{value}");
        }
    }
}
