//! Why a recording did not happen, and the exit status that says so. It refuses
//! to print.

use std::path::Path;

use crate::bpf::kernel::KernelError;
use crate::config::ExitStatus;
use crate::delivery::DeliveryError;
use crate::launch::LaunchError;
use crate::outfile::OutfileError;
use crate::privileges::PrivilegeError;
use crate::process::cgroup_selector::NoSuchCgroup;
use crate::process::namespace::NamespaceError;
use crate::targets::TargetError;
use crate::trace::TraceError;

/// Why a recording failed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The kernel side does not run.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// Numbers of processes cannot be relied on.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A cgroup that was asked for is not there.
    #[error(transparent)]
    Cgroup(#[from] NoSuchCgroup),
    /// None of the processes asked for can be sampled.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Targets(Vec<TargetError>),
    /// The command did not start.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// An output cannot be written.
    #[error(transparent)]
    Outfile(#[from] OutfileError),
    /// The caller of sudo cannot be found out.
    #[error(transparent)]
    Privilege(#[from] PrivilegeError),
    /// The container cannot be written.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// Nothing was sampled, for this reason.
    #[error("{0}")]
    NoSample(String),
    /// An output of a kind that cannot be written.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// A signal or a timer could not be set up.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The recording broke off, or an output could not be made from it; the
    /// container is left behind.
    #[error("{message}\nthe recording is kept in {container}: pyebpf convert {container} -o FILE")]
    Conversion {
        /// What went wrong.
        message: String,
        /// The container.
        container: String,
    },
}

impl RecordError {
    /// An error that leaves the container behind.
    pub(super) fn kept(message: String, container: &Path) -> Self {
        Self::Conversion {
            message,
            container: container.display().to_string(),
        }
    }

    /// The exit status of the program.
    pub fn exit_status(&self) -> ExitStatus {
        match self {
            Self::Kernel(error) if error.is_about_rights_or_kernel() => ExitStatus::NOT_ALLOWED,
            Self::Namespace(_) => ExitStatus::NOT_ALLOWED,
            Self::Targets(_) | Self::NoSample(_) | Self::Cgroup(_) => ExitStatus::NOTHING_SAMPLED,
            Self::Launch(error) => error.exit_status(),
            Self::Delivery(error) => error.exit_status(),
            _ => ExitStatus::ERROR,
        }
    }
}
