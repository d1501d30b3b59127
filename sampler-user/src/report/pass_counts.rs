//! What was counted of passes over waiting threads. It refuses to know how one is
//! run.

/// The passes of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassCounts {
    /// Passes that were run.
    pub run: u64,
    /// Ticks without one, since the pass before took too long.
    pub skipped: u64,
    /// Passes that failed.
    pub failed: u64,
    /// The time all of them took, in nanoseconds.
    pub nanoseconds: u64,
    /// Why they were made from user space, if they were.
    pub from_user_space: Option<String>,
}
