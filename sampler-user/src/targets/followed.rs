//! One life of one process: from a fork or a new program to the next one, or to
//! its end. It refuses to find out anything: it is told.

use sampler_common::lifecycle::ProgramId;
use sampler_common::process::{ProcessConfig, ProcessKey, ProcessState};

use super::programs::UNKNOWN_PROGRAM;
use crate::cpython::instance::Instance;
use crate::process::container::CgroupPlace;
use crate::process::identity::ProcessIdentity;
use crate::scout::Scout;
use crate::symbolize::{ProcessContext, StaticCode};

/// A process that is followed.
#[derive(Clone, Debug)]
pub struct FollowedProcess {
    /// This life of it.
    pub key: ProcessKey,
    /// Thread group id.
    pub tgid: u32,
    /// Who it is; `None` while nobody has asked, or when it was gone by then.
    pub identity: Option<ProcessIdentity>,
    /// The identity is that of the process that forked it.
    pub(super) is_identity_inherited: bool,
    /// What it runs, if it is known to have started that.
    pub(super) program: ProgramId,
    /// Its interpreter, and what symbolization needs; `None` until it has one.
    pub python: Option<Python>,
    /// Its cgroup; `None` while it is not known.
    pub cgroup: Option<CgroupPlace>,
    /// It is followed because the one that started it is, or because it was before
    /// it ran this program.
    pub is_kin: bool,
    /// It has ended, or runs another program; samples of it may still arrive.
    pub has_ended: bool,
}

/// The interpreter in a process.
#[derive(Clone, Debug)]
pub struct Python {
    /// Where it is.
    pub instance: Instance,
    /// What symbolization needs.
    pub context: ProcessContext,
}

impl FollowedProcess {
    /// A process whose interpreter, if any, is not known yet.
    pub(super) fn new(key: ProcessKey, tgid: u32) -> Self {
        Self {
            key,
            tgid,
            identity: None,
            is_identity_inherited: false,
            program: UNKNOWN_PROGRAM,
            python: None,
            cgroup: None,
            is_kin: false,
            has_ended: false,
        }
    }

    /// The child of a fork: the same program at the same addresses, and most end
    /// without a sample, so nobody asks who it is before it has one.
    pub(super) fn forked(&self, key: ProcessKey, tgid: u32) -> Self {
        let mut child = Self {
            python: self.python.clone(),
            // A new process is where its parent is (cgroups(7)).
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

    /// Finds out who it is, now that it matters. A child that is gone was what its
    /// parent is; one that runs another program by now had been so.
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

    /// The process has this interpreter.
    pub(super) fn found(&mut self, instance: Instance, scout: &Scout) -> ProcessConfig {
        let config = instance.config(self.key);
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
        };
        self.python = Some(Python { instance, context });
        if self.cgroup.is_none() {
            self.cgroup = scout.cgroups(self.tgid).map(|it| it.place());
        }
        config
    }

    /// The configuration of a process that is followed but not sampled.
    pub(super) fn unsampled_config(key: ProcessKey) -> ProcessConfig {
        ProcessConfig {
            key,
            state: ProcessState::Followed as u32,
            ..bytemuck::Zeroable::zeroed()
        }
    }
}
