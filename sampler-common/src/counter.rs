//! The statistics that the kernel side keeps per CPU: index and name of each. It
//! refuses to know how they are stored or shown.

/// One statistic of the kernel side.
///
/// `Taken` equals the sum of `Sent`, `LostRing`, `WithoutInterpreter` and
/// `Unreadable`. A record is sent also of a thread whose stack is refused; it
/// names the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Counter {
    /// Ticks that hit a thread of a followed process, and threads off CPU that a
    /// pass looked into.
    Taken = 0,
    /// Sample records handed to the ring buffer.
    Sent = 1,
    /// Sample records that found the ring buffer full.
    LostRing = 2,
    /// Code objects described.
    Described = 3,
    /// Descriptions that found the ring buffer full.
    LostDescription = 4,
    /// Code objects left for a later sample: too many new ones at once.
    DescriptionDeferred = 5,
    /// Code objects whose names could not be read here.
    DescriptionFault = 6,
    /// Fork, exec and exit records handed to the ring buffer.
    Lifecycle = 7,
    /// Fork, exec and exit records that found the ring buffer full.
    LostLifecycle = 8,
    /// Forked children that found the process table full.
    ProcessTableFull = 9,
    /// Ticks whose per-CPU memory was not there; cannot happen.
    NoScratch = 10,
    /// The kernel's record of the task could not be read.
    TaskFault = 11,
    /// Threads that a pass found as they were: off CPU ever since.
    Unchanged = 12,
    /// Threads that a pass found running; their CPU's own ticks sample them.
    PassedRunning = 13,
    /// Threads whose last sample a pass could not remember: their table is full.
    ThreadTableFull = 14,
    /// Threads that a pass found off CPU, just after their sample of this tick.
    AlreadySampled = 15,
    /// Programs that were started and are known to have no Python in them.
    PlainPrograms = 16,
    /// Ticks that hit a followed process of which no interpreter is known: it is
    /// just starting, or its program is not a Python that can be sampled.
    WithoutInterpreter = 17,
    /// Lives of processes that found the table of their accounts full.
    AccountTableFull = 18,
    /// Nanoseconds from the start to the end of all samples that ticks took.
    RunTime = 19,
    /// Ticks on CPUs that did not idle, whatever they hit.
    Ticks = 20,
    /// Samples that were begun, and not taken: the kernel's record of the thread could
    /// not be read, or there was no memory.
    Unreadable = 21,
}

impl Counter {
    /// How many there are.
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

    /// The name it has in machine-readable output.
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
