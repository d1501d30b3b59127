// SPDX-License-Identifier: MIT OR Apache-2.0

//! How far a dump may go.

/// How threads are probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// Those that run are sampled by ticks of their CPUs.
    All,
    /// As far as a recording in its sandbox may: it cannot load another eBPF program, so
    /// threads that run are read while they run. Without the text of source lines if that
    /// is not wanted.
    Confined {
        /// Whether the text of source lines is read.
        source: bool,
    },
}
