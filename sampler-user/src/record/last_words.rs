// SPDX-License-Identifier: MIT OR Apache-2.0

//! Brings together the signal that ended a process, who sent it, and what the threads of the
//! process did when it was sent.

use std::collections::VecDeque;
use std::time::Duration;

use rustc_hash::FxHashMap;
use sampler_common::process::ProcessKey;
use sampler_common::signal::{SIGKILL, SignalOrigin, is_reported};
use sampler_cpython::process::comm::comm_text;
use sampler_trace::model::identifiers::KernelTime;

use crate::capture::bpf::events::RawSignal;
use crate::record::stillness::StandingThread;

/// How long a signal is remembered if there is too little room: it had a handler, or a core
/// dump takes its time.
const MEMORY: Duration = Duration::from_secs(60);
/// How long what threads do is not looked at again for another signal of the same number: a
/// process can send itself any number of them.
const SOON: Duration = Duration::from_secs(1);
/// The most processes whose signals are remembered, and the most ends that nobody has taken.
const MOST: usize = 256;
/// The bits of an exit code that are the signal (`wait_status`, `WTERMSIG`).
const SIGNAL_BITS: u32 = 0x7f;

/// A process that a signal has ended.
#[derive(Clone, Debug)]
pub struct Death {
    /// Its last life.
    pub process: ProcessKey,
    /// Its thread group id.
    pub tgid: u32,
    /// Which signal.
    pub signal: u32,
    /// Where that came from; `None` if the kernel did not tell.
    pub sender: Option<Sender>,
    /// What its threads did when the signal was sent, by the names and threads of the
    /// current trace file.
    pub threads: Vec<StandingThread>,
}

/// Where a signal came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Whether a process sent it, the kernel, or its out-of-memory killer.
    pub origin: SignalOrigin,
    /// Thread group id of the process that sent it, or that ran when the kernel did.
    pub tgid: u32,
    /// The kernel's name of that thread.
    pub comm: String,
}

/// Signals that may end processes, and processes that were ended.
#[derive(Default)]
pub(super) struct LastWords {
    sent: FxHashMap<(ProcessKey, u32), Sent>,
    deaths: VecDeque<Death>,
    left_out: u64,
}

struct Sent {
    time: KernelTime,
    sender: Sender,
    threads: Vec<StandingThread>,
}

impl LastWords {
    /// Takes in that a signal was sent to a process whose threads do this. What the
    /// out-of-memory killer chooses gets its signal just before.
    pub(super) fn sent(
        &mut self,
        signal: &RawSignal,
        threads: impl FnOnce() -> Vec<StandingThread>,
    ) {
        let record = &signal.record;
        let time = KernelTime(record.time);
        let sender = Sender {
            origin: signal.origin,
            tgid: record.sender,
            comm: comm_text(&record.comm),
        };
        let key = (record.key, record.signal);
        if signal.origin == SignalOrigin::OutOfMemory {
            let ended = self.deaths.iter_mut().rev();
            let mut ended = ended.filter(|death| (death.process, death.signal) == key);
            if let Some(death) = ended.next() {
                death.sender = Some(sender);
                return;
            }
        }
        if let Some(before) = self.sent.get_mut(&key)
            && (record.signal == SIGKILL || time.since(before.time) < SOON)
        {
            let is_own = record.sender == record.tgid;
            match signal.origin {
                SignalOrigin::OutOfMemory => before.sender = sender,
                // It is the first SIGKILL that ends a process, and a handler such as that of
                // faulthandler sends the signal once more.
                SignalOrigin::Process if record.signal != SIGKILL && !is_own => {
                    before.sender = sender;
                }
                SignalOrigin::Process | SignalOrigin::Kernel => {}
            }
            return;
        }
        if self.sent.len() >= MOST {
            self.sent.retain(|_, sent| time.since(sent.time) < MEMORY);
        }
        if self.sent.len() >= MOST && !self.sent.contains_key(&key) {
            self.left_out += 1;
            return;
        }
        let sent = Sent {
            time,
            sender,
            threads: threads(),
        };
        self.sent.insert(key, sent);
    }

    /// Returns how many signals and ends found no room.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Takes in that a process ended with an exit code.
    pub(super) fn ended(&mut self, process: ProcessKey, tgid: u32, exit_code: u32) {
        let signal = exit_code & SIGNAL_BITS;
        if is_reported(signal) {
            let sent = self.sent.remove(&(process, signal));
            let (sender, threads) = sent.map(|sent| (sent.sender, sent.threads)).unzip();
            if self.deaths.len() >= MOST {
                self.deaths.pop_front();
                self.left_out += 1;
            }
            self.deaths.push_back(Death {
                process,
                tgid,
                signal,
                sender,
                threads: threads.unwrap_or_default(),
            });
        }
        self.sent.retain(|(of, _), _| *of != process);
    }

    /// Takes the processes that have ended since the last call.
    pub(super) fn take(&mut self) -> VecDeque<Death> {
        std::mem::take(&mut self.deaths)
    }

    /// Forgets what threads do: another trace file with other names takes over.
    pub(super) fn forget_threads(&mut self) {
        self.sent.values_mut().for_each(|sent| sent.threads.clear());
        self.deaths
            .iter_mut()
            .for_each(|death| death.threads.clear());
    }
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable as _;
    use sampler_common::signal::{SIGABRT, SIGSEGV, SignalRecord};

    use super::*;

    const KEY: ProcessKey = ProcessKey(7);

    fn signal(signal: u32, origin: SignalOrigin, second: u64) -> RawSignal {
        let mut comm = [0; 16];
        comm[..4].copy_from_slice(b"init");
        RawSignal {
            origin,
            record: SignalRecord {
                signal,
                key: KEY,
                tgid: 812,
                sender: 1,
                time: second * 1_000_000_000,
                comm,
                ..SignalRecord::zeroed()
            },
        }
    }

    fn only(words: &mut LastWords) -> Death {
        let mut deaths = words.take();
        assert_eq!(deaths.len(), 1);
        deaths.pop_front().expect("there is one")
    }

    #[test]
    fn the_signal_that_ended_a_process_has_its_sender() {
        let mut words = LastWords::default();
        words.sent(&signal(SIGABRT, SignalOrigin::Process, 1), Vec::new);
        words.sent(&signal(SIGKILL, SignalOrigin::Process, 2), Vec::new);
        words.sent(&signal(SIGKILL, SignalOrigin::Kernel, 3), Vec::new);
        words.ended(KEY, 812, SIGKILL);
        let death = only(&mut words);
        assert_eq!((death.signal, death.tgid), (SIGKILL, 812));
        let expected = Sender {
            origin: SignalOrigin::Process,
            tgid: 1,
            comm: "init".into(),
        };
        assert_eq!(death.sender, Some(expected));
        assert!(words.sent.is_empty());
    }

    #[test]
    fn the_out_of_memory_killer_is_named_although_it_comes_last() {
        let mut words = LastWords::default();
        words.sent(&signal(SIGKILL, SignalOrigin::Kernel, 2), Vec::new);
        words.sent(&signal(SIGKILL, SignalOrigin::OutOfMemory, 2), Vec::new);
        words.ended(KEY, 812, SIGKILL);
        let origin = only(&mut words).sender.map(|sender| sender.origin);
        assert_eq!(origin, Some(SignalOrigin::OutOfMemory));
    }

    #[test]
    fn the_out_of_memory_killer_is_named_even_after_the_end() {
        let mut words = LastWords::default();
        words.sent(&signal(SIGKILL, SignalOrigin::Kernel, 2), Vec::new);
        words.ended(KEY, 812, SIGKILL);
        words.sent(&signal(SIGKILL, SignalOrigin::OutOfMemory, 2), Vec::new);
        let origin = only(&mut words).sender.map(|sender| sender.origin);
        assert_eq!(origin, Some(SignalOrigin::OutOfMemory));
        assert!(words.sent.is_empty());
    }

    #[test]
    fn a_handler_that_sends_the_signal_once_more_is_not_its_sender() {
        let mut words = LastWords::default();
        let mut own = signal(SIGSEGV, SignalOrigin::Process, 2);
        own.record.sender = 812;
        words.sent(&signal(SIGSEGV, SignalOrigin::Kernel, 2), Vec::new);
        words.sent(&own, || panic!("its threads were looked at just now"));
        words.ended(KEY, 812, SIGSEGV);
        let origin = only(&mut words).sender.map(|sender| sender.origin);
        assert_eq!(origin, Some(SignalOrigin::Kernel));
        // Another one later is no such thing.
        words.sent(&signal(SIGSEGV, SignalOrigin::Kernel, 2), Vec::new);
        own.record.time += 5_000_000_000;
        words.sent(&own, Vec::new);
        words.ended(KEY, 812, SIGSEGV);
        let sender = only(&mut words).sender.expect("it was told");
        assert_eq!((sender.origin, sender.tgid), (SignalOrigin::Process, 812));
    }

    #[test]
    fn a_signal_that_was_handled_is_no_end() {
        let mut words = LastWords::default();
        words.sent(&signal(SIGSEGV, SignalOrigin::Process, 1), Vec::new);
        // With status 9.
        words.ended(KEY, 812, 9 << 8);
        assert!(words.take().is_empty());
        // With a core dump, which is another bit, and without a word from the kernel.
        words.ended(KEY, 812, SIGSEGV | 0x80);
        assert_eq!(only(&mut words).sender, None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut words = LastWords::default();
        for process in 0..1000 {
            let mut signal = signal(SIGKILL, SignalOrigin::Process, 1);
            signal.record.key = ProcessKey(process);
            words.sent(&signal, Vec::new);
        }
        assert_eq!((words.sent.len(), words.left_out()), (MOST, 1000 - 256));
        // Those of a minute ago make room.
        let mut later = signal(SIGKILL, SignalOrigin::Process, 62);
        later.record.key = ProcessKey(2000);
        words.sent(&later, Vec::new);
        assert_eq!(words.sent.len(), 1);
        for process in 0..1000 {
            words.ended(ProcessKey(process), 1, SIGKILL);
        }
        assert_eq!(words.take().len(), MOST);
        assert_eq!(words.left_out(), 2 * (1000 - 256));
    }
}
