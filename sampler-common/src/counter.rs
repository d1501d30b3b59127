// SPDX-License-Identifier: MIT OR Apache-2.0

//! The statistics that the eBPF programs keep per CPU: the index and the name of each.

/// Defines the counters: the number of each is its place in the list, and the text is its
/// name in machine-readable output.
macro_rules! counters {
    ($($(#[$doc:meta])* $counter:ident = $name:literal)*) => {
        /// A statistic of the eBPF programs.
        ///
        /// `Taken` equals the sum of `Sent` and of the counters of all other
        /// [fates](crate::fate::Fate). A thread whose stack is rejected still has a record,
        /// which names the reason.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Counter {
            $($(#[$doc])* $counter,)*
        }

        impl Counter {
            /// All counters, by number.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$counter),*];

            /// The number of counters.
            pub const COUNT: usize = [$($name),*].len();

            /// Returns its name in machine-readable output.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$counter => $name,)*
                }
            }
        }
    };
}

counters! {
    /// Ticks that hit a thread of a followed process, and off-CPU threads that a scan or
    /// their return set out to sample.
    Taken = "taken"
    /// Sample records handed to the ring buffer.
    Sent = "sent"
    /// Sample records dropped because the ring buffer was full.
    Lost = "lost"
    /// Code objects described.
    Described = "described"
    /// Descriptions dropped because the ring buffer was full.
    LostDescription = "lost_description"
    /// Samples with too many new code objects at once, some of which were left for a
    /// later sample.
    DescriptionDeferred = "description_deferred"
    /// Code objects that could not be read again to describe them, or were no longer the
    /// same.
    DescriptionFault = "description_fault"
    /// Fork, exec and exit records handed to the ring buffer.
    Lifecycle = "lifecycle"
    /// Fork, exec and exit records dropped because the ring buffer was full.
    LostLifecycle = "lost_lifecycle"
    /// Forks and execs that found the process table full.
    ProcessTableFull = "process_table_full"
    /// Samples whose memory was not there; cannot happen.
    NoScratch = "no_scratch"
    /// Times that the kernel's record of a task could not be read.
    TaskFault = "task_fault"
    /// Threads that a scan, or their return, found unchanged: off CPU since their last
    /// sample.
    Unchanged = "unchanged"
    /// Threads that a scan found running; their CPU's own ticks sample them.
    SeenRunning = "passed_running"
    /// Threads whose sample a scan could not remember because the thread table was full,
    /// and returns of threads that were not looked at for that reason.
    ThreadTableFull = "thread_table_full"
    /// Off-CPU threads that a scan skipped because this tick had already sampled them, and
    /// returns of threads all of whose time ticks represent.
    AlreadySampled = "already_sampled"
    /// Started programs that are known to have no Python in them.
    NonPythonPrograms = "plain_programs"
    /// Ticks that hit a followed process without a known interpreter: it is just
    /// starting, or its program is not a Python that can be sampled.
    Unsupported = "unsupported"
    /// Lives of processes that found the table of accounts full.
    AccountTableFull = "account_table_full"
    /// Nanoseconds that all samples of ticks took, from start to end.
    RunTime = "run_time_ns"
    /// Ticks on CPUs that were not idle, whatever they hit.
    Ticks = "ticks"
    /// Samples that were begun and given up: the kernel's record of the thread could not
    /// be read, or there was no memory.
    TaskUnreadable = "task_unreadable"
    /// Ticks of a clock that had not got its own period yet and repeated the interval up to
    /// its first tick. They do not count.
    RepeatedTicks = "repeated_ticks"
    /// Threads that set out to sample themselves when they returned to a CPU.
    Returns = "returns"
    /// Nanoseconds that the samples of returns took, from start to end.
    ReturnTime = "return_time_ns"
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

    /// Returns what was counted since the counters were `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut since = Self::default();
        for counter in Counter::ALL {
            since.set(
                counter,
                self.get(counter).saturating_sub(before.get(counter)),
            );
        }
        since
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
    fn names_are_distinct_and_plain() {
        let names = Counter::ALL.map(Counter::name);
        for (position, name) in names.iter().enumerate() {
            let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            assert!(!name.is_empty() && name.bytes().all(is_plain), "{name}");
            assert!(!names[..position].contains(name), "{name}");
        }
    }
}
