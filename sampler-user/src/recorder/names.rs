//! The names of a process's Python threads, asked for at moments that keep the
//! cost small. It refuses to know how they are found.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::cpython::thread_names::Wanted;
use crate::process::memory::ProcessMemory;
use crate::scout::Scout;
use crate::targets::FollowedProcess;
use crate::timeline::KernelTime;

/// Asking costs at most this share of the time, as one part in so many.
const SHARE: u32 = 50;
/// How old names may be: Python code can give a thread another one at any time.
const OLDEST: Duration = Duration::from_secs(5);

/// Whose names are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// Every thread's at once: each has a sample, and it may be its only one.
    All,
    /// Those of threads with samples: the others are many, and cost.
    Sampled,
}

/// The names of one process's threads, as they were when last asked for.
#[derive(Default)]
pub(super) struct ThreadNames {
    by_ident: BTreeMap<u64, String>,
    not_before: Option<Instant>,
    /// How often they were asked for, and for which sample last.
    asked: (u32, KernelTime),
}

impl ThreadNames {
    /// The thread `ident` is another one than before.
    pub(super) fn forget(&mut self, ident: u64) {
        self.by_ident.remove(&ident);
    }

    /// Which reading of the names this is: another number, perhaps other names.
    pub(super) fn reading(&self) -> u32 {
        self.asked.0
    }

    /// Whether a sample taken at `time` should have them read anew.
    pub(super) fn are_old(&self, time: KernelTime) -> bool {
        let (_, asked) = self.asked;
        time.0.saturating_sub(asked.0) >= OLDEST.as_nanos() as u64
    }

    /// The name of the thread `ident` (`threading.get_ident()`), if Python has
    /// given it one and it can be read. With `anew`, what was found earlier does
    /// not count: a thread may have got another name. `None` of `sampled` asks for
    /// all threads.
    pub(super) fn of(
        &mut self,
        process: &FollowedProcess,
        ident: u64,
        time: KernelTime,
        anew: bool,
        scout: &Scout,
        sampled: impl FnOnce() -> Option<BTreeSet<u64>>,
    ) -> Option<&String> {
        let now = Instant::now();
        let is_missing = anew || !self.by_ident.contains_key(&ident);
        if is_missing && self.not_before.is_none_or(|time| now >= time) && !process.has_ended {
            if let Some(python) = &process.python {
                let (tgid, instance) = (process.tgid, python.instance.clone());
                let sampled = sampled();
                let names = scout.ask(tgid, move |_| {
                    let wanted = sampled.as_ref().map_or(Wanted::All, Wanted::Only);
                    instance.thread_names(&ProcessMemory::new(tgid), wanted)
                });
                self.by_ident = names.unwrap_or_default();
            }
            let took = now.elapsed().max(Duration::from_micros(20));
            self.not_before = Some(now + took * SHARE);
            self.asked = (self.asked.0.wrapping_add(1), time);
        }
        self.by_ident.get(&ident)
    }
}
