// SPDX-License-Identifier: MIT OR Apache-2.0

//! How the eBPF program gets from one frame to the next: with `bpf_loop`, or with calls of
//! global functions, each of which the verifier checks once, where the kernel has none
//! (before 5.17).

/// An environment variable: with the value `calls`, global functions are used on every
/// kernel.
const CHOICE: &str = "PYEBPF_WALK";

/// Which way is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WalkBackendChoice {
    /// `bpf_loop`, if the kernel accepts it.
    #[default]
    Best,
    /// Global functions, for this reason.
    GlobalFunctions(String),
}

impl WalkBackendChoice {
    /// Reads the choice from the environment.
    pub fn from_environment() -> Self {
        if std::env::var_os(CHOICE).is_some_and(|choice| choice == "calls") {
            Self::GlobalFunctions(format!("{CHOICE} says so"))
        } else {
            Self::Best
        }
    }
}

/// The way that is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalkBackend {
    /// `bpf_loop` calls the step; the verifier checks it once.
    BpfLoop,
    /// A plain loop calls the step, a global function (Linux 5.6); for this reason.
    GlobalFunctions(String),
}

impl WalkBackend {
    /// Returns the name of the program that goes this way.
    pub(super) fn program(&self) -> &'static str {
        match self {
            Self::BpfLoop => "on_cpu",
            Self::GlobalFunctions(_) => "on_cpu_by_calls",
        }
    }

    /// Returns why it is not `bpf_loop`, if it is not.
    pub fn without_loop(&self) -> Option<&str> {
        match self {
            Self::BpfLoop => None,
            Self::GlobalFunctions(reason) => Some(reason),
        }
    }
}
