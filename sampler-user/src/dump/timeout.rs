// SPDX-License-Identifier: MIT OR Apache-2.0

//! Waits for what is found out about a process, but not without end: reading the memory
//! of a process that hangs can hang as well.
//!
//! A worker thread does the work. If it reports nothing for some time, the Python thread
//! that it was looking at is left out, and another worker goes on with the rest; what the
//! first one waits for may never come.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use sampler_cpython::cpython::inspect_error::InspectError;
use sampler_cpython::process::container::CgroupPlace;
use sampler_trace::model::row::State;

use crate::dump::document::{Dump, DumpedThread, ENDED, StackQuality};
use crate::dump::error::DumpError;
use crate::platform::abandoned_threads;

/// How many times another worker goes on.
const RESTARTS: usize = 3;
/// How many times the timeout to wait for pyebpf's own work: the kernel verifies the
/// sampling program, perhaps on a very busy machine.
const OWN_WORK: u32 = 12;

/// What a worker has to do.
#[derive(Clone, Debug, Default)]
pub(super) struct WorkOrder {
    /// Threads to leave out, by `tid`.
    pub(super) without: BTreeSet<u32>,
}

/// What a worker reports; `Done` is the last.
#[derive(Debug)]
pub(super) enum Finding {
    /// The process cannot be inspected at all.
    Inspect(InspectError),
    /// All threads, without what is in the memory of the process.
    Threads(Vec<DumpedThread>),
    /// Who the process is.
    Process {
        namespace_pid: u32,
        name: String,
        cmdline: String,
        cgroup: CgroupPlace,
    },
    /// Which Python it runs.
    Python(String),
    /// Who holds a GIL.
    Gil(Option<Vec<u32>>),
    /// Work that takes long, and in which the process has no part, is about to begin.
    OwnWork,
    /// The memory that belongs to this thread is about to be read.
    Probing(u32),
    /// A thread and its stack.
    Thread(DumpedThread),
    /// Why the stack of a thread could not be read.
    ThreadProblem(u32, String),
    /// A thread that was there has ended since.
    ThreadEnded(u32),
    /// What could not be found out, in words.
    Problem(String),
    /// The worker has finished.
    Done,
}

/// Where findings go.
pub(super) type Findings = Sender<Finding>;

/// Lets workers find out about the process, and puts together what they report.
pub(super) fn collect<Work>(pid: u32, timeout: Duration, work: Work) -> Result<Dump, DumpError>
where
    Work: Fn(WorkOrder, &Findings) + Send + Sync + 'static,
{
    let work = Arc::new(work);
    let mut assembly = Assembly::default();
    let mut order = WorkOrder::default();
    for _ in 0..=RESTARTS {
        let (sender, findings) = mpsc::channel();
        let work = Arc::clone(&work);
        let of_thread = order.clone();
        let thread = thread::Builder::new()
            .name("dump".into())
            .spawn(move || work(of_thread, &sender))
            .map_err(DumpError::Thread)?;
        assembly.probing = None;
        assembly.is_own_work = false;
        let hangs = loop {
            let wait = match assembly.is_own_work {
                true => timeout * OWN_WORK,
                false => timeout,
            };
            match findings.recv_timeout(wait) {
                Ok(Finding::Done) => break false,
                Ok(Finding::Inspect(error)) => return assembly.refused(pid, error),
                Ok(finding) => assembly.add(finding),
                Err(RecvTimeoutError::Timeout) => break true,
                Err(RecvTimeoutError::Disconnected) => {
                    assembly.problem("it could not be read completely".into());
                    break false;
                }
            }
        };
        if hangs {
            abandoned_threads::leave(thread);
        }
        match assembly.probing.filter(|_| hangs) {
            Some(tid) => {
                order.without.insert(tid);
                order.without.extend(assembly.done.iter());
                assembly.give_up(tid, timeout);
            }
            None => {
                if hangs && assembly.is_own_work {
                    assembly.problem("threads that run could not be sampled in time".into());
                } else if hangs {
                    assembly.problem(format!(
                        "the memory of the process could not be read: \
                         no answer within {} s, it may be waiting for a page or a disk itself",
                        timeout.as_secs()
                    ));
                }
                return assembly.finish(pid);
            }
        }
    }
    assembly.problem("reading its memory hangs too often; the other threads are left out".into());
    assembly.finish(pid)
}

#[derive(Default)]
struct Assembly {
    dump: Dump,
    probing: Option<u32>,
    is_own_work: bool,
    done: BTreeSet<u32>,
}

impl Assembly {
    fn add(&mut self, finding: Finding) {
        self.is_own_work = matches!(finding, Finding::OwnWork);
        match finding {
            Finding::Threads(threads) => {
                // The list of another worker would undo what was found since.
                if self.dump.threads.is_empty() {
                    self.dump.threads = threads;
                }
            }
            Finding::Process {
                namespace_pid,
                name,
                cmdline,
                cgroup,
            } => {
                self.dump.namespace_pid = namespace_pid;
                self.dump.name = name;
                self.dump.cmdline = cmdline;
                self.dump.container = cgroup.container.unwrap_or_default();
                self.dump.cgroup = cgroup.path;
            }
            Finding::Python(version) => self.dump.python = Some(version),
            Finding::Gil(holders) => self.dump.gil_holders = holders,
            Finding::Probing(tid) => self.probing = Some(tid),
            Finding::Thread(thread) => {
                self.probing = None;
                self.done.insert(thread.tid);
                self.place(thread);
            }
            Finding::ThreadProblem(tid, problem) => {
                self.probing = None;
                self.done.insert(tid);
                self.thread_problem(tid, problem);
            }
            Finding::ThreadEnded(tid) => {
                self.probing = None;
                self.dump.threads.retain(|thread| thread.tid != tid);
            }
            Finding::Problem(problem) => self.problem(problem),
            Finding::OwnWork => self.probing = None,
            Finding::Inspect(_) | Finding::Done => {}
        }
    }

    fn place(&mut self, thread: DumpedThread) {
        let threads = &mut self.dump.threads;
        match threads.iter_mut().find(|it| it.tid == thread.tid) {
            Some(place) => *place = thread,
            None => threads.push(thread),
        }
    }

    fn problem(&mut self, problem: String) {
        if !self.dump.problems.contains(&problem) {
            self.dump.problems.push(problem);
        }
    }

    fn give_up(&mut self, tid: u32, timeout: Duration) {
        let within = timeout.as_secs();
        let problem = format!("its memory could not be read within {within} s");
        self.thread_problem(tid, problem);
    }

    fn thread_problem(&mut self, tid: u32, problem: String) {
        let threads = &mut self.dump.threads;
        if let Some(thread) = threads.iter_mut().find(|it| it.tid == tid) {
            thread.problem = Some(problem);
        }
    }

    /// Returns the refusal as an error, unless the process has ended and something was
    /// seen of it.
    fn refused(self, pid: u32, error: InspectError) -> Result<Dump, DumpError> {
        match error {
            InspectError::Gone { .. } if !self.dump.threads.is_empty() => self.finish(pid),
            error => Err(error.into()),
        }
    }

    fn finish(mut self, pid: u32) -> Result<Dump, DumpError> {
        if let Some(holders) = &mut self.dump.gil_holders {
            // The holder was read before the thread's state: it has released the GIL
            // since.
            let waits = |thread: &&DumpedThread| thread.state == State::WaitingForGil.name();
            for thread in self.dump.threads.iter().filter(waits) {
                holders.retain(|tid| *tid != thread.tid);
            }
        }
        let holders = self.dump.gil_holders.as_deref().unwrap_or_default();
        for thread in &mut self.dump.threads {
            thread.holds_gil = holders.contains(&thread.tid);
        }
        self.dump.threads.sort_by_key(|thread| thread.tid);
        let is_there = |thread: &DumpedThread| thread.state != ENDED;
        let has_stack = |thread: &DumpedThread| thread.stack != StackQuality::None;
        let has_threads = self.dump.threads.iter().any(is_there);
        if !has_threads && !self.dump.threads.iter().any(has_stack) {
            return Err(DumpError::Ended { pid });
        }
        Ok(self.dump)
    }
}

#[cfg(test)]
mod tests;
