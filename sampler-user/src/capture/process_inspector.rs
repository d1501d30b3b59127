// SPDX-License-Identifier: MIT OR Apache-2.0

//! Inspects processes in a thread of its own, so that the thread that takes samples
//! never waits long. A process that made it wait is not inspected again until it has
//! answered.
//!
//! Reading the memory of a process, or a file that it has mapped, can hang: the page may
//! lie on a file system that does not answer, because it is broken or was made for that.
//! That thread has the capabilities that this needs ([`Role::Inspector`]); the
//! thread that asks can then do without them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sampler_cpython::cpython::discovery::{Discovery, ProbeResult};
use sampler_cpython::cpython::inspect_error::InspectError;
use sampler_cpython::cpython::instance::Instance;
use sampler_cpython::process::cgroup::Cgroups;
use sampler_cpython::process::files::FileView;
use sampler_cpython::process::identity::{ProcessIdentity, running_pids};
use sampler_cpython::process::memory::ProcessMemory;
use sampler_cpython::process::proc_file::ProcessError;
use sampler_cpython::process::proc_stat;
use sampler_cpython::process::proc_stat::Usage;
use tracing::debug;

use crate::platform::blocking_worker::{BlockingWorker, CallError, Timeouts};
use crate::platform::privileges::role::Role;

/// The first probe of a process reads every program file that it has mapped, which takes
/// tens of milliseconds on a machine that is not too busy.
const TIMEOUTS: Timeouts = Timeouts {
    first: Duration::from_secs(3),
    least: Duration::from_millis(500),
};

/// The most processes that are remembered for not answering.
const MAX_SILENT: usize = 16_384;

/// How often to wait for a process that answers too late: it may do so on purpose.
const MOST_WAITS: u32 = 3;

/// A handle to the thread that inspects; clones share it.
#[derive(Clone, Debug)]
pub struct ProcessInspector {
    shared: Rc<RefCell<Shared>>,
}

#[derive(Debug)]
struct Shared {
    worker: BlockingWorker<Discovery>,
    /// Processes that answered too late or not yet, by thread group id.
    silent: HashMap<u32, Silence>,
}

/// What is remembered of a process that answered too late or not yet.
#[derive(Debug)]
struct Silence {
    /// Whether the answer has come since, as it does if only the machine was busy.
    has_answered: Arc<AtomicBool>,
    /// How often the process made the thread wait in vain.
    times: u32,
}

impl Default for ProcessInspector {
    fn default() -> Self {
        Self {
            shared: Rc::new(RefCell::new(Shared {
                worker: BlockingWorker::new("inspector", Role::Inspector, TIMEOUTS),
                silent: HashMap::new(),
            })),
        }
    }
}

impl ProcessInspector {
    /// Asks something about the process `tgid` that needs its memory or files.
    ///
    /// # Errors
    /// [`CallError`] when the answer does not come in time; at once if an earlier one
    /// has not come yet, or if the process was too late three times.
    pub fn ask<R: Send + 'static>(
        &self,
        tgid: u32,
        question: impl FnOnce(&mut Discovery) -> R + Send + 'static,
    ) -> Result<R, CallError> {
        let mut shared = self.shared.borrow_mut();
        let times = match shared.silent.get(&tgid) {
            Some(Silence {
                has_answered,
                times,
            }) if *times >= MOST_WAITS || !has_answered.load(Ordering::Relaxed) => {
                return Err(CallError::Before);
            }
            Some(silence) => silence.times,
            None => 0,
        };
        let has_answered = Arc::new(AtomicBool::new(false));
        let answered = Arc::clone(&has_answered);
        let answer = shared.worker.ask(move |discovery| {
            let result = question(discovery);
            answered.store(true, Ordering::Relaxed);
            result
        });
        if let Err(CallError::Late(waited)) = answer {
            debug!(pid = tgid, ?waited, "no answer in time");
            if shared.silent.len() >= MAX_SILENT {
                shared.silent.clear();
            }
            let silence = Silence {
                has_answered,
                times: times + 1,
            };
            shared.silent.insert(tgid, silence);
        }
        answer
    }

    /// Asks the next question of a new thread, with the capabilities that the asking
    /// thread can hand on by then.
    pub fn begin_anew(&self) {
        self.shared.borrow_mut().worker.begin_anew();
    }

    /// As [`Discovery::inspect`].
    ///
    /// # Errors
    /// [`InspectError`], which includes that the process does not answer in time.
    pub fn inspect(&self, tgid: u32) -> Result<Instance, InspectError> {
        self.probe(tgid).found
    }

    /// As [`Discovery::probe`]; a process that does not answer in time is unreadable.
    pub fn probe(&self, tgid: u32) -> ProbeResult {
        let answer = self.ask(tgid, move |discovery| discovery.probe(tgid));
        answer.unwrap_or_else(|silence| ProbeResult {
            found: Err(InspectError::Unreadable {
                pid: tgid,
                path: "its memory and programs".into(),
                reason: silence.to_string(),
            }),
            is_non_python: false,
        })
    }

    /// Returns the CPU time of each of these processes so far, as [`proc_stat::cpu_time`]
    /// does; without those that have ended, and empty if there is no answer in time.
    pub fn cpu_times(&self, tgids: Vec<u32>) -> HashMap<u32, Duration> {
        let times = self.ask(std::process::id(), move |_| {
            let times = tgids.into_iter();
            times
                .filter_map(|tgid| Some((tgid, proc_stat::cpu_time(tgid).ok()?)))
                .collect()
        });
        times.unwrap_or_default()
    }

    /// Returns what each of these processes uses, as [`proc_stat::usage`] does, and when
    /// that was read; without those that have ended, and `None` if there is no answer in
    /// time.
    pub fn usages(
        &self,
        tgids: Vec<u32>,
        with_memory: bool,
    ) -> Option<(Instant, HashMap<u32, Usage>)> {
        let usages = self.ask(std::process::id(), move |_| {
            let read_at = Instant::now();
            let usages = tgids.into_iter();
            let usages =
                usages.filter_map(|tgid| Some((tgid, proc_stat::usage(tgid, with_memory).ok()?)));
            (read_at, usages.collect())
        });
        usages.ok()
    }

    /// Returns when each of these processes started, as [`proc_stat::start_time`] does; an
    /// empty map if there is no answer in time.
    pub fn start_times(&self, tgids: Vec<u32>) -> HashMap<u32, Result<u64, ProcessError>> {
        let times = self.ask(std::process::id(), move |_| {
            let times = tgids.into_iter();
            times
                .map(|tgid| (tgid, proc_stat::start_time(tgid)))
                .collect()
        });
        times.unwrap_or_default()
    }

    /// Returns when the process started; `None` when it has ended, cannot be read, or
    /// does not answer in time.
    pub fn start_time(&self, tgid: u32) -> Option<u64> {
        self.start_times(vec![tgid]).remove(&tgid)?.ok()
    }

    /// Returns how much code these processes have mapped, as [`proc_stat::mapped_code`]
    /// does. `tgids` is `None` for all processes.
    pub fn mapped_code(&self, tgids: Option<Vec<u32>>) -> Vec<(u32, Option<u64>)> {
        let codes = self.ask(std::process::id(), move |_| {
            let tgids = tgids.unwrap_or_else(|| running_pids().unwrap_or_default());
            let codes = tgids.into_iter();
            codes
                .map(|tgid| (tgid, proc_stat::mapped_code(tgid).ok().flatten()))
                .collect()
        });
        codes.unwrap_or_default()
    }

    /// Returns who the process is; `None` when it is gone, cannot be read, or does not
    /// answer in time.
    pub fn identity(&self, tgid: u32) -> Option<ProcessIdentity> {
        self.ask(tgid, move |_| ProcessIdentity::read(tgid))
            .ok()?
            .ok()
    }

    /// Returns the cgroups of the process; `None` as for [`Self::identity`].
    pub fn cgroups(&self, tgid: u32) -> Option<Cgroups> {
        self.ask(tgid, move |_| Cgroups::read(tgid)).ok()?.ok()
    }

    /// Returns how the process sees files; `None` as for [`Self::identity`].
    pub fn files(&self, tgid: u32) -> Option<Arc<FileView>> {
        let view = self.ask(tgid, move |_| FileView::open_root(tgid)).ok()?;
        view.ok().map(Arc::new)
    }

    /// As [`Instance::learn`]; false if there is no answer in time.
    pub fn learn(&self, tgid: u32, instance: &mut Instance) -> bool {
        let mut learning = instance.clone();
        let answer = self.ask(tgid, move |_| {
            let has_learnt = learning.learn(&ProcessMemory::new(tgid));
            (learning, has_learnt)
        });
        let Ok((learnt, has_learnt)) = answer else {
            return false;
        };
        *instance = learnt;
        has_learnt
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn who_made_us_wait_is_not_asked_again_before_it_answers() {
        let inspector = ProcessInspector::default();
        inspector.shared.borrow_mut().worker = BlockingWorker::new(
            "test",
            Role::Inspector,
            Timeouts {
                first: Duration::from_millis(20),
                least: Duration::from_millis(10),
            },
        );
        let (go_on, wait) = mpsc::channel::<()>();
        let late = inspector.ask(7, move |_| wait.recv().is_ok());
        assert!(matches!(late, Err(CallError::Late(_))));
        assert_eq!(inspector.ask(7, |_| ()), Err(CallError::Before));
        inspector.shared.borrow_mut().worker =
            BlockingWorker::new("test", Role::Inspector, TIMEOUTS);
        assert_eq!(inspector.ask(8, |_| ()), Ok(()));
        let error = inspector.inspect(7).expect_err("it is known to be silent");
        assert!(error.to_string().contains("before"), "{error}");
        // That the machine was busy is no reason to leave a process out forever.
        drop(go_on);
        while inspector.ask(7, |_| ()).is_err() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn inspects_itself() {
        let own = std::process::id();
        let inspector = ProcessInspector::default();
        assert_eq!(inspector.identity(own).map(|it| it.pid), Some(own));
        assert!(inspector.files(own).is_some());
        assert!(matches!(
            inspector.inspect(own),
            Err(InspectError::NotPython { .. })
        ));
    }
}
