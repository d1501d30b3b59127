// SPDX-License-Identifier: MIT OR Apache-2.0

//! The statistics that the eBPF programs keep per CPU: the index and the name of each.

/// A statistic of the eBPF programs.
///
/// `Taken` equals the sum of `Sent`, `LostRing`, `WithoutInterpreter` and `Unreadable`. A
/// thread whose stack is rejected still has a record, which names the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Counter {
    /// Ticks that hit a thread of a followed process, and off-CPU threads that a pass set
    /// out to sample.
    Taken = 0,
    /// Sample records handed to the ring buffer.
    Sent = 1,
    /// Sample records dropped because the ring buffer was full.
    LostRing = 2,
    /// Code objects described.
    Described = 3,
    /// Descriptions dropped because the ring buffer was full.
    LostDescription = 4,
    /// Samples with too many new code objects at once, some of which were left for a
    /// later sample.
    DescriptionDeferred = 5,
    /// Code objects that could not be read again to describe them, or were no longer the
    /// same.
    DescriptionFault = 6,
    /// Fork, exec and exit records handed to the ring buffer.
    Lifecycle = 7,
    /// Fork, exec and exit records dropped because the ring buffer was full.
    LostLifecycle = 8,
    /// Forks and execs that found the process table full.
    ProcessTableFull = 9,
    /// Samples whose memory was not there; cannot happen.
    NoScratch = 10,
    /// Times that the kernel's record of a task could not be read.
    TaskFault = 11,
    /// Threads that a pass found unchanged: off CPU since their last sample.
    Unchanged = 12,
    /// Threads that a pass found running; their CPU's own ticks sample them.
    PassedRunning = 13,
    /// Threads whose sample a pass could not remember because the thread table was full.
    ThreadTableFull = 14,
    /// Off-CPU threads that a pass skipped because this tick had already sampled them.
    AlreadySampled = 15,
    /// Started programs that are known to have no Python in them.
    PlainPrograms = 16,
    /// Ticks that hit a followed process without a known interpreter: it is just
    /// starting, or its program is not a Python that can be sampled.
    WithoutInterpreter = 17,
    /// Lives of processes that found the table of accounts full.
    AccountTableFull = 18,
    /// Nanoseconds that all samples of ticks took, from start to end.
    RunTime = 19,
    /// Ticks on CPUs that were not idle, whatever they hit.
    Ticks = 20,
    /// Samples that were begun and given up: the kernel's record of the thread could not
    /// be read, or there was no memory.
    Unreadable = 21,
}

impl Counter {
    /// The number of counters.
    pub const COUNT: usize = Self::ALL.len();

    /// All counters, in index order.
    pub const ALL: [Self; 22] = [
        Self::Taken,
        Self::Sent,
        Self::LostRing,
        Self::Described,
        Self::LostDescription,
        Self::DescriptionDeferred,
        Self::DescriptionFault,
        Self::Lifecycle,
        Self::LostLifecycle,
        Self::ProcessTableFull,
        Self::NoScratch,
        Self::TaskFault,
        Self::Unchanged,
        Self::PassedRunning,
        Self::ThreadTableFull,
        Self::AlreadySampled,
        Self::PlainPrograms,
        Self::WithoutInterpreter,
        Self::AccountTableFull,
        Self::RunTime,
        Self::Ticks,
        Self::Unreadable,
    ];

    /// Returns its name in machine-readable output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Sent => "sent",
            Self::LostRing => "lost_ring",
            Self::Described => "described",
            Self::LostDescription => "lost_description",
            Self::DescriptionDeferred => "description_deferred",
            Self::DescriptionFault => "description_fault",
            Self::Lifecycle => "lifecycle",
            Self::LostLifecycle => "lost_lifecycle",
            Self::ProcessTableFull => "process_table_full",
            Self::NoScratch => "no_scratch",
            Self::TaskFault => "task_fault",
            Self::Unchanged => "unchanged",
            Self::PassedRunning => "passed_running",
            Self::ThreadTableFull => "thread_table_full",
            Self::AlreadySampled => "already_sampled",
            Self::PlainPrograms => "plain_programs",
            Self::WithoutInterpreter => "without_interpreter",
            Self::AccountTableFull => "account_table_full",
            Self::RunTime => "run_time_ns",
            Self::Ticks => "ticks",
            Self::Unreadable => "unreadable",
        }
    }
}

/// The values of all counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CounterValues([u64; Counter::COUNT]);

impl CounterValues {
    /// Returns the value of one counter.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }

    /// Sets a counter to a number that was counted elsewhere.
    pub fn set(&mut self, counter: Counter, number: u64) {
        self.0[counter as usize] = number;
    }

    /// Adds `number` to a counter.
    pub fn add(&mut self, counter: Counter, number: u64) {
        let value = &mut self.0[counter as usize];
        *value = value.saturating_add(number);
    }

    /// Adds every counter of `other`.
    pub fn add_all(&mut self, other: &Self) {
        for counter in Counter::ALL {
            self.add(counter, other.get(counter));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_positions() {
        for (position, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(*counter as usize, position);
        }
    }
    #[test]
    fn names_are_distinct_and_plain() {
        let names = Counter::ALL.map(Counter::name);
        for (position, name) in names.iter().enumerate() {
            let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            assert!(!name.is_empty() && name.bytes().all(is_plain), "{name}");
            assert!(!names[..position].contains(name), "{name}");
        }
    }
}
