// SPDX-License-Identifier: MIT OR Apache-2.0

//! Offsets of the kernel's fields that the eBPF program reads, in `task_struct` and in a
//! program's file, found in the kernel's types.

use crate::capture::bpf::kernel_types::{KernelTypes, KernelTypesError};

/// Offsets in bytes, with the names of the globals in `sampler-ebpf/src/task.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskOffsets {
    /// The name of each global, and its value.
    pub globals: [(&'static str, u32); 33],
}

impl TaskOffsets {
    /// Whether the kernel counts how tasks wait for CPUs (`CONFIG_SCHED_INFO`).
    pub fn has_queueing(&self) -> bool {
        let mut globals = self.globals.iter();
        globals.any(|(name, offset)| *name == "TASK_LAST_QUEUED" && *offset != 0)
    }

    /// Finds all of them.
    ///
    /// # Errors
    /// [`KernelTypesError`] when a field does not exist in this kernel.
    pub fn find(types: &KernelTypes) -> Result<Self, KernelTypesError> {
        let state = types
            .field_offset("task_struct", "__state")
            // The name before Linux 5.14.
            .or_else(|_| types.field_offset("task_struct", "state"))?;
        let field = |name: &str| types.field_offset("task_struct", name);
        let signal = |name| types.field_offset("signal_struct", name);
        let inode = |name: &str| types.field_offset("inode", name);
        // One structure, renamed in Linux 6.6; two fields since 6.11.
        let changed = |part: &str| {
            let old = |name: &str| inode(&format!("{name}.tv_{part}"));
            inode(&format!("i_ctime_{part}"))
                .or_else(|_| old("__i_ctime"))
                .or_else(|_| old("i_ctime"))
        };
        // 0 where the kernel was built without these fields: none is ever the first one of
        // `task_struct`.
        let queueing = |name: &str| field(&format!("sched_info.{name}")).unwrap_or(0);
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
                ("TASK_MONOTONIC_START", field("start_time")?),
                ("TASK_RUN_DELAY", queueing("run_delay")),
                ("TASK_LAST_ARRIVAL", queueing("last_arrival")),
                ("TASK_LAST_QUEUED", queueing("last_queued")),
                ("TASK_RUNTIME", field("se.sum_exec_runtime")?),
                ("TASK_USER_TIME", field("utime")?),
                ("TASK_SYSTEM_TIME", field("stime")?),
                ("TASK_EXIT_CODE", field("exit_code")?),
                ("TASK_SIGNAL", field("signal")?),
                ("SIGNAL_LIVE", signal("live")?),
                ("SIGNAL_RUNTIME", signal("sum_sched_runtime")?),
                ("SIGNAL_USER_TIME", signal("utime")?),
                ("SIGNAL_SYSTEM_TIME", signal("stime")?),
                ("PROGRAM_FILE", types.field_offset("linux_binprm", "file")?),
                ("FILE_INODE", types.field_offset("file", "f_inode")?),
                ("INODE_NUMBER", inode("i_ino")?),
                ("INODE_GENERATION", inode("i_generation")?),
                ("INODE_SIZE", inode("i_size")?),
                ("INODE_CHANGED_SECONDS", changed("sec")?),
                ("INODE_CHANGED_NANOSECONDS", changed("nsec")?),
                ("INODE_FILE_SYSTEM", inode("i_sb")?),
                (
                    "FILE_SYSTEM_DEVICE",
                    types.field_offset("super_block", "s_dev")?,
                ),
            ],
        })
    }
}
