// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds out everything about one process, beginning with what cannot hang.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use sampler_common::memory::UserMemory;
use sampler_cpython::cpython::c_library::CLibrary;
use sampler_cpython::cpython::discovery::Discovery;
use sampler_cpython::cpython::gil::GilHolders;
use sampler_cpython::cpython::inspect_error::InspectError;
use sampler_cpython::cpython::instance::Instance;
use sampler_cpython::cpython::native_threads::PythonThread;
use sampler_cpython::cpython::thread_names::{InternedNames, Wanted};
use sampler_cpython::process::cgroup::Cgroups;
use sampler_cpython::process::comm::unnamed_thread;
use sampler_cpython::process::identity::ProcessIdentity;
use sampler_cpython::process::memory::ProcessMemory;
use sampler_cpython::process::proc_file::{ProcessError, threads};
use sampler_cpython::process::task::TaskStatus;
use sampler_trace::model::row::State;

use crate::dump::document::{DumpedThread, ENDED, StackQuality};
use crate::dump::means::Means;
use crate::dump::stacks::state_outside;
use crate::dump::timeout::{Finding, Findings, WorkOrder};
use crate::platform::privileges::role::Role;

/// How many times, and how far apart, to read who holds the GIL until it is a thread that
/// was not seen waiting for it. The holder changes every 5 ms if several threads want it.
const HOLDER_READS: u32 = 100;
const BETWEEN_HOLDER_READS: Duration = Duration::from_millis(1);

/// Does the work of a worker: sends what it finds out about the process `pid`.
pub(super) fn gather(pid: u32, means: Means, order: &WorkOrder, findings: &Findings) {
    if means != Means::All {
        // Without the capabilities, the problems that follow say so.
        Role::Inspector.make_effective().ok();
    }
    let found = Gathering::begin(pid, means, findings).and_then(|it| it.go_on(order));
    if let Err(error) = found {
        tell(findings, Finding::Inspect(error));
    }
    tell(findings, Finding::Done);
}

/// Sends a finding; once the timeout is over, nobody receives it any more.
fn tell(findings: &Findings, finding: Finding) {
    let _ = findings.send(finding);
}

/// A thread of the process.
pub(super) struct GatheredThread {
    pub(super) status: TaskStatus,
    pub(super) python: Option<PythonThread>,
}

/// What is known of the process so far.
pub(super) struct Gathering<'a> {
    pub(super) pid: u32,
    pub(super) means: Means,
    findings: &'a Findings,
    pub(super) tasks: BTreeMap<u32, GatheredThread>,
    names: BTreeMap<u64, String>,
    /// The threads that were seen waiting for the GIL.
    pub(super) waiting: RefCell<BTreeSet<u32>>,
    /// The threads that held the GIL just before the stacks were read.
    pub(super) holders: BTreeSet<u32>,
}

impl<'a> Gathering<'a> {
    /// Lists the threads, without anything that is in the process's memory.
    fn begin(pid: u32, means: Means, findings: &'a Findings) -> Result<Self, InspectError> {
        let mut tasks = BTreeMap::new();
        for tid in threads(pid).map_err(InspectError::of_process)? {
            match TaskStatus::read(pid, tid) {
                Ok(status) => {
                    let python = None;
                    tasks.insert(tid, GatheredThread { status, python });
                }
                Err(ProcessError::Gone { .. }) => {}
                Err(error) => return Err(InspectError::of_process(error)),
            }
        }
        let gathering = Self {
            pid,
            means,
            findings,
            tasks,
            names: BTreeMap::new(),
            waiting: RefCell::default(),
            holders: BTreeSet::new(),
        };
        let tasks = gathering.tasks.iter();
        let threads = tasks.map(|(tid, task)| gathering.bare(*tid, task, None));
        gathering.tell(Finding::Threads(threads.collect()));
        Ok(gathering)
    }

    fn go_on(mut self, order: &WorkOrder) -> Result<(), InspectError> {
        let pid = self.pid;
        let identity = ProcessIdentity::read(pid).map_err(InspectError::of_process)?;
        self.tell(Finding::Process {
            namespace_pid: identity.namespace_pid,
            name: identity.comm,
            cmdline: identity.command_line,
            cgroup: Cgroups::read(pid).map(|it| it.place()).unwrap_or_default(),
        });
        let mut instance = Discovery::new().inspect(pid)?;
        let memory = ProcessMemory::new(pid);
        allowed(pid, &memory, &instance)?;
        self.tell(Finding::Python(instance.runtime.version.to_string()));
        if let Some(others) = InspectError::of_others(pid, &instance) {
            self.problem(&others.to_string());
        }
        instance.learn(&memory);
        let by_number: BTreeMap<u32, PythonThread> = instance
            .python_threads(&memory)
            .into_iter()
            .map(|thread| (thread.namespace_tid, thread))
            .collect();
        for task in self.tasks.values_mut() {
            task.python = by_number.get(&task.status.namespace_tid).copied();
        }
        self.names = instance.thread_names(&memory, Wanted::All, &InternedNames::default());
        // Sent first, because looking at the threads may hang.
        let holders = self.gil_holders(&instance, &memory);
        self.holders = holders.iter().flatten().copied().collect();
        self.tell(Finding::Gil(holders));
        self.probe_threads(order, &instance);
        if !self.waiting.borrow().is_empty() {
            self.tell_holders_again(&instance, &memory);
        }
        Ok(())
    }

    /// Reports who holds the GIL at a moment that agrees with what was seen of the
    /// threads: while they were read, it passed from one to the next.
    fn tell_holders_again(&self, instance: &Instance, memory: &ProcessMemory) {
        for _ in 0..HOLDER_READS {
            let Some(holders) = self.gil_holders(instance, memory) else {
                return;
            };
            let waiting = self.waiting.borrow();
            if !holders.is_empty() && holders.iter().all(|tid| !waiting.contains(tid)) {
                return self.tell(Finding::Gil(Some(holders)));
            }
            thread::sleep(BETWEEN_HOLDER_READS);
        }
    }

    fn gil_holders(&self, instance: &Instance, memory: &ProcessMemory) -> Option<Vec<u32>> {
        let states = match instance.gil_holders(memory) {
            Ok(GilHolders::Held(states)) => states,
            Ok(GilHolders::NoGil) => return None,
            Err(_) => {
                self.problem("who holds the GIL could not be read");
                return None;
            }
        };
        let thread_id = instance.runtime.layout.thread.thread_id;
        let mut holders = Vec::new();
        for state in states {
            let pointer = memory.read_u64(state.wrapping_add(thread_id.into())).ok();
            let pointer_of = |task: &GatheredThread| task.python.map(|it| it.thread_pointer);
            let mut tasks = self.tasks.iter();
            match tasks.find(|(_, task)| pointer.is_some() && pointer_of(task) == pointer) {
                Some((tid, _)) => holders.push(*tid),
                // The thread has just started, or ended.
                None => self.problem("the GIL is held by a thread that could not be identified"),
            }
        }
        Some(holders)
    }

    /// Returns a thread without its stack. If `state` is `None`, it is told from the
    /// status alone.
    pub(super) fn bare(
        &self,
        tid: u32,
        task: &GatheredThread,
        state: Option<State>,
    ) -> DumpedThread {
        let GatheredThread { status, python } = task;
        let state = state.unwrap_or_else(|| state_outside(self.pid, status, None, CLibrary::Glibc));
        let ident = python.map(|it| it.thread_pointer);
        let in_python = ident.and_then(|ident| self.names.get(&ident).cloned());
        DumpedThread {
            tid,
            namespace_tid: status.namespace_tid,
            ident,
            name: in_python.unwrap_or_else(|| unnamed_thread(tid == self.pid, ident, &status.comm)),
            state: if status.has_ended() {
                ENDED
            } else {
                state.name()
            }
            .into(),
            holds_gil: false,
            stack: StackQuality::None,
            problem: None,
            frames: Vec::new(),
        }
    }

    pub(super) fn tell(&self, finding: Finding) {
        tell(self.findings, finding);
    }

    pub(super) fn problem(&self, problem: &str) {
        self.tell(Finding::Problem(problem.to_owned()));
    }
}

/// Checks that the memory of the process may be read.
fn allowed(pid: u32, memory: &ProcessMemory, instance: &Instance) -> Result<(), InspectError> {
    let read = memory.probe(instance.runtime_address);
    read.map_err(|error| match error.raw_os_error() {
        Some(libc::EPERM) => InspectError::Permission { pid },
        Some(libc::ESRCH) => InspectError::Gone { pid },
        _ => InspectError::Unreadable {
            pid,
            path: "its memory".into(),
            reason: error.to_string(),
        },
    })
}
