// SPDX-License-Identifier: MIT OR Apache-2.0

//! Adds up the accounts of chunks, each of which counts from the start of its chunk.

use std::time::Duration;

use crate::container::account::Touched;
use crate::container::contents::Contents;
use crate::container::info::{
    Counts, ProcessCounts, RateChange, Summary, ThreadCpuTime, TraceInfo, is_maximum,
};
use crate::join::clock::Place;
use crate::join::error::JoinError;
use crate::join::identities::{Identities, ProcessNumber, ThreadNumber};
use crate::join::options::JoinOptions;
use crate::model::identifiers::{KernelTime, ProcessIndex, TrackId};
use crate::query::view::CPU_TIMES;

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

    /// Returns the account of all chunks so far, with what the current one says anew.
    pub(super) fn so_far(
        &self,
        contents: &Contents,
        touched: &Touched,
        place: &Place,
        identities: &mut Identities,
        scope: &AccountScope,
        options: &JoinOptions,
    ) -> Result<Summary, JoinError> {
        let accounts = &contents.accounts;
        let mut summary = scope.summary(
            sum(self.counts.clone(), &accounts.counts),
            &self.with_rates_of(contents, place),
        );
        let tracks = &contents.tables.tracks;
        for index in &touched.processes {
            let Some(counts) = accounts.processes.get(&index.0) else {
                continue;
            };
            if let Some(number) = identities.process(*index, tracks, options)? {
                let counts = sum(self.of_process(number), counts);
                scope.add_process(&mut summary, number, counts, identities)?;
            }
        }
        for track in &touched.threads {
            let thread = identities.thread(*track, tracks, options, |_| false)?;
            if let Some((of, number)) = accounts.threads.get(&track.0).zip(thread) {
                let times = plus(self.of_thread(number), of);
                scope.add_thread(&mut summary, number, times, identities)?;
            }
        }
        Ok(summary)
    }

    /// Adds the account of a chunk that is over. Returns that of all chunks so far, with what
    /// this one says about its processes and threads.
    pub(super) fn close(
        &mut self,
        contents: &Contents,
        place: &Place,
        identities: &mut Identities,
        scope: &AccountScope,
        options: &JoinOptions,
    ) -> Result<Summary, JoinError> {
        self.rates = self.with_rates_of(contents, place);
        let accounts = &contents.accounts;
        let of_file = contents.summary.as_ref();
        let counts = of_file.map(|summary| &summary.counts);
        let counts = counts.filter(|counts| !counts.is_empty());
        let counts = counts.unwrap_or(&accounts.counts);
        self.counts = sum(std::mem::take(&mut self.counts), counts);
        let mut summary = scope.summary(self.counts.clone(), &self.rates);

        let in_accounts = accounts.processes.iter();
        let in_accounts = in_accounts.map(|(index, counts)| (ProcessIndex(*index), counts));
        // Older files have the counters of each process in their summary.
        let in_summary = of_file.map_or(&[][..], |summary| &summary.processes);
        let in_summary = in_summary.iter().map(|of| (of.process, &of.counts));
        let processes: Vec<_> = match in_summary.len() {
            0 => in_accounts.collect(),
            _ => in_summary.collect(),
        };
        let tracks = &contents.tables.tracks;
        for (index, counts) in processes {
            if let Some(number) = identities.process(index, tracks, options)? {
                let counts = sum(self.of_process(number), counts);
                slot(&mut self.processes, number.index()).clone_from(&counts);
                scope.add_process(&mut summary, number, counts, identities)?;
            }
        }
        for (track, of) in &accounts.threads {
            if let Some(number) = identities.thread(TrackId(*track), tracks, options, |_| false)? {
                let times = plus(self.of_thread(number), of);
                *slot(&mut self.threads, number.index()) = times;
                scope.add_thread(&mut summary, number, times, identities)?;
            }
        }
        Ok(summary)
    }

    /// The account of all chunks, after the last one was closed.
    pub(super) fn whole(&self, scope: &AccountScope) -> Summary {
        scope.summary(self.counts.clone(), &self.rates)
    }

    /// The changes of the rate, with those of the current chunk.
    fn with_rates_of(&self, contents: &Contents, place: &Place) -> Vec<RateChange> {
        let mut rates = self.rates.clone();
        let first = self.first_period.unwrap_or_default();
        for change in &contents.accounts.rates {
            let time = place.joined(change.time);
            push_rate(&mut rates, first, RateChange { time, ..*change });
        }
        rates
    }

    fn of_process(&self, number: ProcessNumber) -> Counts {
        let closed = self.processes.get(number.index()).cloned();
        closed.unwrap_or_default()
    }

    fn of_thread(&self, number: ThreadNumber) -> [u64; 2] {
        let closed = self.threads.get(number.index()).copied();
        closed.unwrap_or_default()
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

/// Of what an account may tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct AccountScope {
    /// When the joined trace begins.
    pub(super) start: KernelTime,
    /// Up to when it is complete.
    pub(super) end: KernelTime,
    /// Whether rows may be missing because of their time. Then the CPU times of the kernel,
    /// which are those of whole chunks, are left out, and processes without rows.
    pub(super) may_be_cut: bool,
}

impl AccountScope {
    fn summary(&self, counts: Counts, rates: &[RateChange]) -> Summary {
        let before = rates.partition_point(|change| change.time <= self.start);
        let kept = rates.get(before.saturating_sub(1)..).unwrap_or_default();
        let since = |change: &RateChange| RateChange {
            time: change.time.max(self.start),
            ..*change
        };
        Summary {
            end: self.end,
            counts: self.without_cpu_times(counts),
            rates: kept.iter().map(since).collect(),
            ..Summary::default()
        }
    }

    fn add_process(
        &self,
        summary: &mut Summary,
        number: ProcessNumber,
        counts: Counts,
        identities: &mut Identities,
    ) -> Result<(), JoinError> {
        if !identities.wants_process(number) {
            return Ok(());
        }
        let process = match self.may_be_cut {
            true => identities.known_joined_process(number),
            false => identities.joined_process(number)?,
        };
        if let Some(process) = process {
            let counts = self.without_cpu_times(counts);
            summary.processes.push(ProcessCounts { process, counts });
        }
        Ok(())
    }

    fn add_thread(
        &self,
        summary: &mut Summary,
        number: ThreadNumber,
        [user_us, system_us]: [u64; 2],
        identities: &mut Identities,
    ) -> Result<(), JoinError> {
        if !self.may_be_cut && identities.wants(number) {
            summary.threads.push(ThreadCpuTime {
                track: identities.joined_track(number)?,
                user_us,
                system_us,
            });
        }
        Ok(())
    }

    fn without_cpu_times(&self, mut counts: Counts) -> Counts {
        if self.may_be_cut {
            counts.retain(|name, _| !CPU_TIMES.contains(&name.as_str()));
        }
        counts
    }
}

fn plus([user, system]: [u64; 2], of: &ThreadCpuTime) -> [u64; 2] {
    [
        user.saturating_add(of.user_us),
        system.saturating_add(of.system_us),
    ]
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
            Some(count) if is_maximum(name) => *count = (*count).max(*more),
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
