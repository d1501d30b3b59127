//! The fields of `task_struct` that the kernel side reads, found in the kernel's
//! types. It refuses to know what they are read for.

use super::kernel_types::{KernelTypes, KernelTypesError};

/// Offsets in bytes, with the names of the globals that the kernel side has for
/// them (`sampler-ebpf/src/task.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskOffsets {
    /// Name of the global, and its value.
    pub globals: [(&'static str, u32); 5],
}

impl TaskOffsets {
    /// Looks all of them up.
    ///
    /// # Errors
    /// [`KernelTypesError`] when a field does not exist in this kernel.
    pub fn find(types: &KernelTypes) -> Result<Self, KernelTypesError> {
        Ok(Self {
            globals: [
                (
                    "TASK_THREAD_POINTER",
                    types.field_offset("task_struct", "thread.fsbase")?,
                ),
                ("TASK_PID", types.field_offset("task_struct", "pid")?),
                ("TASK_TGID", types.field_offset("task_struct", "tgid")?),
                ("TASK_SIGNAL", types.field_offset("task_struct", "signal")?),
                ("SIGNAL_LIVE", types.field_offset("signal_struct", "live")?),
            ],
        })
    }
}
