// SPDX-License-Identifier: MIT OR Apache-2.0

//! Offsets of the kernel's fields with process ids, for a pyebpf that runs in a pid
//! namespace of its own.

use crate::capture::bpf::kernel_types::{KernelTypes, KernelTypesError};

/// `sizeof(struct pid *)`: the offset of `PIDTYPE_TGID` in `signal_struct.pids`
/// (`include/linux/pid_types.h`).
const OF_PROCESS: u32 = 8;

/// Names and values of the globals in `sampler-ebpf/src/namespace.rs`.
pub(super) type NamespaceGlobals = [(&'static str, u32); 6];

/// Finds all of them, for the pid namespace with the inode `inode`. The fields exist
/// since Linux 4.19.
///
/// # Errors
/// [`KernelTypesError`] when a field does not exist in this kernel.
pub(super) fn find(types: &KernelTypes, inode: u32) -> Result<NamespaceGlobals, KernelTypesError> {
    let pids = types.field_offset("signal_struct", "pids")?;
    Ok([
        ("PID_NAMESPACE", inode),
        (
            "TASK_THREAD_PID",
            types.field_offset("task_struct", "thread_pid")?,
        ),
        ("SIGNAL_PROCESS_PID", pids.saturating_add(OF_PROCESS)),
        ("PID_LEVEL", types.field_offset("pid", "level")?),
        ("PID_NUMBERS", types.field_offset("pid", "numbers")?),
        (
            "NAMESPACE_INODE",
            types.field_offset("pid_namespace", "ns.inum")?,
        ),
    ])
}
