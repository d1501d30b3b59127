// SPDX-License-Identifier: MIT OR Apache-2.0

//! Looks into threads of other processes from user space, without stopping them. It uses
//! the eBPF program's walker and, like that program, checks whether a stack could have
//! changed during the look.

pub mod scan;
pub mod thread_probe;
