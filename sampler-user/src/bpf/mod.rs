//! The kernel side, as user space sees it: loading, attaching, maps and
//! records. The only module that imports aya; it refuses to know what a record
//! means to a trace.

pub mod counters;
pub mod events;
pub mod kernel;
pub mod kernel_types;
pub mod known_code;
mod locked_memory;
mod namespace_offsets;
pub mod passes;
pub mod plain_programs;
pub mod processes;
pub mod ring;
pub mod stepping;
pub mod task_offsets;
pub mod ticks;
