// SPDX-License-Identifier: MIT OR Apache-2.0

//! The clocks of all CPUs, which run the eBPF program when they tick.
//!
//! aya opens such events and keeps their descriptors to itself. A period can be changed
//! only by a descriptor, so the system calls are made here. Changing an open event does
//! not need the privileges that opening it needs.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use sampler_cpython::process::time_namespace::kernel_monotonic_now as now;

use crate::capture::bpf::tick_schedule::{ClockPeriods, ClockSchedule, PARTS, Part, TickSchedule};

/// The first published size of `struct perf_event_attr` (`PERF_ATTR_SIZE_VER0`,
/// `include/uapi/linux/perf_event.h`), which every kernel accepts.
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

/// `PERF_TYPE_SOFTWARE` and `PERF_COUNT_SW_CPU_CLOCK`: the clock of a CPU rather than its
/// cycles, because most virtual machines have no counter of cycles.
const SOFTWARE: u32 = 1;
const CPU_CLOCK: u64 = 0;
/// The bits `disabled` and `exclude_idle`: an idle CPU runs no process.
const DISABLED: u64 = 1;
const WITHOUT_IDLE: u64 = 1 << 7;
/// `PERF_FLAG_FD_CLOEXEC`.
const CLOSE_ON_EXEC: libc::c_ulong = 1 << 3;
/// `PERF_EVENT_IOC_ENABLE`, `_PERIOD` and `_SET_BPF`.
const ENABLE: libc::c_ulong = 0x2400;
const PERIOD: libc::c_ulong = 0x4008_2404;
const SET_BPF: libc::c_ulong = 0x4004_2408;

/// The running clocks. Dropping this stops them.
pub struct Ticks {
    program: OwnedFd,
    /// The eBPF program has memory for CPUs with numbers below this.
    places: u32,
    schedule: TickSchedule,
    cpus: BTreeMap<u32, [Clock; PARTS]>,
}

/// One clock of one CPU. A new period begins when it is set, so the one that leads to the
/// first tick is replaced when that tick has come.
struct Clock {
    event: OwnedFd,
    /// When its first tick comes; `None` once it has its own period.
    first: Option<u64>,
}

/// The shortest period that the kernel accepts, in nanoseconds (`perf_swevent_hrtimer`).
const SHORTEST: u64 = 10_000;
/// How many times as often as it should a clock may tick, at most, before it has its own
/// period.
const MOST_TICKS: u64 = 32;
/// How long it takes to set the clock of a CPU, in nanoseconds, unless this thread is
/// held up.
const CLOSE_TOGETHER: u64 = 50_000;
/// How often the clocks are set, at most, until the thread was not held up.
const SETTINGS: u32 = 8;
/// How long after a first tick was due it has certainly come, in nanoseconds.
const MARGIN: u64 = 100_000;

impl Ticks {
    /// Runs `program` at each tick of each CPU that is online and has a number below
    /// `places`.
    ///
    /// # Errors
    /// The kernel's error; `EACCES` or `EPERM` without `CAP_PERFMON`.
    pub(super) fn start(program: OwnedFd, places: u32, periods: ClockPeriods) -> io::Result<Self> {
        let mut ticks = Self {
            program,
            places,
            schedule: schedule_from(&periods, now()),
            cpus: BTreeMap::new(),
        };
        for cpu in 0..places {
            ticks.watch(cpu)?;
        }
        Ok(ticks)
    }

    /// Watches a CPU that came, or came back: clocks that it had before do not tick any
    /// more. It ticks when the others do. Returns whether it is online.
    ///
    /// # Errors
    /// The kernel's error, or that there is no room for the CPU.
    pub fn watch(&mut self, cpu: u32) -> io::Result<bool> {
        self.leave(cpu);
        if cpu >= self.places {
            let places = self.places;
            return Err(io::Error::other(format!(
                "there was no room for more than {places} CPUs"
            )));
        }
        match self.open_all(cpu) {
            Ok(clocks) => {
                self.cpus.insert(cpu, clocks);
                Ok(true)
            }
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Stops watching a CPU. Returns whether it was watched.
    pub fn leave(&mut self, cpu: u32) -> bool {
        self.cpus.remove(&cpu).is_some()
    }

    /// Returns the CPUs that are watched.
    pub fn cpus(&self) -> impl Iterator<Item = u32> {
        self.cpus.keys().copied()
    }

    /// Makes the clocks tick by `periods` from now on. The eBPF program knows a clock by the
    /// period that it was opened with, so all are opened again.
    ///
    /// # Errors
    /// As [`Self::watch`]. Some clocks may still have the previous periods then.
    pub fn change(&mut self, periods: ClockPeriods) -> io::Result<()> {
        self.schedule = schedule_from(&periods, now());
        for cpu in self.cpus().collect::<Vec<_>>() {
            self.watch(cpu)?;
        }
        Ok(())
    }

    /// Returns when [`Self::settle`] is due, if it is.
    #[must_use]
    pub fn settles(&self) -> Option<u64> {
        let firsts = self.cpus.values().flatten().filter_map(|clock| clock.first);
        Some(firsts.min()?.saturating_add(MARGIN))
    }

    /// Gives the clocks whose first tick has come the period that they keep.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn settle(&mut self) -> io::Result<()> {
        let come = now().saturating_sub(MARGIN);
        let cpus = self.cpus.len();
        for (number, schedule) in self.schedule.parts.iter_mut().enumerate() {
            let clocks = self.cpus.values_mut().filter_map(|it| it.get_mut(number));
            let mut due: Vec<_> = clocks
                .filter(|clock| clock.first.is_some_and(|first| first <= come))
                .collect();
            if due.is_empty() {
                continue;
            }
            let is_all = due.len() == cpus;
            let set = set_together(&mut due, schedule.period)?;
            let (first, last) = (set.0 + schedule.period, set.1 + schedule.period);
            if is_all {
                (schedule.first, schedule.last) = (first, last);
            } else {
                // A CPU that came later is a moment behind the others.
                let lag = last.saturating_sub(schedule.first) % schedule.period;
                schedule.last = schedule.last.max(schedule.first.saturating_add(lag));
            }
        }
        Ok(())
    }

    /// Returns when the ticks come.
    #[must_use]
    pub fn schedule(&self) -> &TickSchedule {
        &self.schedule
    }

    fn open_all(&self, cpu: u32) -> io::Result<[Clock; PARTS]> {
        let [one, other] = self.schedule.parts.as_slice() else {
            return Err(io::Error::other("a CPU has two clocks"));
        };
        Ok([self.open(cpu, *one)?, self.open(cpu, *other)?])
    }

    fn open(&self, cpu: u32, schedule: ClockSchedule) -> io::Result<Clock> {
        let cpu = libc::c_int::try_from(cpu).map_err(io::Error::other)?;
        let mut clock = Clock {
            event: open(EVERYONE, cpu, schedule.period.max(SHORTEST))?,
            first: None,
        };
        let program = self.program.as_raw_fd();
        control(&clock.event, SET_BPF, program as libc::c_ulong)?;
        clock.begin(&schedule, now())?;
        control(&clock.event, ENABLE, 0)?;
        Ok(clock)
    }
}

impl Clock {
    /// Makes the clock tick next by `schedule`.
    fn begin(&mut self, schedule: &ClockSchedule, now: u64) -> io::Result<()> {
        let mut first = schedule.next(now);
        // Until it has its own period, which may take a while, the clock repeats this
        // interval, which must not be too short.
        if first.saturating_sub(now) < SHORTEST.max(schedule.period / MOST_TICKS) {
            first = first.saturating_add(schedule.period.max(SHORTEST));
        }
        self.first = Some(first);
        self.set_period(first.saturating_sub(now))
    }

    /// Makes the next tick come `period` from now.
    fn set_period(&self, period: u64) -> io::Result<()> {
        let period = period.max(SHORTEST);
        control(&self.event, PERIOD, (&raw const period) as libc::c_ulong)
    }
}

/// Gives `clocks` the period that they keep, one after the other. Returns the earliest
/// time at which the first was set, and the latest at which the last was: no tick can
/// come outside of that.
fn set_together(clocks: &mut [&mut Clock], period: u64) -> io::Result<(u64, u64)> {
    let mut set = (0, 0);
    for _ in 0..SETTINGS {
        let began = now();
        for clock in clocks.iter_mut() {
            clock.set_period(period)?;
            clock.first = None;
        }
        set = (began, now());
        if set.1.saturating_sub(set.0) <= CLOSE_TOGETHER * clocks.len() as u64 {
            break;
        }
    }
    Ok(set)
}

/// Returns the ticks of clocks that begin at `start`.
fn schedule_from(periods: &ClockPeriods, start: u64) -> TickSchedule {
    let part = |part: &Part| {
        let first = start.saturating_add(part.first);
        ClockSchedule {
            first,
            last: first,
            period: part.period,
        }
    };
    TickSchedule {
        period: periods.period,
        parts: periods.parts.iter().map(part).collect(),
    }
}

fn nanoseconds(period: Duration) -> u64 {
    u64::try_from(period.as_nanos())
        .unwrap_or(u64::MAX >> 1)
        .max(1)
}

/// Measures what one tick costs the program that it interrupts, without the eBPF program.
/// Reads the clock again and again while ticks come, for some milliseconds. In a virtual
/// machine the cost can be ten times what it is elsewhere.
///
/// # Errors
/// The kernel's error when it opens a clock of this thread, or that no tick came.
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
    // Other interrupts are rarer than the ticks.
    gaps.sort_unstable();
    let median = gaps.get(gaps.len() / 2).copied();
    median.ok_or_else(|| io::Error::other("no tick came"))
}

/// The ticks that [`measure_interrupt`] asks for.
const MEASURED_PERIOD: Duration = Duration::from_micros(100);
const MEASURED_TICKS: usize = 41;
const LONGEST_MEASUREMENT: Duration = Duration::from_millis(50);
/// Two readings of the clock are this far apart only if an interrupt came between them.
const SHORTEST_GAP: Duration = Duration::from_nanos(400);
/// Arguments of `perf_event_open(2)`.
const EVERYONE: libc::c_int = -1;
const THIS_THREAD: libc::c_int = 0;
const ANY_CPU: libc::c_int = -1;

/// Opens a clock that does not run yet, of one CPU for all processes or of one thread.
fn open(process: libc::c_int, cpu: libc::c_int, period: u64) -> io::Result<OwnedFd> {
    let attributes = Attributes {
        kind: SOFTWARE,
        size: size_of::<Attributes>() as u32,
        config: CPU_CLOCK,
        period,
        flags: DISABLED | WITHOUT_IDLE,
        ..Attributes::default()
    };
    // SAFETY: the attributes are a valid structure and have the size that they state.
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
    // SAFETY: the kernel has just opened the descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn control(event: &OwnedFd, request: libc::c_ulong, argument: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the descriptor is that of an event. Of these requests, the one that takes
    // an address gets that of a number which outlives the call.
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
        // Without the privilege to open a clock there is nothing to measure.
        if let Ok(time) = measure_interrupt() {
            assert!(
                time > SHORTEST_GAP && time < MEASURED_PERIOD * 10,
                "{time:?}"
            );
        }
    }
}
