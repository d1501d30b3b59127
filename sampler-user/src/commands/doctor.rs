// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command `doctor`: what this kernel and these rights allow, and what to do about the
//! rest. The checks here only read files; the caller loads the sampling program and adds
//! the result.

pub mod check;
pub mod kernel;
pub mod probe;
mod render;
pub mod rights;
mod view;

use crate::commands::doctor::check::{Check, CheckResult};
use crate::commands::doctor::probe::Probe;

/// All checks. [`to_json`](Self::to_json) documents the schema; the text form is
/// its `Display`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    checks: Vec<Check>,
}

impl Diagnosis {
    /// Runs every check that only reads.
    pub fn examine(probe: &Probe<'_>) -> Self {
        let rights = rights::Rights::read(probe);
        let release = kernel::Release::read(probe);
        let mut checks = vec![
            kernel::architecture(probe),
            kernel::version(release.as_ref()),
            kernel::btf(probe),
            kernel::lockdown(probe),
        ];
        checks.extend(rights.checks());
        checks.extend([
            rights::user_namespace(probe),
            rights::perf_events(probe, &rights),
            rights::unprivileged_bpf(probe),
            rights::ptrace_scope(probe, &rights),
            rights::locked_memory(probe, release.as_ref(), &rights),
            view::pid_namespace(probe),
            view::hidden_processes(probe, &rights),
            view::run_time_statistics(probe),
        ]);
        Self { checks }
    }

    /// Adds the result of loading and attaching the sampling program, which proves what
    /// the other checks only suggest. `Err` is the kernel's error.
    #[must_use]
    pub fn with_load_result(mut self, result: Result<(), String>) -> Self {
        const ID: &str = "program-load";
        self.checks.push(match result {
            Ok(()) => Check::ok(ID, "the kernel accepts the sampling programs"),
            Err(reason) => Check::wrong(
                ID,
                CheckResult::Missing,
                reason,
                "fix what is missing above; if nothing is, report this with the kernel version",
            ),
        });
        self
    }

    /// Adds how stacks are walked; `without_loop` is the reason why that is not by
    /// `bpf_loop`.
    #[must_use]
    pub fn with_walk_backend(mut self, without_loop: Option<&str>) -> Self {
        let evidence = match without_loop {
            None => "with bpf_loop".to_owned(),
            Some(reason) => format!("without bpf_loop: {reason}"),
        };
        self.checks.push(Check::ok("stack-walk", evidence));
        self
    }

    /// Adds how waiting threads are sampled: the result of loading and attaching the iterator
    /// over them, and why they are not sampled when they return to a CPU, if so.
    #[must_use]
    pub fn with_scan_result(mut self, result: Result<Option<String>, String>) -> Self {
        const ID: &str = "task-iterator";
        self.checks.push(match result {
            Ok(None) => Check::ok(
                ID,
                "the kernel reads waiting threads itself, when they return to a CPU",
            ),
            Ok(Some(reason)) => Check::ok(
                ID,
                format!("the kernel reads waiting threads itself, at each sample: {reason}"),
            ),
            Err(reason) => Check::wrong(
                ID,
                CheckResult::Limited,
                format!("--mode wall reads waiting threads from user space: {reason}"),
                "use Linux 5.18 or later, where this costs less",
            ),
        });
        self
    }

    /// Adds the result of trying out the system call filters.
    #[must_use]
    pub fn with_sandbox_result(mut self, result: Result<(), String>) -> Self {
        const ID: &str = "sandbox";
        self.checks.push(match result {
            Ok(()) => Check::ok(
                ID,
                "a recording drops privileges and filters system calls once it runs",
            ),
            Err(reason) => Check::wrong(
                ID,
                CheckResult::Limited,
                format!("a recording cannot filter its system calls: {reason}"),
                "use a kernel with CONFIG_SECCOMP_FILTER=y, and in a container a profile that \
                 allows seccomp(2); --no-sandbox hides the warning",
            ),
        });
        self
    }

    /// The checks, in the order in which they are shown.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The worst result of all checks.
    pub fn verdict(&self) -> CheckResult {
        self.checks
            .iter()
            .map(|check| check.result)
            .max()
            .unwrap_or(CheckResult::Unknown)
    }
}

#[cfg(test)]
mod tests;
