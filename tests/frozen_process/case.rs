// SPDX-License-Identifier: MIT OR Apache-2.0

//! One thread of one frozen process, ready to be walked.

use std::cell::RefCell;
use std::collections::BTreeSet;

use sampler_common::memory::{MemoryFault, UserMemory};
use sampler_common::process::ProcessConfig;
use sampler_common::thread_state::MAX_SEARCHED;
use sampler_common::walk::{MAX_STEPS, MAX_UNKNOWN};
use sampler_cpython::cpython::line_table::LineTableKind;
use tests::frozen::file::{self, ExpectedFrame, FrozenRead};
use tests::frozen::memory::{Damage, FrozenMemory, Recorded};
use tests::frozen::replay::{Replay, replay};

use crate::anatomy::Anatomy;

/// An upper bound for the reads of a sample: for each frame its head, its code object
/// and two words of the thread's bytecode; two for each step of the search for the
/// thread state; eight for each description; and a few to begin with.
pub(crate) const MAX_READS: u64 =
    4 * MAX_STEPS as u64 + 2 * MAX_SEARCHED as u64 + 8 * MAX_UNKNOWN as u64 + 16;

/// Memory that records the address and size of each read.
struct Noting<'memory>(
    RefCell<BTreeSet<(u64, u64)>>,
    &'memory FrozenMemory<'memory>,
);

impl<'memory> Noting<'memory> {
    fn new(memory: &'memory FrozenMemory<'memory>) -> Self {
        Self(RefCell::default(), memory)
    }
}

impl UserMemory for Noting<'_> {
    fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
        let size = destination.len() as u64;
        self.0.borrow_mut().insert((address, size));
        self.1.read_bytes(address, destination)
    }
}

/// One thread of a frozen process.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) config: ProcessConfig,
    pub(crate) line_tables: LineTableKind,
    pub(crate) thread_pointer: u64,
    /// The frames that the interpreter reported, innermost first.
    pub(crate) truth: Vec<ExpectedFrame>,
    /// The recorded reads that a walk of the thread needs.
    pub(crate) reads: Vec<FrozenRead>,
    pub(crate) recorded: Recorded,
    pub(crate) anatomy: Anatomy,
}

impl Case {
    /// Returns every thread of every frozen process.
    pub(crate) fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for process in file::all() {
            let config = process.config();
            let recorded = Recorded::new(&process.reads);
            for thread in &process.threads {
                let memory = FrozenMemory::new(&recorded, Damage::None);
                let noting = Noting::new(&memory);
                let pointer = thread.thread_pointer;
                let replay = replay(&noting, &config, process.line_tables(), pointer);
                let noted = noting.0.into_inner();
                let reads = process.reads.iter();
                let is_noted = |read: &&FrozenRead| noted.contains(&(read.address, read.size));
                cases.push(Self {
                    name: format!("{}, {}", process.version, thread.frames[0].0),
                    config,
                    line_tables: process.line_tables(),
                    thread_pointer: pointer,
                    truth: thread.frames.clone(),
                    reads: reads.filter(is_noted).cloned().collect(),
                    anatomy: Anatomy::read(&memory, &config, replay.thread_state),
                    recorded: recorded.clone(),
                });
            }
        }
        cases
    }

    /// Walks the thread with `damage`, by another configuration.
    pub(crate) fn replay_with(&self, config: &ProcessConfig, damage: Damage) -> Replay {
        let memory = FrozenMemory::new(&self.recorded, damage);
        let replay = replay(&memory, config, self.line_tables, self.thread_pointer);
        assert!(memory.reads() <= MAX_READS, "{}", self.name);
        replay
    }

    /// Walks the thread with `damage`.
    pub(crate) fn replay(&self, damage: Damage) -> Replay {
        self.replay_with(&self.config, damage)
    }

    /// Walks the thread with `value` in place of the word at `address`.
    pub(crate) fn with_word(&self, address: u64, value: u64) -> Replay {
        self.replay(Damage::Changed {
            address,
            bytes: value.to_le_bytes().to_vec(),
        })
    }
}
