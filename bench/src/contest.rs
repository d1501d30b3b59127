// SPDX-License-Identifier: MIT OR Apache-2.0

//! Chooses the profilers to measure, and the Python with which each is measured.

use super::austin::Austin;
use super::peers;
use super::profiler::Profiler;
use super::profiling_sampling::ProfilingSampling;
use super::py_spy::{self, PySpy};
use super::pyebpf::Pyebpf;
use super::setting::{Python, Setting};
use super::target::Target;

/// A Python and the profilers that can read it, pyebpf first.
pub(super) struct Entry<'a> {
    pub(super) python: &'a Python,
    pub(super) profilers: Vec<Box<dyn Profiler>>,
}

/// All profilers that are measured.
pub(super) struct Contest<'a> {
    /// One Python, or more if a peer cannot read the newest one that the others read.
    pub(super) entries: Vec<Entry<'a>>,
    /// Peers that are not measured, each with the reason.
    pub(super) absent: Vec<String>,
}

type Found<'a> = (&'a Python, Vec<Box<dyn Profiler>>);

impl<'a> Contest<'a> {
    /// Chooses for each peer the newest Python that it can read.
    pub(super) fn new(setting: &'a Setting) -> anyhow::Result<Self> {
        let mut contest = Self {
            entries: Vec::new(),
            absent: Vec::new(),
        };
        contest.take(setting, "py-spy", with_py_spy(setting));
        contest.take(
            setting,
            "profiling.sampling",
            with_profiling_sampling(setting),
        );
        contest.take(setting, "Austin", with_austin(setting));
        if contest.entries.is_empty() {
            contest.add(setting, setting.main_python()?, Vec::new());
        }
        Ok(contest)
    }

    fn take(&mut self, setting: &Setting, name: &str, found: anyhow::Result<Found<'a>>) {
        match found {
            Ok((python, peers)) => self.add(setting, python, peers),
            Err(reason) => self.absent.push(format!("{name}: {reason:#}")),
        }
    }

    fn add(&mut self, setting: &Setting, python: &'a Python, peers: Vec<Box<dyn Profiler>>) {
        let same = |entry: &&mut Entry<'_>| entry.python.path == python.path;
        if let Some(entry) = self.entries.iter_mut().find(same) {
            entry.profilers.extend(peers);
            return;
        }
        let ours = Pyebpf {
            binary: setting.binary.clone(),
        };
        let mut profilers: Vec<Box<dyn Profiler>> = vec![Box::new(ours)];
        profilers.extend(peers);
        self.entries.push(Entry { python, profilers });
    }
}

/// Starts a target to try a peer on.
fn trial(setting: &Setting, python: &Python) -> anyhow::Result<Target> {
    Target::start(
        &python.path,
        &setting.scripts,
        "bench_threads.py",
        &["sleeping", "1"],
    )
}

fn present<T>(peer: &Result<T, String>) -> anyhow::Result<&T> {
    peer.as_ref().map_err(|reason| anyhow::anyhow!("{reason}"))
}

/// Returns py-spy, blocking and, if the plan has it, non-blocking, with the newest
/// Python that it can read. It does not list the versions that it supports, so it has
/// to show a stack of each.
fn with_py_spy(setting: &Setting) -> anyhow::Result<Found<'_>> {
    let binary = present(&setting.py_spy)?;
    let version = peers::py_spy_version(binary);
    let version = version.ok_or_else(|| anyhow::anyhow!("{} does not run", binary.display()))?;
    for python in setting.pythons.iter().rev() {
        if py_spy::can_read(binary, &trial(setting, python)?, "sleep_for_ever")? {
            let peer = |is_blocking| -> Box<dyn Profiler> {
                Box::new(PySpy {
                    binary: binary.clone(),
                    version: version.clone(),
                    is_blocking,
                })
            };
            let mut peers = vec![peer(true)];
            if setting.plan.has_nonblocking {
                peers.push(peer(false));
            }
            return Ok((python, peers));
        }
    }
    anyhow::bail!("version {version} reads none of the Pythons found")
}

fn with_profiling_sampling(setting: &Setting) -> anyhow::Result<Found<'_>> {
    let newest_first = setting.pythons.iter().rev();
    let mut own = newest_first.map(|it| (it, ProfilingSampling::find_in(it)));
    match own.find_map(|(python, own)| Some((python, own?))) {
        Some((python, own)) => Ok((python, vec![Box::new(own)])),
        None => anyhow::bail!("no CPython 3.15 or newer was found"),
    }
}

/// Returns Austin with the newest Python that it can read, if it runs at all.
fn with_austin(setting: &Setting) -> anyhow::Result<Found<'_>> {
    let austin = Austin {
        binary: present(&setting.austin)?.clone(),
        version: peers::AUSTIN,
    };
    for python in setting.pythons.iter().rev() {
        if austin.can_read(&trial(setting, python)?, &setting.scratch) {
            return Ok((python, vec![Box::new(austin)]));
        }
    }
    anyhow::bail!(
        "version {} runs with none of the Pythons found, or reads none: it needs a C library of \
         version 2.38 where the target is",
        austin.version
    )
}
