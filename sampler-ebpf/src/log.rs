// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! Logs why walks ended before the outermost frame, and where: a few times a second on
//! each CPU. User space asks for it before it loads the programs (`AYA_LOG_LEVEL`);
//! otherwise the verifier finds that this is never reached, and removes it.

use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use aya_log_ebpf::log;
use aya_log_ebpf::macro_support::{Level, level_enabled};
use sampler_common::sample::SampleHeader;
use sampler_common::stop::StopReason;
use sampler_common::wait::Origin;
use sampler_common::walk::Walk;

use crate::maps::{Sampling, scan_scratch, tick_scratch};

/// How many walks are logged a second on each CPU.
const PER_SECOND: u64 = 5;
const SECOND: u64 = 1_000_000_000;

#[map(name = "LOG_QUOTAS")]
static LOG_QUOTAS: PerCpuArray<Quota> = PerCpuArray::with_max_entries(1, 0);

/// What a CPU has logged.
#[repr(C)]
struct Quota {
    /// When the current second began: `CLOCK_MONOTONIC` in nanoseconds.
    since: u64,
    /// How many walks were logged in it.
    logged: u64,
    /// How many there were to log since the programs were loaded. A gap between two that
    /// were logged shows how many were left out.
    seen: u64,
}

/// Bytes of a name, padded with spaces: with a fixed length, copying it is no loop that
/// the verifier has to follow.
const NAME: usize = 24;
/// As many names as a number of four bits has values.
const NAMES: usize = 16;
static REASONS: [[u8; NAME]; NAMES] = padded();

const fn padded() -> [[u8; NAME]; NAMES] {
    let mut names = [[b' '; NAME]; NAMES];
    let mut reason = 0;
    while reason < StopReason::ALL.len() {
        let name = StopReason::ALL[reason].name().as_bytes();
        let mut at = 0;
        while at < name.len() {
            names[reason][at] = name[at];
            at += 1;
        }
        reason += 1;
    }
    names
}

/// Logs the outcome of a walk if its stack is not whole.
#[inline(always)]
pub(crate) fn outcome(header: &SampleHeader) {
    if level_enabled(Level::Debug) && header.stop != StopReason::Complete as u32 {
        log_walk(u64::from(header.wait.origin != Origin::OnCpu as u32));
    }
}

/// Logs the walk of the current tick, or of the current scan. A function of global linkage
/// is verified once, and not on each way that leads to it; therefore it gets no pointers.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn log_walk(of_scan: u64) -> u64 {
    let scratch = if of_scan == 0 {
        tick_scratch()
    } else {
        scan_scratch()
    };
    if let Some(scratch) = scratch {
        let Sampling { sample, walk, .. } = &*scratch.sampling;
        stopped(&sample.header, walk);
    }
    0
}

/// Whether a walk that ends like this is nothing special: most threads without Python
/// have none by design.
#[inline(always)]
fn is_ordinary(stop: u32) -> bool {
    stop == StopReason::NoThreadState as u32
        || stop == StopReason::NoFrame as u32
        || stop == StopReason::NotInitialised as u32
}

#[inline(always)]
fn stopped(header: &SampleHeader, walk: &Walk) {
    let level = if is_ordinary(header.stop) {
        Level::Trace
    } else {
        Level::Debug
    };
    if !level_enabled(level) {
        return;
    }
    let Some(nth) = take(header.time) else {
        return;
    };
    // The frame is one of this walk's only if the walk has begun.
    let frame = if header.interpreter == 0 {
        0
    } else {
        walk.last_frame()
    };
    let name = &REASONS[header.stop as usize % NAMES];
    // SAFETY: names are ASCII, and so are the spaces after them.
    let reason = unsafe { core::str::from_utf8_unchecked(name) };
    log!(
        (),
        level,
        "walk stopped pid={} tid={} address=0x{:x} frame=0x{:x} frames={} nth={} reason={}",
        header.tgid,
        header.tid,
        header.stop_address,
        frame,
        walk.depth,
        nth,
        reason
    );
}

/// Counts a walk that there is to log. Returns the count if there is room for it in this
/// second.
#[inline(always)]
fn take(time: u64) -> Option<u64> {
    let quota = LOG_QUOTAS.get_ptr_mut(0)?;
    // SAFETY: the element is this CPU's own. A scan may be interrupted here by a tick,
    // which then counts one more or one less.
    let quota = unsafe { &mut *quota };
    quota.seen = quota.seen.wrapping_add(1);
    if time.saturating_sub(quota.since) >= SECOND {
        quota.since = time;
        quota.logged = 0;
    }
    if quota.logged >= PER_SECOND {
        return None;
    }
    quota.logged += 1;
    Some(quota.seen)
}
