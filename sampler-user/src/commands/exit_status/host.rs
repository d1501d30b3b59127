// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the status is when a command about the processes of this host failed.

use sampler_cpython::cpython::inspect_error::InspectError;
use sampler_serve::client::ClientError;

use sampler_serve::supervisor::run::SupervisorError;

use crate::cli::config::exit::ExitStatus;
use crate::commands::ctl::error::CtlError;
use crate::commands::exit_status::delivery::of_delivery;
use crate::commands::host::HostError;
use crate::dump::error::DumpError;
use crate::platform::launch::error::LaunchError;
use crate::record::error::RecordError;
use crate::serve::error::ServeError;

pub(super) fn of_host(error: &HostError) -> ExitStatus {
    match error {
        HostError::Usage(_) => ExitStatus::USAGE,
        HostError::Namespace(_) => ExitStatus::NOT_ALLOWED,
        HostError::Cgroup(_) => ExitStatus::NOTHING_SAMPLED,
        HostError::Record(error) => of_record(error),
        HostError::Dump(error) => of_dump(error),
        HostError::Ctl(error) => of_ctl(error),
        HostError::Serve(error) => of_serve(error),
        HostError::List(_) | HostError::Print(_) => ExitStatus::ERROR,
    }
}

fn of_serve(error: &ServeError) -> ExitStatus {
    match error {
        ServeError::Record(error) => of_record(error),
        ServeError::Supervisor(SupervisorError::NotStarted { status, .. }) => {
            ExitStatus::of_ended(Some(*status))
        }
        _ => ExitStatus::ERROR,
    }
}

fn of_record(error: &RecordError) -> ExitStatus {
    match error {
        RecordError::Kernel(error) if error.is_about_rights_or_kernel() => ExitStatus::NOT_ALLOWED,
        RecordError::Namespace(_) => ExitStatus::NOT_ALLOWED,
        RecordError::Targets(_) | RecordError::NoSample(_) | RecordError::Cgroup(_) => {
            ExitStatus::NOTHING_SAMPLED
        }
        RecordError::Launch(error) => of_launch(error),
        RecordError::Delivery(error) => of_delivery(error),
        _ => ExitStatus::ERROR,
    }
}

/// Those of a command that does not start are a shell's.
fn of_launch(error: &LaunchError) -> ExitStatus {
    match error {
        LaunchError::NoProgram => ExitStatus::USAGE,
        LaunchError::NotFound { .. } => ExitStatus::NOT_FOUND,
        LaunchError::NotExecutable { .. } => ExitStatus::NOT_EXECUTABLE,
        LaunchError::Identity { .. }
        | LaunchError::Process { .. }
        | LaunchError::Vanished { .. } => ExitStatus::ERROR,
    }
}

fn of_dump(error: &DumpError) -> ExitStatus {
    match error {
        DumpError::Inspect(InspectError::Permission { .. }) | DumpError::Namespace(_) => {
            ExitStatus::NOT_ALLOWED
        }
        DumpError::Inspect(_) | DumpError::Ended { .. } => ExitStatus::NOTHING_SAMPLED,
        DumpError::Thread(_) => ExitStatus::ERROR,
    }
}

/// What a server refuses has the status that the same refusal has without one.
fn of_ctl(error: &CtlError) -> ExitStatus {
    match error {
        CtlError::NotAllowed { .. } => ExitStatus::NOT_ALLOWED,
        CtlError::FollowFile => ExitStatus::USAGE,
        CtlError::Delivery(error) => of_delivery(error),
        CtlError::Client(ClientError::Refused { status, .. }) => match status.as_u16() {
            400 | 413 => ExitStatus::USAGE,
            403 => ExitStatus::NOT_ALLOWED,
            404 => ExitStatus::NOTHING_SAMPLED,
            _ => ExitStatus::ERROR,
        },
        _ => ExitStatus::ERROR,
    }
}
