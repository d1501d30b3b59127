// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! What the eBPF programs count: statistics of each CPU, and what became of the samples of
//! each process.

use core::arch::asm;

use aya_ebpf::macros::map;
use aya_ebpf::maps::{HashMap, PerCpuArray};
use sampler_common::account::KernelAccount;
use sampler_common::counter::Counter;
use sampler_common::fate::Fate;
use sampler_common::process::ProcessKey;

#[map(name = "COUNTERS")]
static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Counter::COUNT as u32, 0);

/// The counts of each process that is followed, by the key of this life of it. There is
/// room for processes that have ended and whose counts are not added up yet.
#[map(name = "ACCOUNTS")]
static ACCOUNTS: HashMap<u64, KernelAccount> = HashMap::with_max_entries(32768, 0);

/// Adds one to a counter of this CPU.
#[inline(always)]
pub(crate) fn count(counter: Counter) {
    if let Some(value) = COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: the pointer is this CPU's own element, non-null.
        unsafe { *value += 1 };
    }
}

/// Adds to a counter of this CPU.
#[inline(always)]
pub(crate) fn add(counter: Counter, number: u64) {
    if let Some(value) = COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: the pointer is this CPU's own element, non-null.
        unsafe { *value = (*value).wrapping_add(number) };
    }
}

/// Records the fate of a sample of `process`: in total, and in the account of the process.
#[inline(always)]
pub(crate) fn record_fate(process: ProcessKey, fate: Fate) {
    count(fate.counter());
    let Some(account) = ACCOUNTS.get_ptr_mut(process.0) else {
        return;
    };
    // SAFETY: an element of a preallocated map stays readable and writable, and everyone
    // writes it atomically. User space removes an element long after its process has
    // ended.
    unsafe { add_to(&raw mut (*account).by_fate[fate as usize], 1) };
}

/// Adds to a number that other CPUs add to as well. rustc has no atomic additions for
/// BPF; this one is as old as BPF itself (`BPF_XADD`).
///
/// # Safety
/// The place must be valid for writes, and aligned.
#[inline(always)]
pub(crate) unsafe fn add_to(place: *mut u64, number: u64) {
    // SAFETY: it writes to the place only, as the caller grants.
    unsafe {
        asm!(
            "lock *(u64 *)({place} + 0) += {number}",
            place = in(reg) place,
            number = in(reg) number,
            options(nostack),
        );
    }
}

/// Opens the account of a new life of a process. Only for programs in process context.
#[inline(always)]
pub(crate) fn open_account(process: ProcessKey) {
    if ACCOUNTS.insert(process.0, KernelAccount::ZERO, 0).is_err() {
        count(Counter::AccountTableFull);
    }
}
