// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! When a thread left its CPU, and the time that is represented when it comes back.
//!
//! Nothing is noted when a thread leaves. The kernel counts its CPU time anyway: it left
//! when it last came back, plus what it has run since then.

use sampler_common::edges::{EdgeBalance, time_of_edges};
use sampler_common::off_cpu_time::{OffCpuLedger, OffCpuTime};
use sampler_common::scan_order::ScanOrder;

use crate::counts::add_to;
use crate::maps::SeenThread;
use crate::task::{TypedTask, has_queueing};

/// No count of switches: no scan has looked at the thread.
pub(crate) const NEVER: u64 = u64::MAX;

/// Writes down what is known at `now` of a thread that nobody has seen before.
///
/// Of one that was there before it could be seen, nothing is known up to now; ticks alone
/// represent that time. One that has just started is accounted for from its start: until its
/// first return it was away but for its CPU time, which ticks represent, so it is taken to
/// have left when it would have if it had never waited before.
#[inline(always)]
pub(crate) fn first_seen(task: TypedTask, order: &ScanOrder, now: u64, seen: &mut SeenThread) {
    *seen = SeenThread {
        start_time: task.start_time(),
        switches: NEVER,
        task_state: 0,
        thread_state: 0,
        ticks: 0,
        ahead: 0,
        balance: EdgeBalance::default(),
        unchanged: 0,
        queued: 0,
        ledger: OffCpuLedger::default(),
        accounted: now,
        arrival: now,
        runtime: task.runtime(),
        voluntary: task.voluntary_switches(),
        last_tick: 0,
    };
    if !has_queueing() {
        return;
    }
    let counted = task.off_cpu_time(now);
    let start = task.monotonic_start();
    if order.by_returns == 0 || start <= order.seen_until {
        seen.ledger = OffCpuLedger::new(counted);
        return;
    }
    seen.ledger = OffCpuLedger::new(OffCpuTime {
        asleep: start,
        queued: 0,
    });
    seen.accounted = start.wrapping_add(seen.runtime).min(now);
    // No tick can have hit it after this, if it has been away only once: it may have had to
    // wait for its first CPU.
    seen.last_tick = if task.switches() > 1 {
        now
    } else {
        seen.accounted.wrapping_add(counted.queued).min(now)
    };
    seen.arrival = start;
    seen.runtime = 0;
    seen.voluntary = 0;
}

/// Returns when a thread left its CPU that is away, or comes back just now.
#[inline(always)]
pub(crate) fn left_at(task: TypedTask, seen: &SeenThread, now: u64) -> u64 {
    let ran = task.runtime().wrapping_sub(seen.runtime);
    seen.arrival.wrapping_add(ran).min(now)
}

/// Whether an edge lies in the absence of a thread that left at `left`: then it is due to be
/// sampled.
#[inline(always)]
pub(crate) fn has_edge(order: &ScanOrder, (left, now): (u64, u64)) -> bool {
    time_of_edges((left, now), order.period) != 0
}

/// Accounts for the time of a thread up to now that left its CPU at `left`. Returns what its
/// absence represents, as asleep or waiting for a CPU.
///
/// # Safety
/// The element must be valid for reads and writes, and nobody else may account for the
/// thread at the same time. A tick may count itself.
#[inline(always)]
pub(crate) unsafe fn account(
    task: TypedTask,
    seen: *mut SeenThread,
    period: u64,
    (left, now): (u64, u64),
) -> OffCpuTime {
    // SAFETY: as the caller grants.
    unsafe {
        let accounted = (*seen).accounted;
        let left = left.max(accounted);
        let away = time_of_edges((left, now), period);
        let present = time_of_edges((accounted, left), period);
        (*seen).accounted = now;
        let ticks = (*seen).ticks;
        add_to(&raw mut (*seen).ticks, ticks.wrapping_neg());
        let of_running = (present, ticks.wrapping_mul(period));
        let weight = (*seen).balance.share(away, of_running, period);
        let counted = task.off_cpu_time(now);
        (*seen).ledger.share_out(counted, (weight, period))
    }
}

/// Returns what the ticks of a thread have left of `time`, in nanoseconds, and takes these
/// ticks. Ticks and whatever else represents its time thus represent all of it and no more,
/// even if a CPU ticks late, or two ticks come at once.
///
/// # Safety
/// The element must be valid for reads and writes. A tick may count itself at the same time.
#[inline(always)]
pub(crate) unsafe fn left_by_ticks(seen: *mut SeenThread, (time, period): (u64, u64)) -> u64 {
    // SAFETY: as the caller grants.
    unsafe {
        let ticks = (*seen).ticks;
        let by_ticks = ticks.wrapping_mul(period).wrapping_add((*seen).ahead);
        add_to(&raw mut (*seen).ticks, ticks.wrapping_neg());
        (*seen).ahead = by_ticks.saturating_sub(time);
        time.saturating_sub(by_ticks)
    }
}

/// Adds time that the thread's next record reports.
///
/// # Safety
/// The element must be valid for reads and writes.
#[inline(always)]
pub(crate) unsafe fn report_later(seen: *mut SeenThread, time: OffCpuTime) {
    // SAFETY: as the caller grants.
    unsafe {
        add_to(&raw mut (*seen).unchanged, time.asleep);
        add_to(&raw mut (*seen).queued, time.queued);
    }
}
