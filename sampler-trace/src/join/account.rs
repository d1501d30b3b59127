// SPDX-License-Identifier: MIT OR Apache-2.0

//! Adds up the accounts of chunks, each of which counts from the start of its chunk.

use std::time::Duration;

use crate::container::contents::Contents;
use crate::container::info::{Counts, RateChange, ThreadCpuTime, TraceInfo};
use crate::join::clock::Place;
use crate::join::identities::{LineNumber, ProcessNumber};
use crate::model::identifiers::{KernelTime, TrackId};

/// The counters that are a maximum, or tell whether something was so. All others are sums.
const MAXIMA: [&str; 3] = ["behind_us", "passes_from_user_space", "walked_without_loop"];
/// The number of damaged chunks, in the counters of the joined trace.
const DAMAGED: &str = "damaged_chunks";
/// The most changes of the rate that are kept.
const MOST_RATES: usize = 1 << 14;

/// The accounts of the chunks that are over.
#[derive(Debug, Default)]
pub(super) struct JoinedAccount {
    counts: Counts,
    processes: Vec<Counts>,
    threads: Vec<[u64; 2]>,
    rates: Vec<RateChange>,
    /// The rate of the header of the joined trace, once there is one.
    first_period: Option<Duration>,
}

impl JoinedAccount {
    /// Begins a chunk, which samples at the rate in its header.
    pub(super) fn begin_chunk(&mut self, info: &TraceInfo, start: KernelTime) {
        let period = Duration::from_nanos(info.period_ns());
        let first = *self.first_period.get_or_insert(period);
        push_rate(
            &mut self.rates,
            first,
            RateChange {
                time: start,
                period,
            },
        );
    }

    /// The changes of the rate, with those of the current chunk.
    pub(super) fn rates(&self, contents: &Contents, place: &Place) -> Vec<RateChange> {
        let mut rates = self.rates.clone();
        let first = self.first_period.unwrap_or_default();
        for change in &contents.accounts.rates {
            let time = place.joined(change.time);
            push_rate(&mut rates, first, RateChange { time, ..*change });
        }
        rates
    }

    /// The changes of the rate in all chunks that are over.
    pub(super) fn closed_rates(&self) -> &[RateChange] {
        &self.rates
    }

    /// The counters of the chunks that are over and these of the current one.
    pub(super) fn counts(&self, current: &Counts) -> Counts {
        sum(self.counts.clone(), current)
    }

    /// The counters of a process in the chunks that are over and these of the current one.
    pub(super) fn of_process(&self, number: ProcessNumber, current: &Counts) -> Counts {
        let closed = self.processes.get(number.index()).cloned();
        sum(closed.unwrap_or_default(), current)
    }

    /// The CPU time of a thread in the chunks that are over and this in the current one.
    pub(super) fn of_thread(
        &self,
        number: LineNumber,
        track: TrackId,
        current: Option<&ThreadCpuTime>,
    ) -> ThreadCpuTime {
        let [user, system] = self
            .threads
            .get(number.index())
            .copied()
            .unwrap_or_default();
        let [more_user, more_system] = current.map_or([0; 2], |it| [it.user_us, it.system_us]);
        ThreadCpuTime {
            track,
            user_us: user.saturating_add(more_user),
            system_us: system.saturating_add(more_system),
        }
    }

    /// Adds the counters of a chunk that is over.
    pub(super) fn close(&mut self, counts: &Counts, rates: Vec<RateChange>) {
        self.counts = sum(std::mem::take(&mut self.counts), counts);
        self.rates = rates;
    }

    /// Adds what a chunk that is over says about a process.
    pub(super) fn close_process(&mut self, number: ProcessNumber, counts: &Counts) {
        let closed = slot(&mut self.processes, number.index());
        *closed = sum(std::mem::take(closed), counts);
    }

    /// Adds what a chunk that is over says about a thread.
    pub(super) fn close_thread(&mut self, number: LineNumber, of: &ThreadCpuTime) {
        let [user, system] = slot(&mut self.threads, number.index());
        *user = user.saturating_add(of.user_us);
        *system = system.saturating_add(of.system_us);
    }

    /// Counts a chunk that could not be read to its end.
    pub(super) fn count_damaged(&mut self) {
        *self.counts.entry(DAMAGED.into()).or_default() += 1;
    }

    /// How many bytes of memory it uses, roughly.
    pub(super) fn bytes(&self) -> usize {
        let counters: usize = self.processes.iter().map(Counts::len).sum();
        64 * counters + 16 * self.threads.len() + 32 * self.rates.len()
    }
}

fn slot<T: Default>(all: &mut Vec<T>, at: usize) -> &mut T {
    if all.len() <= at {
        all.resize_with(at + 1, T::default);
    }
    &mut all[at]
}

fn sum(mut all: Counts, more: &Counts) -> Counts {
    for (name, more) in more {
        match all.get_mut(name) {
            Some(count) if MAXIMA.contains(&name.as_str()) => *count = (*count).max(*more),
            Some(count) => *count = count.saturating_add(*more),
            None => {
                all.insert(name.clone(), *more);
            }
        }
    }
    all
}

/// Adds a change, unless it is none. Of two at the same time, the later one holds.
fn push_rate(rates: &mut Vec<RateChange>, first: Duration, change: RateChange) {
    if rates.last().is_some_and(|last| last.time == change.time) {
        rates.pop();
    }
    let current = rates.last().map_or(first, |last| last.period);
    if change.period == current || change.period.is_zero() {
        return;
    }
    if rates.len() >= MOST_RATES {
        thin(rates);
    }
    rates.push(change);
}

/// Thins out the older half of the changes: of two neighbours, the one with the lower rate
/// stays, so that the lowest rate is kept.
fn thin(rates: &mut Vec<RateChange>) {
    let newer = rates.split_off(rates.len() / 2);
    let slower = |pair: &[RateChange]| pair.iter().copied().max_by_key(|it| it.period);
    *rates = rates.chunks(2).filter_map(slower).collect();
    rates.extend(newer);
}
