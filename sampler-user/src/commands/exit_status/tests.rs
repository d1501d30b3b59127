// SPDX-License-Identifier: MIT OR Apache-2.0

//! Each kind of failure, as the caller of pyebpf sees it.

use std::io;

use sampler_cpython::cpython::inspect_error::InspectError;

use super::*;
use crate::commands::host::HostError;
use crate::dump::error::DumpError;
use crate::platform::delivery::DeliveryError;
use crate::platform::launch::error::LaunchError;
use crate::record::error::RecordError;

#[test]
fn a_command_that_does_not_start_has_the_status_that_a_shell_gives() {
    let program = || "app".into();
    let not_executable = LaunchError::NotExecutable {
        program: program(),
        source: io::ErrorKind::PermissionDenied.into(),
    };
    for (error, status) in [
        (LaunchError::NoProgram, 2),
        (LaunchError::NotFound { program: program() }, 127),
        (not_executable, 126),
        (LaunchError::Vanished { program: program() }, 1),
    ] {
        let error = CommandError::Host(HostError::Record(RecordError::Launch(error)));
        assert_eq!(exit_status(&error).number(), status, "{error}");
    }
}

#[test]
fn what_cannot_be_written_like_that_is_a_matter_of_usage() {
    let same = || DeliveryError::SameStream {
        path: "/dev/stdout".into(),
    };
    let recorded = HostError::Record(RecordError::Delivery(same()));
    for error in [CommandError::Convert(same()), CommandError::Host(recorded)] {
        assert_eq!(exit_status(&error), ExitStatus::USAGE, "{error}");
    }
    let missing = DeliveryError::Open {
        path: "a.pyebpf".into(),
        source: io::ErrorKind::NotFound.into(),
    };
    let missing = CommandError::Convert(missing);
    assert_eq!(exit_status(&missing), ExitStatus::ERROR);
}

#[test]
fn a_process_that_may_not_be_read_is_told_from_one_that_has_ended() {
    for (error, status) in [
        (DumpError::Inspect(InspectError::Permission { pid: 7 }), 3),
        (DumpError::Inspect(InspectError::Gone { pid: 7 }), 4),
        (DumpError::Ended { pid: 7 }, 4),
    ] {
        let error = CommandError::Host(HostError::Dump(error));
        assert_eq!(exit_status(&error).number(), status, "{error}");
    }
}
