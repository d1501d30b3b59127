//! Finds out everything about one process, from what cannot hang to what can. It
//! refuses to put it together.

use std::collections::BTreeMap;

use sampler_common::memory::UserMemory;

use super::patience::{Finding, Findings, Order};
use super::stacks::state_outside;
use super::{DumpedThread, StackQuality};
use crate::cpython::discovery::Discovery;
use crate::cpython::gil::GilHolders;
use crate::cpython::instance::{CLibrary, Instance};
use crate::cpython::native_threads::PythonThread;
use crate::cpython::refusal::Refusal;
use crate::cpython::thread_names::Wanted;
use crate::process::cgroup::Cgroups;
use crate::process::identity::{ProcessError, ProcessIdentity, threads};
use crate::process::memory::ProcessMemory;
use crate::process::task::TaskStatus;
use crate::timeline::State;

/// The state of a thread of which only its number is left.
pub(super) const ENDED: &str = "ended";

/// Does a worker's work.
pub(super) fn gather(pid: u32, order: &Order, findings: &Findings) {
    let found = Gathering::begin(pid, findings).and_then(|it| it.go_on(order));
    if let Err(refusal) = found {
        tell(findings, Finding::Refused(refusal));
    }
    tell(findings, Finding::Done);
}

/// Nobody listens any more when the patience was over.
fn tell(findings: &Findings, finding: Finding) {
    let _ = findings.send(finding);
}

/// A thread of the process.
pub(super) struct Task {
    pub(super) status: TaskStatus,
    pub(super) python: Option<PythonThread>,
}

/// One process, as far as it is known.
pub(super) struct Gathering<'a> {
    pub(super) pid: u32,
    findings: &'a Findings,
    pub(super) tasks: BTreeMap<u32, Task>,
    names: BTreeMap<u64, String>,
}

impl<'a> Gathering<'a> {
    /// Sees the threads, without anything that is in the process's memory.
    fn begin(pid: u32, findings: &'a Findings) -> Result<Self, Refusal> {
        let mut tasks = BTreeMap::new();
        for tid in threads(pid).map_err(Refusal::of_process)? {
            match TaskStatus::read(pid, tid) {
                Ok(status) => {
                    let python = None;
                    tasks.insert(tid, Task { status, python });
                }
                Err(ProcessError::Gone { .. }) => {}
                Err(error) => return Err(Refusal::of_process(error)),
            }
        }
        let gathering = Self {
            pid,
            findings,
            tasks,
            names: BTreeMap::new(),
        };
        let tasks = gathering.tasks.iter();
        let threads = tasks.map(|(tid, task)| gathering.bare(*tid, task, None));
        gathering.tell(Finding::Threads(threads.collect()));
        Ok(gathering)
    }

    fn go_on(mut self, order: &Order) -> Result<(), Refusal> {
        let pid = self.pid;
        let identity = ProcessIdentity::read(pid).map_err(Refusal::of_process)?;
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
        instance.learn(&memory);
        let by_number: BTreeMap<u32, PythonThread> = instance
            .python_threads(&memory)
            .into_iter()
            .map(|thread| (thread.namespace_tid, thread))
            .collect();
        for task in self.tasks.values_mut() {
            task.python = by_number.get(&task.status.namespace_tid).copied();
        }
        self.names = instance.thread_names(&memory, Wanted::All);
        self.tell(Finding::Gil(self.gil_holders(&instance, &memory)));
        self.look(order, &instance);
        Ok(())
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
            let pointer_of = |task: &Task| task.python.map(|it| it.thread_pointer);
            let mut tasks = self.tasks.iter();
            match tasks.find(|(_, task)| pointer.is_some() && pointer_of(task) == pointer) {
                Some((tid, _)) => holders.push(*tid),
                // It has just started, or ended.
                None => self.problem("the GIL is held by a thread that could not be told"),
            }
        }
        Some(holders)
    }

    /// A thread without its stack. Without a `state`, what the status alone says.
    pub(super) fn bare(&self, tid: u32, task: &Task, state: Option<State>) -> DumpedThread {
        let Task { status, python } = task;
        let state = state.unwrap_or_else(|| state_outside(status, None, CLibrary::Glibc));
        let ident = python.map(|it| it.thread_pointer);
        let in_python = ident.and_then(|ident| self.names.get(&ident).cloned());
        DumpedThread {
            tid,
            namespace_tid: status.namespace_tid,
            ident,
            name: in_python.unwrap_or_else(|| kernel_name(tid == self.pid, ident, &status.comm)),
            state: if status.has_ended() {
                ENDED
            } else {
                state.name()
            },
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

/// What to call a thread that Python has no name for.
fn kernel_name(is_main: bool, ident: Option<u64>, comm: &[u8; 16]) -> String {
    let end = comm.iter().position(|byte| *byte == 0);
    let comm = String::from_utf8_lossy(&comm[..end.unwrap_or(comm.len())]);
    match ident {
        Some(_) if is_main => "MainThread".into(),
        Some(ident) if comm.is_empty() => format!("Thread 0x{ident:x}"),
        _ => comm.into_owned(),
    }
}

/// Whether the memory of the process may be read.
fn allowed(pid: u32, memory: &ProcessMemory, instance: &Instance) -> Result<(), Refusal> {
    let read = memory.probe(instance.runtime_address);
    read.map_err(|error| match error.raw_os_error() {
        Some(libc::EPERM) => Refusal::Permission { pid },
        Some(libc::ESRCH) => Refusal::Gone { pid },
        _ => Refusal::Unreadable {
            pid,
            path: "its memory".into(),
            reason: error.to_string(),
        },
    })
}
