// SPDX-License-Identifier: MIT OR Apache-2.0

//! The eBPF programs as user space sees them: loading, attaching, maps and records. No
//! other module uses aya.

pub mod counters;
pub mod cpu_events;
pub mod events;
pub mod kernel;
pub mod kernel_log;
pub mod kernel_types;
pub mod known_code;
pub mod locked_memory;
mod namespace_offsets;
pub mod non_python_executables;
pub mod processes;
pub mod ring;
pub mod task_iter;
pub mod task_offsets;
pub mod tick_schedule;
pub mod ticks;
pub mod walk_backend;
