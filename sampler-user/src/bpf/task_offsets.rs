//! The fields of `task_struct`, and of a program's file, that the kernel side
//! reads, found in the kernel's types. It refuses to know what they are read for.

use super::kernel_types::{KernelTypes, KernelTypesError};

/// Offsets in bytes, with the names of the globals that the kernel side has for
/// them (`sampler-ebpf/src/task.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskOffsets {
    /// Name of the global, and its value.
    pub globals: [(&'static str, u32); 19],
}

impl TaskOffsets {
    /// Looks all of them up.
    ///
    /// # Errors
    /// [`KernelTypesError`] when a field does not exist in this kernel.
    pub fn find(types: &KernelTypes) -> Result<Self, KernelTypesError> {
        let state = types
            .field_offset("task_struct", "__state")
            // Before Linux 5.14.
            .or_else(|_| types.field_offset("task_struct", "state"))?;
        let field = |name| types.field_offset("task_struct", name);
        let inode = |name| types.field_offset("inode", name);
        let cpu = field("thread_info.cpu").or_else(|_| field("cpu"))?;
        Ok(Self {
            globals: [
                ("TASK_THREAD_POINTER", field("thread.fsbase")?),
                ("TASK_PID", field("pid")?),
                ("TASK_TGID", field("tgid")?),
                ("TASK_COMM", field("comm")?),
                ("TASK_FLAGS", field("flags")?),
                ("TASK_CPU", cpu),
                ("TASK_ON_CPU", field("on_cpu")?),
                ("TASK_STATE", state),
                ("TASK_VOLUNTARY_SWITCHES", field("nvcsw")?),
                ("TASK_INVOLUNTARY_SWITCHES", field("nivcsw")?),
                ("TASK_START_TIME", field("start_boottime")?),
                ("TASK_SIGNAL", field("signal")?),
                ("SIGNAL_LIVE", types.field_offset("signal_struct", "live")?),
                ("PROGRAM_FILE", types.field_offset("linux_binprm", "file")?),
                ("FILE_INODE", types.field_offset("file", "f_inode")?),
                ("INODE_NUMBER", inode("i_ino")?),
                ("INODE_GENERATION", inode("i_generation")?),
                ("INODE_FILE_SYSTEM", inode("i_sb")?),
                (
                    "FILE_SYSTEM_DEVICE",
                    types.field_offset("super_block", "s_dev")?,
                ),
            ],
        })
    }
}
