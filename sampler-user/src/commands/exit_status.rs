// SPDX-License-Identifier: MIT OR Apache-2.0

//! Chooses the exit status of the program by what went wrong.

mod delivery;
#[cfg(target_os = "linux")]
mod host;
#[cfg(all(test, target_os = "linux"))]
mod tests;

use crate::cli::config::exit::ExitStatus;
use crate::commands::dispatch::CommandError;
use crate::commands::exit_status::delivery::of_delivery;
#[cfg(target_os = "linux")]
use crate::commands::exit_status::host::of_host;
use crate::commands::top::error::ShowError;

/// Returns the exit status of a command that failed.
pub fn exit_status(error: &CommandError) -> ExitStatus {
    match error {
        CommandError::Usage(_) | CommandError::Log(_) => ExitStatus::USAGE,
        #[cfg(target_os = "linux")]
        CommandError::Host(error) => of_host(error),
        // It needs Linux.
        #[cfg(not(target_os = "linux"))]
        CommandError::Host(_) => ExitStatus::NOT_ALLOWED,
        CommandError::Show(ShowError::NeedsLinux) => ExitStatus::NOT_ALLOWED,
        CommandError::Show(_) => ExitStatus::ERROR,
        CommandError::Convert(error) => of_delivery(error),
        CommandError::Report { .. }
        | CommandError::View(_)
        | CommandError::Rights(_)
        | CommandError::Print(_) => ExitStatus::ERROR,
    }
}
