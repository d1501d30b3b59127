// SPDX-License-Identifier: MIT OR Apache-2.0

//! What `pyebpf serve` adds to a recorder: the state directory that keeps what was
//! sampled, the protocol between the recorder and the process that owns the network, and
//! that process itself. Nothing here needs eBPF or a capability.
//! On other systems than Linux, it has only what checks the command line.

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
