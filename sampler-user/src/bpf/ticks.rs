//! The clocks of all CPUs that run the kernel side's program, and their period.
//! It refuses to know what the program does.
//!
//! aya opens such events and keeps them to itself; a period can be changed only
//! by their descriptors, so the calls are made here. An open one can be changed
//! without the rights that opening it needs.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

/// The first published size of `struct perf_event_attr` (`PERF_ATTR_SIZE_VER0`,
/// `include/uapi/linux/perf_event.h`), which every kernel takes.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup: u32,
    breakpoint_type: u32,
    config_1: u64,
}

const _: () = assert!(size_of::<Attributes>() == 64);

/// `PERF_TYPE_SOFTWARE` and `PERF_COUNT_SW_CPU_CLOCK`: the clock of a CPU and not
/// its cycles, since most virtual machines have no counter of cycles.
const SOFTWARE: u32 = 1;
const CPU_CLOCK: u64 = 0;
/// The bits `disabled` and `exclude_idle`: a CPU that idles runs no process.
const DISABLED: u64 = 1;
const WITHOUT_IDLE: u64 = 1 << 7;
/// `PERF_FLAG_FD_CLOEXEC`.
const CLOSE_ON_EXEC: libc::c_ulong = 1 << 3;
/// `PERF_EVENT_IOC_ENABLE`, `_PERIOD` and `_SET_BPF`.
const ENABLE: libc::c_ulong = 0x2400;
const PERIOD: libc::c_ulong = 0x4008_2404;
const SET_BPF: libc::c_ulong = 0x4004_2408;

/// The running clocks; they stop when this is dropped.
pub(super) struct Ticks {
    events: Vec<OwnedFd>,
}

impl Ticks {
    /// Has `program` run at each tick of each of `cpus`.
    ///
    /// # Errors
    /// What the kernel says; `EACCES` or `EPERM` without `CAP_PERFMON`.
    pub(super) fn start(
        program: BorrowedFd<'_>,
        cpus: &[u32],
        period: Duration,
    ) -> io::Result<Self> {
        let mut events = Vec::with_capacity(cpus.len());
        for cpu in cpus {
            let cpu = libc::c_int::try_from(*cpu).map_err(io::Error::other)?;
            let event = open(EVERYONE, cpu, nanoseconds(period))?;
            control(&event, SET_BPF, program.as_raw_fd() as libc::c_ulong)?;
            control(&event, ENABLE, 0)?;
            events.push(event);
        }
        Ok(Self { events })
    }

    /// From now on there is a tick each `period`, the first one a period from now.
    ///
    /// # Errors
    /// What the kernel says; then some clocks may have the period that was before.
    pub(super) fn set_period(&self, period: Duration) -> io::Result<()> {
        let period = nanoseconds(period);
        for event in &self.events {
            control(event, PERIOD, (&raw const period) as libc::c_ulong)?;
        }
        Ok(())
    }
}

fn nanoseconds(period: Duration) -> u64 {
    u64::try_from(period.as_nanos())
        .unwrap_or(u64::MAX >> 1)
        .max(1)
}

/// What one tick takes from the program that it interrupts, without a program of
/// the kernel side: measured by looking at the clock while ticks come, for some
/// milliseconds. In a virtual machine it can be ten times what it is elsewhere.
///
/// # Errors
/// What the kernel says to a clock of this thread.
pub fn measure_interrupt() -> io::Result<Duration> {
    let event = open(THIS_THREAD, ANY_CPU, nanoseconds(MEASURED_PERIOD))?;
    control(&event, ENABLE, 0)?;
    let began = Instant::now();
    let mut gaps = Vec::new();
    let mut last = began;
    while gaps.len() < MEASURED_TICKS && last.duration_since(began) < LONGEST_MEASUREMENT {
        let now = Instant::now();
        let gap = now.duration_since(last);
        if gap > SHORTEST_GAP {
            gaps.push(gap);
        }
        last = now;
    }
    // What else interrupts us is rarer than the ticks.
    gaps.sort_unstable();
    let median = gaps.get(gaps.len() / 2).copied();
    median.ok_or_else(|| io::Error::other("no tick came"))
}

/// Ticks for [`measure_interrupt`].
const MEASURED_PERIOD: Duration = Duration::from_micros(100);
const MEASURED_TICKS: usize = 41;
const LONGEST_MEASUREMENT: Duration = Duration::from_millis(50);
/// No two looks at the clock lie so far apart, but for an interrupt.
const SHORTEST_GAP: Duration = Duration::from_nanos(400);
/// Arguments of `perf_event_open(2)`.
const EVERYONE: libc::c_int = -1;
const THIS_THREAD: libc::c_int = 0;
const ANY_CPU: libc::c_int = -1;

/// A clock of one CPU for everyone, or of a thread, that does not run yet.
fn open(process: libc::c_int, cpu: libc::c_int, period: u64) -> io::Result<OwnedFd> {
    let attributes = Attributes {
        kind: SOFTWARE,
        size: size_of::<Attributes>() as u32,
        config: CPU_CLOCK,
        period,
        flags: DISABLED | WITHOUT_IDLE,
        ..Attributes::default()
    };
    // SAFETY: the attributes are a valid structure of the size that they name.
    let result = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            process,
            cpu,
            -1,
            CLOSE_ON_EXEC,
        )
    };
    let fd = i32::try_from(result).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it for us, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn control(event: &OwnedFd, request: libc::c_ulong, argument: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the descriptor is that of an event, and of these requests the one
    // that takes an address is given that of a number which outlives the call.
    let result = unsafe { libc::ioctl(event.as_raw_fd(), request, argument) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_takes_a_moment() {
        // Without the right to open a clock there is nothing to measure.
        if let Ok(time) = measure_interrupt() {
            assert!(
                time > SHORTEST_GAP && time < MEASURED_PERIOD * 10,
                "{time:?}"
            );
        }
    }
}
