//! Looks into processes for those who must not wait: the thread that takes
//! samples. It refuses to wait long, and to look again at a process that made it
//! wait.
//!
//! To read the memory of a process, or a file that it has mapped, can hang: the
//! page may lie on a file system that does not answer, be it broken or made for
//! that. So a thread of its own does it, with the rights that it takes
//! ([`Role::Looking`]), which the asking thread then needs no more.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::cpython::discovery::{Discovery, Looked};
use crate::cpython::instance::Instance;
use crate::cpython::refusal::Refusal;
use crate::patient::{Patience, Patient, Unanswered};
use crate::privileges::Role;
use crate::process::cgroup::Cgroups;
use crate::process::files::FileView;
use crate::process::identity::{ProcessError, ProcessIdentity, running_pids};
use crate::process::memory::ProcessMemory;
use crate::process::vitals;

/// The first look at a process reads all programs that it has mapped: tens of
/// milliseconds, on a machine that is not too busy.
const PATIENCE: Patience = Patience {
    first: Duration::from_secs(3),
    least: Duration::from_millis(500),
};

/// Most processes that are remembered for not answering.
const MAX_SILENT: usize = 16_384;

/// Someone who looks; clones share one thread.
#[derive(Clone, Debug)]
pub struct Scout {
    shared: Rc<RefCell<Shared>>,
}

#[derive(Debug)]
struct Shared {
    patient: Patient<Discovery>,
    /// Processes that made us wait, by thread group id. A number that is used
    /// again stays on the list: to leave one out is a small loss.
    silent: HashSet<u32>,
}

impl Default for Scout {
    fn default() -> Self {
        Self {
            shared: Rc::new(RefCell::new(Shared {
                patient: Patient::new("scout", Role::Looking, PATIENCE),
                silent: HashSet::new(),
            })),
        }
    }
}

impl Scout {
    /// Asks something of the process `tgid` that needs its memory or files.
    ///
    /// # Errors
    /// [`Unanswered`] when it makes us wait, or did so before.
    pub fn ask<R: Send + 'static>(
        &self,
        tgid: u32,
        question: impl FnOnce(&mut Discovery) -> R + Send + 'static,
    ) -> Result<R, Unanswered> {
        let mut shared = self.shared.borrow_mut();
        if shared.silent.contains(&tgid) {
            return Err(Unanswered::Before);
        }
        let answer = shared.patient.ask(question);
        if let Err(Unanswered::Late(_)) = answer {
            if shared.silent.len() >= MAX_SILENT {
                shared.silent.clear();
            }
            shared.silent.insert(tgid);
        }
        answer
    }

    /// From now on looks with the rights that the asking thread has now to give.
    pub fn begin_anew(&self) {
        self.shared.borrow_mut().patient.begin_anew();
    }

    /// As [`Discovery::inspect`].
    ///
    /// # Errors
    /// Also when the process makes us wait.
    pub fn inspect(&self, tgid: u32) -> Result<Instance, Refusal> {
        self.look(tgid).found
    }

    /// As [`Discovery::look`].
    pub fn look(&self, tgid: u32) -> Looked {
        let answer = self.ask(tgid, move |discovery| discovery.look(tgid));
        answer.unwrap_or_else(|silence| Looked {
            found: Err(Refusal::Unreadable {
                pid: tgid,
                path: "its memory and programs".into(),
                reason: silence.to_string(),
            }),
            is_plain_program: false,
        })
    }

    /// When each of these processes started, as [`vitals::start_time`] says; those
    /// that nothing is known of are left out.
    pub fn start_times(&self, tgids: Vec<u32>) -> HashMap<u32, Result<u64, ProcessError>> {
        let times = self.ask(std::process::id(), move |_| {
            let times = tgids.into_iter();
            times.map(|tgid| (tgid, vitals::start_time(tgid))).collect()
        });
        times.unwrap_or_default()
    }

    /// When the process started; `None` when it has ended, or does not let us know.
    pub fn start_time(&self, tgid: u32) -> Option<u64> {
        self.start_times(vec![tgid]).remove(&tgid)?.ok()
    }

    /// How much code these processes have mapped, as [`vitals::mapped_code`] says;
    /// without a list, all processes.
    pub fn mapped_code(&self, tgids: Option<Vec<u32>>) -> Vec<(u32, Option<u64>)> {
        let codes = self.ask(std::process::id(), move |_| {
            let tgids = tgids.unwrap_or_else(|| running_pids().unwrap_or_default());
            let codes = tgids.into_iter();
            codes
                .map(|tgid| (tgid, vitals::mapped_code(tgid).ok().flatten()))
                .collect()
        });
        codes.unwrap_or_default()
    }

    /// Who the process is; `None` when it is gone or does not let us know.
    pub fn identity(&self, tgid: u32) -> Option<ProcessIdentity> {
        self.ask(tgid, move |_| ProcessIdentity::read(tgid))
            .ok()?
            .ok()
    }

    /// The cgroups of the process.
    pub fn cgroups(&self, tgid: u32) -> Option<Cgroups> {
        self.ask(tgid, move |_| Cgroups::read(tgid)).ok()?.ok()
    }

    /// How the process sees files.
    pub fn files(&self, tgid: u32) -> Option<Arc<FileView>> {
        let view = self.ask(tgid, move |_| FileView::of(tgid)).ok()?;
        view.ok().map(Arc::new)
    }

    /// As [`Instance::learn`].
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
    fn who_made_us_wait_is_not_asked_again() {
        let scout = Scout::default();
        scout.shared.borrow_mut().patient = Patient::new(
            "test",
            Role::Looking,
            Patience {
                first: Duration::from_millis(20),
                least: Duration::from_millis(10),
            },
        );
        let (go_on, wait) = mpsc::channel::<()>();
        let late = scout.ask(7, move |_| wait.recv().is_ok());
        assert!(matches!(late, Err(Unanswered::Late(_))));
        assert_eq!(scout.ask(7, |_| ()), Err(Unanswered::Before));
        scout.shared.borrow_mut().patient = Patient::new("test", Role::Looking, PATIENCE);
        assert_eq!(scout.ask(8, |_| ()), Ok(()));
        let refusal = scout.inspect(7).expect_err("it is known to be silent");
        assert!(refusal.to_string().contains("before"), "{refusal}");
        drop(go_on);
    }

    #[test]
    fn looks_at_itself() {
        let own = std::process::id();
        let scout = Scout::default();
        assert_eq!(scout.identity(own).map(|it| it.pid), Some(own));
        assert!(scout.files(own).is_some());
        assert!(matches!(scout.inspect(own), Err(Refusal::NotPython { .. })));
    }
}
