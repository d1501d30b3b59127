// SPDX-License-Identifier: MIT OR Apache-2.0

//! The block with the account of samples. It is written repeatedly, so that a file that
//! was cut off has the account of its last moments.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::account::drop_reason::current_name;
use crate::container::error::TraceError;
use crate::container::info::{
    Counts, ProcessCounts, RateChange, Summary, ThreadCpuTime, TraceInfo, put_count,
};
use crate::model::identifiers::{ProcessIndex, TrackId};
use crate::model::symbols::MAXIMUM_STRING;
use crate::model::track::MAXIMUM_TRACKS;
use crate::model::varint::{put, take};

/// The most processes in one block.
const MAXIMUM_PROCESSES: usize = 1 << 16;
/// The most names in one block, and therefore the most counters of anything.
const MAXIMUM_NAMES: u64 = 1024;
/// The most counters of all processes of a file together: with their names they use about
/// 100 MB of a reader's memory. A writer leaves out the rest.
const MAXIMUM_COUNTERS: usize = 1 << 20;
/// The most threads in one block.
const MAXIMUM_THREADS: usize = MAXIMUM_TRACKS;
/// The most changes of the rate in one block.
const MAXIMUM_RATES: u64 = 1 << 16;

/// How many counters a file has for each process, and for all together.
#[derive(Debug, Default)]
pub(super) struct WrittenCounters {
    by_process: Vec<u16>,
    all: usize,
}

impl WrittenCounters {
    /// Whether the counters of a process still fit; if so, they are counted.
    fn take(&mut self, of: &ProcessCounts) -> bool {
        if self.by_process.len() <= of.process.index() {
            self.by_process.resize(of.process.index() + 1, 0);
        }
        let Some(slot) = self.by_process.get_mut(of.process.index()) else {
            return false;
        };
        let number = u16::try_from(of.counts.len()).unwrap_or(u16::MAX);
        let all = self.all - usize::from(*slot) + usize::from(number);
        let has_room = all <= MAXIMUM_COUNTERS;
        if has_room {
            (self.all, *slot) = (all, number);
        }
        has_room
    }
}

/// Encodes a summary as the data of one or more blocks.
pub(super) fn encode(
    summary: &Summary,
    info: &TraceInfo,
    written: &mut WrittenCounters,
) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    let mut rest = summary.processes.as_slice();
    let mut threads = summary.threads.as_slice();
    loop {
        let (some, more) = rest.split_at(rest.len().min(MAXIMUM_PROCESSES));
        rest = more;
        // All threads are in the first block, unless there are more than a trace can have.
        let (some_threads, more) = threads.split_at(threads.len().min(MAXIMUM_THREADS));
        threads = more;
        blocks.push(block(summary, (some, some_threads), info, written));
        if rest.is_empty() && threads.is_empty() {
            return blocks;
        }
    }
}

fn block(
    summary: &Summary,
    (processes, threads): (&[ProcessCounts], &[ThreadCpuTime]),
    info: &TraceInfo,
    written: &mut WrittenCounters,
) -> Vec<u8> {
    let mut names: BTreeMap<&str, u64> = BTreeMap::new();
    let all = processes.iter().map(|of| &of.counts);
    for name in all.chain([&summary.counts]).flat_map(Counts::keys) {
        let number = names.len() as u64;
        if number < MAXIMUM_NAMES && name.len() <= MAXIMUM_STRING {
            names.entry(name).or_insert(number);
        }
    }
    let mut out = Vec::new();
    put(&mut out, info.microseconds(summary.end));
    put(&mut out, names.len() as u64);
    let mut by_number: Vec<_> = names.iter().collect();
    by_number.sort_by_key(|(_, number)| **number);
    for (name, _) in by_number {
        put(&mut out, name.len() as u64);
        out.extend(name.as_bytes());
    }
    put_counts(&mut out, &summary.counts, &names);
    let processes: Vec<_> = processes.iter().filter(|of| written.take(of)).collect();
    put(&mut out, processes.len() as u64);
    for of in processes {
        put(&mut out, u64::from(of.process.0));
        put_counts(&mut out, &of.counts, &names);
    }
    put(&mut out, summary.rates.len() as u64);
    for change in &summary.rates {
        put(&mut out, info.microseconds(change.time));
        let period = u64::try_from(change.period.as_nanos());
        put(&mut out, period.unwrap_or(u64::MAX));
    }
    put(&mut out, threads.len() as u64);
    for of in threads {
        for number in [u64::from(of.track.0), of.user_us, of.system_us] {
            put(&mut out, number);
        }
    }
    out
}

fn put_counts(out: &mut Vec<u8>, counts: &Counts, names: &BTreeMap<&str, u64>) {
    let known: Vec<_> = counts
        .iter()
        .filter_map(|(name, count)| Some((*names.get(name.as_str())?, *count)))
        .collect();
    put(out, known.len() as u64);
    for (name, count) in known {
        put(out, name);
        put(out, count);
    }
}

/// What the account blocks of a file say. A later block replaces what an earlier one said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts {
    pub(crate) counts: Counts,
    pub(crate) processes: BTreeMap<u32, Counts>,
    pub(crate) rates: Vec<RateChange>,
    pub(crate) threads: BTreeMap<u32, ThreadCpuTime>,
    counters: usize,
}

/// What an account block says something new about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// The processes whose counters it has.
    pub processes: Vec<ProcessIndex>,
    /// The threads whose CPU time it has.
    pub threads: Vec<TrackId>,
}

impl Accounts {
    /// Adds to the summary of a file what it does not say itself.
    pub(super) fn complete(self, summary: &mut Summary) {
        if summary.counts.is_empty() {
            summary.counts = self.counts;
        }
        if summary.processes.is_empty() {
            let processes = self.processes.into_iter();
            summary.processes = processes
                .map(|(process, counts)| ProcessCounts {
                    process: ProcessIndex(process),
                    counts,
                })
                .collect();
        }
        if summary.rates.is_empty() {
            summary.rates = self.rates;
        }
        summary.threads = self.threads.into_values().collect();
    }
}

/// An account block that is being read.
pub(super) struct AccountBlock<'a> {
    pub(super) data: &'a [u8],
    /// Where it begins in the file, for errors.
    pub(super) at: u64,
    pub(super) info: &'a TraceInfo,
    /// How many processes and threads the file has so far; a block can refer only to those.
    pub(super) processes: usize,
    pub(super) tracks: usize,
}

impl AccountBlock<'_> {
    /// Reads the block into `into`.
    pub(super) fn decode(mut self, into: &mut Accounts) -> Result<Touched, TraceError> {
        let mut touched = Touched::default();
        self.number()?;
        let count = self.bounded(MAXIMUM_NAMES)?;
        let mut names = Vec::new();
        for _ in 0..count {
            names.push(current_name(&self.text()?).to_owned());
        }
        into.counts = self.counts(&names)?;
        for _ in 0..self.bounded(MAXIMUM_PROCESSES as u64)? {
            let process = u32::try_from(self.number()?).unwrap_or(u32::MAX);
            if process as usize >= self.processes {
                return Err(self.damaged("an account belongs to a process that is not defined"));
            }
            let counts = self.counts(&names)?;
            into.counters += counts.len();
            touched.processes.push(ProcessIndex(process));
            if let Some(before) = into.processes.insert(process, counts) {
                into.counters -= before.len();
            }
            if into.counters > MAXIMUM_COUNTERS {
                return Err(self.damaged("the accounts of processes fill the memory"));
            }
        }
        let count = self.bounded(MAXIMUM_RATES)?;
        into.rates.clear();
        for _ in 0..count {
            let microseconds = self.number()?;
            let time = self.info.time_at(microseconds);
            let time = time.ok_or_else(|| self.damaged("a time is past the end of the clock"))?;
            let period = Duration::from_nanos(self.number()?.max(1));
            into.rates.push(RateChange { time, period });
        }
        if self.data.is_empty() {
            return Ok(touched);
        }
        for _ in 0..self.bounded(MAXIMUM_THREADS as u64)? {
            let track = u32::try_from(self.number()?).unwrap_or(u32::MAX);
            if track as usize >= self.tracks {
                return Err(self.damaged("a CPU time belongs to a thread that is not defined"));
            }
            let of = ThreadCpuTime {
                track: TrackId(track),
                user_us: self.number()?,
                system_us: self.number()?,
            };
            into.threads.insert(track, of);
            touched.threads.push(of.track);
        }
        Ok(touched)
    }

    fn counts(&mut self, names: &[String]) -> Result<Counts, TraceError> {
        let mut counts = Counts::new();
        for _ in 0..self.bounded(MAXIMUM_NAMES)? {
            let name = usize::try_from(self.number()?).ok();
            let Some(name) = name.and_then(|name| names.get(name)) else {
                return Err(self.damaged("a counter has a name that is not defined"));
            };
            put_count(&mut counts, name.clone(), self.number()?);
        }
        Ok(counts)
    }

    fn text(&mut self) -> Result<String, TraceError> {
        let length = self.bounded(MAXIMUM_STRING as u64)?;
        let Some((text, rest)) = self.data.split_at_checked(length as usize) else {
            return Err(self.damaged("a text is cut off or too long"));
        };
        self.data = rest;
        let text = std::str::from_utf8(text);
        text.map(ToOwned::to_owned)
            .map_err(|_| self.damaged("a text is not UTF-8"))
    }

    fn bounded(&mut self, most: u64) -> Result<u64, TraceError> {
        let number = self.number()?;
        (number <= most)
            .then_some(number)
            .ok_or_else(|| self.damaged("a number is too large"))
    }

    fn number(&mut self) -> Result<u64, TraceError> {
        take(&mut self.data).ok_or_else(|| self.damaged("a number is cut off or too large"))
    }

    fn damaged(&self, what: &'static str) -> TraceError {
        TraceError::Damaged { at: self.at, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::identifiers::KernelTime;

    fn counts(list: &[(&str, u64)]) -> Counts {
        let counts = list
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count));
        counts.collect()
    }

    fn thread(track: u32, user_us: u64) -> ThreadCpuTime {
        ThreadCpuTime {
            track: TrackId(track),
            user_us,
            system_us: 7,
        }
    }

    fn summary() -> Summary {
        Summary {
            end: KernelTime(9000),
            counts: counts(&[("taken", 20), ("lost", 3)]),
            processes: vec![
                ProcessCounts {
                    process: ProcessIndex(1),
                    counts: counts(&[("taken", 12), ("moved", 1)]),
                },
                ProcessCounts {
                    process: ProcessIndex(0),
                    counts: counts(&[("taken", 8)]),
                },
            ],
            rates: vec![RateChange {
                time: KernelTime(4000),
                period: Duration::from_micros(800),
            }],
            threads: vec![thread(0, 300), thread(1, 5000)],
        }
    }

    fn read(data: &[u8], processes: usize, into: &mut Accounts) -> Result<Touched, TraceError> {
        AccountBlock {
            data,
            at: 0,
            info: &TraceInfo::default(),
            processes,
            tracks: 2,
        }
        .decode(into)
    }

    #[test]
    fn the_last_word_on_each_process_counts() {
        let mut accounts = Accounts::default();
        let first = encode(
            &summary(),
            &TraceInfo::default(),
            &mut WrittenCounters::default(),
        );
        assert_eq!(first.len(), 1);
        read(&first[0], 2, &mut accounts).unwrap();
        let later = Summary {
            counts: counts(&[("taken", 30)]),
            processes: vec![ProcessCounts {
                process: ProcessIndex(1),
                counts: counts(&[("taken", 22)]),
            }],
            threads: vec![thread(1, 6000)],
            ..summary()
        };
        let later = encode(
            &later,
            &TraceInfo::default(),
            &mut WrittenCounters::default(),
        );
        read(&later[0], 2, &mut accounts).unwrap();
        let mut found = Summary::default();
        accounts.complete(&mut found);
        assert_eq!(found.counts, counts(&[("taken", 30)]));
        assert_eq!(found.rates, summary().rates);
        assert_eq!(found.threads, [thread(0, 300), thread(1, 6000)]);
        let of: Vec<_> = found
            .processes
            .iter()
            .map(|of| of.counts["taken"])
            .collect();
        assert_eq!(of, [8, 22]);
    }

    #[test]
    fn a_count_with_two_names_in_an_old_file_is_read_as_one() {
        let mut old = summary();
        old.counts = counts(&[("lost", 5), ("lost_ring", 5), ("without_interpreter", 4)]);
        let info = TraceInfo::default();
        let blocks = encode(&old, &info, &mut WrittenCounters::default());
        let mut accounts = Accounts::default();
        read(&blocks[0], 2, &mut accounts).unwrap();
        let mut found = Summary::default();
        accounts.complete(&mut found);
        assert_eq!(found.counts, counts(&[("lost", 5), ("unsupported", 4)]));
    }

    #[test]
    fn a_summary_of_its_own_is_left_alone() {
        let mut accounts = Accounts::default();
        let blocks = encode(
            &summary(),
            &TraceInfo::default(),
            &mut WrittenCounters::default(),
        );
        read(&blocks[0], 2, &mut accounts).unwrap();
        let mut own = Summary {
            counts: counts(&[("samples", 5)]),
            ..Summary::default()
        };
        accounts.complete(&mut own);
        assert_eq!(own.counts, counts(&[("samples", 5)]));
        assert_eq!(own.processes.len(), 2);
    }

    #[test]
    fn every_number_is_checked() {
        let blocks = encode(
            &summary(),
            &TraceInfo::default(),
            &mut WrittenCounters::default(),
        );
        let data = &blocks[0];
        // In an old file, a block ends before the threads.
        let old = data.len() - 9;
        for cut in 0..data.len() {
            let result = read(&data[..cut], 2, &mut Accounts::default());
            assert_eq!(result.is_ok(), cut == old, "{cut}");
            for value in [0, 1, 0x7f, 0xff] {
                let mut wrong = data.clone();
                wrong[cut] = value;
                // Whatever the block says, this must return.
                let _ = read(&wrong, 2, &mut Accounts::default());
            }
        }
        let mut unknown = summary();
        unknown.threads.push(thread(2, 1));
        let blocks = encode(
            &unknown,
            &TraceInfo::default(),
            &mut WrittenCounters::default(),
        );
        assert!(read(&blocks[0], 2, &mut Accounts::default()).is_err());
        let undefined = read(data, 1, &mut Accounts::default()).unwrap_err();
        assert!(
            undefined
                .to_string()
                .contains("process that is not defined")
        );
    }

    #[test]
    fn a_writer_stays_below_what_a_reader_takes() {
        let many = Summary {
            processes: (0..100_000)
                .map(|number| ProcessCounts {
                    process: ProcessIndex(number),
                    counts: counts(&[("taken", 1), ("lost", 2)]),
                })
                .collect(),
            ..summary()
        };
        let mut written = WrittenCounters {
            by_process: Vec::new(),
            all: MAXIMUM_COUNTERS - 150_000,
        };
        let blocks = encode(&many, &TraceInfo::default(), &mut written);
        assert_eq!(blocks.len(), 2);
        let mut accounts = Accounts::default();
        for block in &blocks {
            read(block, 100_000, &mut accounts).unwrap();
        }
        assert_eq!(accounts.processes.len(), 75_000);
    }
}
