// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds threads that wait for a timer by reading it: they sleep, whereas a read of any
//! other descriptor is I/O. The descriptors are looked up only now and then.

use rustc_hash::FxHashMap;
use sampler_common::process::ProcessKey;
use sampler_cpython::process::descriptor::is_timer;
use sampler_trace::model::identifiers::KernelTime;
use sampler_trace::model::row::State;

use crate::capture::bpf::events::RawSample;
use crate::capture::process_inspector::ProcessInspector;
use crate::capture::waiting::read_descriptor;

/// How long an answer is believed, in nanoseconds: once a descriptor is closed, its
/// number may mean another.
const BELIEVED: u64 = 5_000_000_000;
/// Most descriptors that are remembered; then all are forgotten.
const MAX_KNOWN: usize = 4096;

/// Remembers which descriptors are timers.
pub(super) struct Timers {
    inspector: ProcessInspector,
    known: FxHashMap<(ProcessKey, u32), (bool, KernelTime)>,
}

impl Timers {
    pub(super) fn new(inspector: ProcessInspector) -> Self {
        Self {
            inspector,
            known: FxHashMap::default(),
        }
    }

    /// Returns the state of a waiting thread; `told` is the state by its system call
    /// alone.
    pub(super) fn refine(&mut self, told: State, sample: &RawSample) -> State {
        let header = &sample.header;
        let Some(descriptor) = read_descriptor(&header.wait).filter(|_| told == State::Io) else {
            return told;
        };
        let now = KernelTime(header.time);
        let key = (header.process, descriptor);
        let known = self.known.get(&key).copied();
        let known = known.filter(|(_, since)| now.0.saturating_sub(since.0) < BELIEVED);
        let is_timer = match known {
            Some((is_timer, _)) => is_timer,
            None => {
                let tgid = header.tgid;
                let asked = self
                    .inspector
                    .ask(tgid, move |_| is_timer(tgid, descriptor));
                let answer = asked.unwrap_or(false);
                if self.known.len() >= MAX_KNOWN {
                    self.known.clear();
                }
                self.known.insert(key, (answer, now));
                answer
            }
        };
        if is_timer { State::Sleeping } else { told }
    }
}
