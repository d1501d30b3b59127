// SPDX-License-Identifier: MIT OR Apache-2.0

//! One life of one process: from a fork or a new program to the next program, or to its
//! end.

use sampler_common::lifecycle::ProgramId;
use sampler_common::process::{ProcessConfig, ProcessKey, ProcessState};
use sampler_cpython::cpython::instance::Instance;
use sampler_cpython::process::container::CgroupPlace;
use sampler_cpython::process::identity::ProcessIdentity;
use tracing::info;

use crate::capture::scout::Scout;
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
    pub is_kin: bool,
    /// Whether it has ended or runs another program; samples of it may still arrive.
    pub has_ended: bool,
}

/// The interpreter in a process, and what samples of it need.
#[derive(Clone, Debug)]
pub struct Python {
    /// Where the interpreter is.
    pub instance: Instance,
    /// What symbolization needs to know.
    pub context: ProcessContext,
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
            is_kin: false,
            has_ended: false,
        }
    }

    /// Returns the child of a fork: the same program at the same addresses. Most children
    /// end without a sample, so the identity is not looked up before there is one.
    pub(super) fn forked(&self, key: ProcessKey, tgid: u32) -> Self {
        let mut child = Self {
            python: self.python.clone(),
            // A child starts in the cgroup of its parent (cgroups(7)).
            cgroup: self.cgroup.clone(),
            is_kin: true,
            program: self.program,
            is_identity_inherited: true,
            identity: self.identity.clone().map(|parent| ProcessIdentity {
                pid: tgid,
                namespace_pid: tgid,
                start_time: 0,
                ..parent
            }),
            ..Self::new(key, tgid)
        };
        if let Some(python) = &mut child.python {
            python.context.tgid = tgid;
            python.context.forked_from = Some(self.tgid);
            python.context.config.key = key;
        }
        child
    }

    /// Looks up the identity, now that it is needed. A child that is gone was what its
    /// parent is; one that runs another program by now was that before.
    pub(super) fn identify(&mut self, scout: &Scout) {
        if self.has_ended || self.identity.is_some() && !self.is_identity_inherited {
            return;
        }
        let of_parent = self.identity.as_ref().and_then(|it| it.executable.as_ref());
        if let Some(own) = scout.identity(self.tgid)
            && (of_parent.is_none() || own.executable.as_ref() == of_parent)
        {
            self.identity = Some(own);
        }
        self.is_identity_inherited = false;
    }

    /// Sets the interpreter of the process. Returns the configuration for the eBPF
    /// program.
    pub(super) fn found(&mut self, instance: Instance, scout: &Scout) -> ProcessConfig {
        let config = instance.config(self.key);
        info!(
            pid = self.tgid,
            python = %instance.runtime.version,
            runtime = format_args!("{:#x}", instance.runtime_address),
            c_library = ?instance.c_library,
            "found Python"
        );
        let context = ProcessContext {
            tgid: self.tgid,
            forked_from: None,
            config,
            line_tables: instance.runtime.line_table,
            static_code: StaticCode {
                build: instance.runtime.build,
                addresses: instance.file_addresses(),
            },
            files: scout.files(self.tgid),
            cache_tag: instance.runtime.version.cache_tag(),
        };
        self.python = Some(Python { instance, context });
        if self.cgroup.is_none() {
            self.cgroup = scout.cgroups(self.tgid).map(|it| it.place());
        }
        config
    }

    /// Returns what the eBPF program's table should have of it.
    pub(super) fn config(&self) -> ProcessConfig {
        match &self.python {
            Some(python) => python.context.config,
            None => Self::unsampled_config(self.key),
        }
    }

    /// Whether what the eBPF program's table has of it agrees with what is known of it.
    pub(super) fn agrees_with(&self, entry: &ProcessConfig) -> bool {
        match &self.python {
            Some(python) => *entry == python.context.config,
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
