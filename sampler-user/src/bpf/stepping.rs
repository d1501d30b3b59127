//! How the kernel side gets from one frame to the next: by `bpf_loop`, or by calls
//! where the kernel has none (before 5.17). It refuses to load a program.

/// With the value `calls`, frames are stepped through by calls on every kernel.
const CHOICE: &str = "PYEBPF_WALK";

/// Which way is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SteppingChoice {
    /// By `bpf_loop`, if the kernel takes that.
    #[default]
    Best,
    /// By calls, for this reason.
    Calls(String),
}

impl SteppingChoice {
    /// What the environment says.
    pub fn of_environment() -> Self {
        if std::env::var_os(CHOICE).is_some_and(|choice| choice == "calls") {
            Self::Calls(format!("{CHOICE} says so"))
        } else {
            Self::Best
        }
    }
}

/// The way that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stepping {
    /// `bpf_loop` calls the step; the verifier checks it once.
    Loop,
    /// A plain loop calls the step, a function that the verifier checks by itself
    /// (Linux 5.6). For this reason.
    Calls(String),
}

impl Stepping {
    /// The name of the program that goes this way.
    pub(super) fn program(&self) -> &'static str {
        match self {
            Self::Loop => "on_cpu",
            Self::Calls(_) => "on_cpu_by_calls",
        }
    }

    /// Why it is not `bpf_loop`, if it is not.
    pub fn without_loop(&self) -> Option<&str> {
        match self {
            Self::Loop => None,
            Self::Calls(reason) => Some(reason),
        }
    }
}
