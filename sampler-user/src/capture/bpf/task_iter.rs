// SPDX-License-Identifier: MIT OR Apache-2.0

//! Runs the eBPF program over the threads of the followed processes, one scan at a time.
//!
//! aya can only attach an iterator to all processes, and gives its link away with the
//! first scan, so the system calls are made here.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use aya::maps::{Array, MapData};
use sampler_common::scan_order::ScanOrder;

/// Commands and the attach type of `bpf(2)` (`include/uapi/linux/bpf.h`).
const LINK_CREATE: libc::c_long = 28;
const ITER_CREATE: libc::c_long = 33;
const TRACE_ITER: u32 = 28;

/// With more processes than this, one scan of the whole host is cheaper.
const MOST_SINGLE: usize = 64;

/// `struct { __u32 prog_fd, target_fd, attach_type, flags; … } link_create`.
#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
    info: u64,
    info_size: u32,
    padding: u32,
}

/// `union bpf_iter_link_info`, for an iterator over tasks.
#[repr(C)]
#[derive(Default)]
struct LinkInfo {
    tid: u32,
    pid: u32,
    pid_fd: u32,
    padding: u32,
}

#[repr(C)]
struct IterCreate {
    link: u32,
    flags: u32,
}

/// A [`ScanOrder`] as it is in the map.
pub(super) type RawScanOrder = [u64; size_of::<ScanOrder>() / 8];

/// The program, attached to the threads that it iterates over.
pub struct TaskIter {
    program: OwnedFd,
    /// The order that the program reads in each scan.
    order: Array<MapData, RawScanOrder>,
    /// The link to the whole host.
    host: OwnedFd,
    /// The links to one process each, by thread group id.
    single: BTreeMap<u32, OwnedFd>,
    /// Whether this kernel can restrict a scan to one process (Linux 6.1).
    can_stay: bool,
}

impl TaskIter {
    /// Prepares scans of the loaded program that `program` refers to.
    ///
    /// # Errors
    /// The kernel's error when it is attached. Needs Linux 5.18.
    pub(super) fn new(program: OwnedFd, order: Array<MapData, RawScanOrder>) -> io::Result<Self> {
        let host = link(&program, None)?;
        Ok(Self {
            program,
            order,
            host,
            single: BTreeMap::new(),
            can_stay: true,
        })
    }

    /// Looks at every thread of the processes `tgids` once.
    ///
    /// # Errors
    /// The kernel's error for a scan of the whole host. A process that has ended is no
    /// error.
    pub fn run(&mut self, order: ScanOrder, tgids: &[u32]) -> io::Result<()> {
        let order = self
            .order
            .set(0, bytemuck::cast::<_, RawScanOrder>(order), 0);
        order.map_err(io::Error::other)?;
        if self.can_stay && tgids.len() <= MOST_SINGLE {
            self.single.retain(|tgid, _| tgids.contains(tgid));
            for tgid in tgids {
                match self.run_single(*tgid) {
                    Ok(()) => {}
                    Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                        self.can_stay = false;
                        return self.run_host();
                    }
                    Err(_) => {
                        self.single.remove(tgid);
                    }
                }
            }
            return Ok(());
        }
        self.run_host()
    }

    fn run_single(&mut self, tgid: u32) -> io::Result<()> {
        if !self.single.contains_key(&tgid) {
            self.single.insert(tgid, link(&self.program, Some(tgid))?);
        }
        match self.single.get(&tgid) {
            Some(link) => scan(link),
            None => Ok(()),
        }
    }

    fn run_host(&mut self) -> io::Result<()> {
        self.single.clear();
        scan(&self.host)
    }
}

/// `struct sched_attr` in its first published size (`SCHED_ATTR_SIZE_VER0`,
/// `include/uapi/linux/sched/types.h`), which every kernel accepts.
#[repr(C)]
#[derive(Default)]
struct SchedulingAttributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

const _: () = assert!(size_of::<SchedulingAttributes>() == 48);

/// `SCHED_NORMAL`.
const NORMAL: u32 = 0;
/// The shortest slice that the kernel grants, in nanoseconds.
const SHORTEST_SLICE: u64 = 100_000;

/// Asks for CPU time for this thread in short slices. On a busy machine it then gets a CPU
/// soon after it is woken, before much has changed since the tick. It gets no more CPU time
/// than otherwise. Without effect before Linux 6.12.
///
/// # Errors
/// The kernel's error.
pub fn shorten_slice() -> io::Result<()> {
    let mut attributes = SchedulingAttributes::default();
    let size = size_of::<SchedulingAttributes>();
    let own: libc::pid_t = 0;
    // SAFETY: the structure can be written and has the size that is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_sched_getattr,
            own,
            &raw mut attributes,
            size,
            0_u32,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // `SCHED_BATCH` and others were chosen by the one who started us.
    if attributes.policy != NORMAL {
        return Ok(());
    }
    attributes.runtime = SHORTEST_SLICE;
    // SAFETY: the structure is a valid one and has the size that it states.
    let result =
        unsafe { libc::syscall(libc::SYS_sched_setattr, own, &raw const attributes, 0_u32) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Attaches the program to all threads of the host, or of one process.
fn link(program: &OwnedFd, tgid: Option<u32>) -> io::Result<OwnedFd> {
    let info = LinkInfo {
        pid: tgid.unwrap_or(0),
        ..LinkInfo::default()
    };
    let mut create = LinkCreate {
        program: program.as_raw_fd().cast_unsigned(),
        attach_type: TRACE_ITER,
        ..LinkCreate::default()
    };
    if tgid.is_some() {
        create.info = (&raw const info) as u64;
        create.info_size = size_of::<LinkInfo>() as u32;
    }
    call(LINK_CREATE, &create)
}

/// Makes one scan: reading runs the program for every thread. The program prints nothing.
fn scan(link: &OwnedFd) -> io::Result<()> {
    let create = IterCreate {
        link: link.as_raw_fd().cast_unsigned(),
        flags: 0,
    };
    let mut scan = File::from(call(ITER_CREATE, &create)?);
    let mut nothing = [0; 64];
    loop {
        match scan.read(&mut nothing) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes a call of `bpf(2)` that returns a new file descriptor.
fn call<T>(command: libc::c_long, argument: &T) -> io::Result<OwnedFd> {
    // SAFETY: the argument is a valid structure and has the size that is given, and what
    // it points to outlives the call.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, &raw const *argument, size_of::<T>()) };
    let fd = i32::try_from(result).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened the descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_may_ask_for_short_slices() {
        shorten_slice().expect("needs no privilege");
    }
}
