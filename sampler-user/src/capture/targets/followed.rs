// SPDX-License-Identifier: MIT OR Apache-2.0

//! One life of one process: from a fork or a new program to the next program, or to its
//! end.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use sampler_common::lifecycle::ProgramId;
use sampler_common::process::{ProcessConfig, ProcessKey, ProcessState};
use sampler_cpython::cpython::instance::Instance;
use sampler_cpython::process::container::CgroupPlace;
use sampler_cpython::process::files::FileView;
use sampler_cpython::process::identity::ProcessIdentity;
use tracing::info;

use crate::capture::process_inspector::ProcessInspector;
use crate::capture::symbolize::python::ProcessContext;
use crate::capture::symbolize::static_code::StaticCode;

/// One life of a followed process.
#[derive(Clone, Debug)]
pub struct FollowedProcess {
    /// Identifies this life.
    pub key: ProcessKey,
    /// Thread group id.
    pub tgid: u32,
    /// Its identity; `None` while nobody has asked for it, or when the process was gone
    /// by then.
    pub identity: Option<ProcessIdentity>,
    /// Whether the identity is copied from the process that forked it.
    pub(super) is_identity_inherited: bool,
    /// The program that it runs, if its start was seen.
    pub(super) program: ProgramId,
    /// Its interpreter, and what symbolization needs; `None` until an interpreter is
    /// found.
    pub python: Option<Python>,
    /// Its cgroup; `None` while it is not known.
    pub cgroup: Option<CgroupPlace>,
    /// Whether it is followed because its parent is, or because it was followed before it
    /// ran this program.
    pub followed_by_inheritance: bool,
    /// Whether it has ended or runs another program; samples of it may still arrive.
    pub has_ended: bool,
}

/// The interpreter in a process, and what samples of it need.
#[derive(Clone, Debug)]
pub struct Python {
    /// Where the interpreter is.
    pub instance: Instance,
    /// The configuration that the eBPF program has of it, but for the key, which belongs
    /// to the process.
    config: ProcessConfig,
    /// The process that it was forked from and whose program it still runs, by the thread
    /// group id that it had then.
    forked_from: Option<u32>,
    static_code: StaticCode,
    files: Option<Arc<FileView>>,
    cache_tag: String,
}

impl Python {
    /// Puts what was learnt about the interpreter into its configuration.
    pub(super) fn update_config(&mut self) {
        self.config = self.instance.config(NO_LIFE);
    }

    /// Whether the eBPF program has another count of code objects than is known by now:
    /// another process may have shown it for this build.
    pub(super) fn has_outdated_count(&self) -> bool {
        self.config.code_generation != self.instance.code_generation()
    }
}

/// The key of no process.
const NO_LIFE: ProcessKey = ProcessKey(0);

/// Returns a key that no process has.
pub(super) fn random_key() -> ProcessKey {
    ProcessKey(RandomState::new().build_hasher().finish() | 1)
}

impl FollowedProcess {
    /// Creates a life of a process whose interpreter, if any, is not known yet.
    pub(super) fn new(key: ProcessKey, tgid: u32) -> Self {
        Self {
            key,
            tgid,
            identity: None,
            is_identity_inherited: false,
            program: ProgramId::UNKNOWN,
            python: None,
            cgroup: None,
            followed_by_inheritance: false,
            has_ended: false,
        }
    }

    /// Returns its command line; empty if it is not known or not `wanted`.
    pub fn command_line(&self, wanted: bool) -> String {
        let identity = self.identity.as_ref().filter(|_| wanted);
        identity.map_or_else(String::new, |it| it.command_line.clone())
    }

    /// Returns the version of its Python; empty if it has none.
    pub fn python_version(&self) -> String {
        let python = self.python.as_ref();
        python.map_or_else(String::new, |it| it.instance.runtime.version.to_string())
    }

    /// Returns the child of a fork: the same program at the same addresses. Most children
    /// end without a sample, so the identity is not looked up before there is one.
    pub(super) fn forked(&self, key: ProcessKey, tgid: u32) -> Self {
        let python = self.python.clone().map(|python| Python {
            forked_from: Some(self.tgid),
            ..python
        });
        Self {
            python,
            // A child starts in the cgroup of its parent (cgroups(7)).
            cgroup: self.cgroup.clone(),
            followed_by_inheritance: true,
            program: self.program,
            is_identity_inherited: true,
            identity: self.identity.clone().map(|parent| ProcessIdentity {
                pid: tgid,
                namespace_pid: tgid,
                start_time: 0,
                ..parent
            }),
            ..Self::new(key, tgid)
        }
    }

    /// Looks up the identity, now that it is needed. A child that is gone was what its
    /// parent is; one that runs another program by now was that before.
    pub(super) fn identify(&mut self, inspector: &ProcessInspector) {
        if self.has_ended || self.identity.is_some() && !self.is_identity_inherited {
            return;
        }
        let of_parent = self.identity.as_ref().and_then(|it| it.executable.as_ref());
        if let Some(own) = inspector.identity(self.tgid)
            && (of_parent.is_none() || own.executable.as_ref() == of_parent)
        {
            self.identity = Some(own);
        }
        self.is_identity_inherited = false;
    }

    /// Sets the interpreter of the process. Returns the configuration for the eBPF
    /// program.
    pub(super) fn found(
        &mut self,
        instance: Instance,
        inspector: &ProcessInspector,
    ) -> ProcessConfig {
        info!(
            pid = self.tgid,
            python = %instance.runtime.version,
            runtime = format_args!("{:#x}", instance.runtime_address),
            c_library = ?instance.c_library,
            "found Python"
        );
        self.python = Some(Python {
            config: instance.config(NO_LIFE),
            forked_from: None,
            static_code: StaticCode {
                build: instance.runtime.build,
                addresses: instance.file_addresses(),
            },
            files: inspector.files(self.tgid),
            cache_tag: instance.runtime.version.cache_tag(),
            instance,
        });
        if self.cgroup.is_none() {
            self.cgroup = inspector.cgroups(self.tgid).map(|it| it.place());
        }
        self.config()
    }

    /// Returns what symbolization needs to know of it; `None` without an interpreter.
    pub fn context(&self) -> Option<ProcessContext<'_>> {
        let python = self.python.as_ref()?;
        Some(ProcessContext {
            process: self.key,
            tgid: self.tgid,
            forked_from: python.forked_from,
            config: &python.config,
            line_tables: python.instance.runtime.line_table,
            static_code: &python.static_code,
            files: python.files.as_ref(),
            cache_tag: &python.cache_tag,
        })
    }

    /// Returns what the eBPF program's table should have of it.
    pub(super) fn config(&self) -> ProcessConfig {
        match &self.python {
            Some(python) => ProcessConfig {
                key: self.key,
                ..python.config
            },
            None => Self::unsampled_config(self.key),
        }
    }

    /// Whether what the eBPF program's table has of it agrees with what is known of it.
    pub(super) fn agrees_with(&self, entry: &ProcessConfig) -> bool {
        match &self.python {
            Some(_) => *entry == self.config(),
            None => entry.state != ProcessState::Sampled as u32,
        }
    }

    /// Returns the configuration of a process that is followed but not sampled.
    pub(super) fn unsampled_config(key: ProcessKey) -> ProcessConfig {
        ProcessConfig {
            key,
            state: ProcessState::Followed as u32,
            ..bytemuck::Zeroable::zeroed()
        }
    }
}
