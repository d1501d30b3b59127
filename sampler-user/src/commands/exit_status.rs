// SPDX-License-Identifier: MIT OR Apache-2.0

//! Chooses the exit status of the program by what went wrong.

mod delivery;
#[cfg(target_os = "linux")]
mod host;
#[cfg(all(test, target_os = "linux"))]
mod tests;

use crate::cli::config::exit::ExitStatus;
use crate::commands::dispatch::VerbError;
use crate::commands::exit_status::delivery::of_delivery;
#[cfg(target_os = "linux")]
use crate::commands::exit_status::host::of_host;

/// Returns the exit status of a verb that failed.
pub fn exit_status(error: &VerbError) -> ExitStatus {
    match error {
        VerbError::Usage(_) | VerbError::Log(_) => ExitStatus::USAGE,
        #[cfg(target_os = "linux")]
        VerbError::Host(error) => of_host(error),
        // It needs Linux.
        #[cfg(not(target_os = "linux"))]
        VerbError::Host(_) => ExitStatus::NOT_ALLOWED,
        VerbError::Convert(error) => of_delivery(error),
        VerbError::Report { .. }
        | VerbError::View(_)
        | VerbError::Rights(_)
        | VerbError::Print(_) => ExitStatus::ERROR,
    }
}
