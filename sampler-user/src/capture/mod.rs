// SPDX-License-Identifier: MIT OR Apache-2.0

//! Gets samples from the kernel and turns them into stacks: the eBPF programs, the
//! processes that are followed, and the names of what they run.

pub mod bpf;
pub mod process_inspector;
pub mod symbolize;
pub mod targets;
pub mod waiting;
