// SPDX-License-Identifier: MIT OR Apache-2.0

//! The exit status of the program.

use std::process::ExitCode;

/// The exit status of the program, 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitStatus(u8);

impl ExitStatus {
    /// Success: there is data.
    pub const DATA: Self = Self(0);
    /// Any error that has no status of its own.
    pub const ERROR: Self = Self(1);
    /// The arguments are invalid.
    pub const USAGE: Self = Self(2);
    /// A permission is missing, or a feature that the kernel does not have.
    pub const NOT_ALLOWED: Self = Self(3);
    /// No such process, no Python in it, or no sample.
    pub const NOTHING_SAMPLED: Self = Self(4);
    /// The command to start was found but could not be executed.
    pub const NOT_EXECUTABLE: Self = Self(126);
    /// The command to start was not found.
    pub const NOT_FOUND: Self = Self(127);

    /// Returns the status of a command that exited by itself; the kernel keeps the low
    /// eight bits.
    pub fn of_command(code: i32) -> Self {
        Self(code.to_le_bytes()[0])
    }

    /// Returns the status of a command that a signal ended: 128 plus the signal's number,
    /// as shells report it.
    pub fn of_signal(signal: i32) -> Self {
        Self(
            u8::try_from(signal)
                .ok()
                .and_then(|number| number.checked_add(128))
                .unwrap_or(255),
        )
    }

    /// Returns the status of a command that ended with `status`; `None` if it is lost.
    #[cfg(unix)]
    pub fn of_ended(status: Option<std::process::ExitStatus>) -> Self {
        use std::os::unix::process::ExitStatusExt as _;

        let Some(status) = status else {
            return Self::ERROR;
        };
        match status.code() {
            Some(code) => Self::of_command(code),
            None => Self::of_signal(status.signal().unwrap_or(0)),
        }
    }

    /// The status as a number.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_signals_are_translated_as_by_a_shell() {
        assert_eq!(ExitStatus::of_command(0), ExitStatus::DATA);
        assert_eq!(ExitStatus::of_command(7).number(), 7);
        assert_eq!(ExitStatus::of_command(-1).number(), 255);
        assert_eq!(ExitStatus::of_signal(2).number(), 130);
        assert_eq!(ExitStatus::of_signal(9).number(), 137);
        assert_eq!(ExitStatus::of_signal(-4).number(), 255);
    }

    #[cfg(unix)]
    #[test]
    fn the_end_of_a_process_is_translated_as_by_a_shell() {
        use std::os::unix::process::ExitStatusExt as _;

        let of = |raw: Option<i32>| {
            ExitStatus::of_ended(raw.map(std::process::ExitStatus::from_raw)).number()
        };
        assert_eq!(
            [Some(0), Some(7 << 8), Some(9), None].map(of),
            [0, 7, 137, 1]
        );
    }
}
