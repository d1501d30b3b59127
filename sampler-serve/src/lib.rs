// SPDX-License-Identifier: MIT OR Apache-2.0

//! What `pyebpf serve` adds to a recorder: the state directory that keeps what was
//! sampled, the protocol between the recorder and the process that owns the network, and
//! that process itself. Nothing here needs eBPF or a capability.
//! Elsewhere than on Linux there is only what the command line is checked with.

pub mod address;
#[cfg(target_os = "linux")]
pub mod client;
#[cfg(target_os = "linux")]
pub mod documents;
#[cfg(target_os = "linux")]
pub mod front;
#[cfg(target_os = "linux")]
pub mod protocol;
#[cfg(target_os = "linux")]
pub mod state;
#[cfg(target_os = "linux")]
pub mod supervisor;
