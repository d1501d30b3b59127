//! The fields of the kernel's records of process numbers, for a pyebpf that lives
//! in a pid namespace of its own. It refuses to know which one that is.

use super::kernel_types::{KernelTypes, KernelTypesError};

/// `sizeof(struct pid *)`, and the place of `PIDTYPE_TGID` in `signal_struct.pids`
/// (`include/linux/pid_types.h`).
const OF_PROCESS: u32 = 8;

/// Values of the globals that `sampler-ebpf/src/namespace.rs` has for them.
pub(super) type NamespaceGlobals = [(&'static str, u32); 6];

/// Looks all of them up, for the pid namespace with the inode `inode`. They are
/// there since Linux 4.19.
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
