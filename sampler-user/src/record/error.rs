// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why a recording failed, and the exit status for it.

use std::path::Path;

use sampler_cpython::process::cgroup_selector::NoSuchCgroup;
use sampler_cpython::process::namespace::NamespaceError;
use sampler_trace::container::error::TraceError;

use crate::capture::bpf::kernel::KernelError;
use crate::capture::targets::followed_set::TargetError;
use crate::platform::delivery::DeliveryError;
use crate::platform::launch::error::LaunchError;
use crate::platform::outfile_error::OutfileError;
use crate::platform::privileges::PrivilegeError;

/// Why a recording failed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The eBPF program cannot be loaded, or its ticks cannot be started.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// Process ids cannot be relied on: `/proc` is missing or shows another pid
    /// namespace.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A cgroup that was asked for does not exist.
    #[error(transparent)]
    Cgroup(#[from] NoSuchCgroup),
    /// None of the processes asked for can be sampled.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Targets(Vec<TargetError>),
    /// The command could not be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// An output file cannot be written.
    #[error(transparent)]
    Outfile(#[from] OutfileError),
    /// The user who called sudo cannot be determined.
    #[error(transparent)]
    Privilege(#[from] PrivilegeError),
    /// The container cannot be written.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// No sample can be shown, for this reason.
    #[error("{0}")]
    NoSample(String),
    /// An output was asked for that cannot be written, for example in an unknown format.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// A signal handler, a thread or a clock could not be set up.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was tried, to complete "cannot …".
        doing: &'static str,
        /// The kernel's error.
        source: std::io::Error,
    },
    /// The recording broke off, or an output could not be made from it. The container is
    /// kept.
    #[error("{message}\nthe recording is kept in {container}: pyebpf convert {container} -o FILE")]
    Conversion {
        /// What went wrong.
        message: String,
        /// The path of the container.
        container: String,
    },
}

impl RecordError {
    /// Returns an error that leaves the container in place.
    pub(super) fn kept(message: String, container: &Path) -> Self {
        Self::Conversion {
            message,
            container: container.display().to_string(),
        }
    }
}
