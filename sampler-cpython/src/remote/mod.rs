// SPDX-License-Identifier: MIT OR Apache-2.0

//! Walks the stacks of other processes' threads from user space, without stopping them, by
//! the eBPF program's walker and with the same checks.

pub mod scan;
pub mod thread_probe;
