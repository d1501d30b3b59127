// SPDX-License-Identifier: MIT OR Apache-2.0

//! What `pyebpf serve` adds to a recorder: the state directory that keeps what was
//! sampled, the protocol between the recorder and the process that owns the network, and
//! that process itself. Nothing here needs eBPF or a capability.

pub mod protocol;
pub mod state;
pub mod supervisor;
