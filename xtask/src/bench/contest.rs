//! Which profilers are measured at which Python. It refuses to measure them.

use super::measure::{Python, Setting};
use super::peers;
use super::profiler::Profiler;
use super::profiling_sampling::ProfilingSampling;
use super::py_spy::{self, PySpy};
use super::pyebpf::Wall;
use super::target::Target;

/// A Python and the profilers that read it, ours first.
pub(super) struct Entry<'a> {
    pub(super) python: &'a Python,
    pub(super) profilers: Vec<Box<dyn Profiler>>,
}

/// All that are measured.
pub(super) struct Contest<'a> {
    /// One Python, or two where no peer reads the other's newest.
    pub(super) entries: Vec<Entry<'a>>,
    /// Peers that take no part, with the reason.
    pub(super) absent: Vec<String>,
}

impl<'a> Contest<'a> {
    /// Takes for each peer the newest Python that it reads.
    pub(super) fn of(setting: &'a Setting) -> anyhow::Result<Self> {
        let mut contest = Self {
            entries: Vec::new(),
            absent: Vec::new(),
        };
        match with_py_spy(setting) {
            Ok((python, peers)) => contest.add(setting, python, peers),
            Err(reason) => contest.absent.push(format!("py-spy: {reason:#}")),
        }
        let newest_first = setting.pythons.iter().rev();
        let mut own = newest_first.map(|it| (it, ProfilingSampling::of(it)));
        match own.find_map(|(python, own)| Some((python, own?))) {
            Some((python, own)) => contest.add(setting, python, vec![Box::new(own)]),
            None => contest
                .absent
                .push("profiling.sampling: no CPython 3.15 or newer was found".to_owned()),
        }
        if contest.entries.is_empty() {
            contest.add(setting, setting.main_python()?, Vec::new());
        }
        Ok(contest)
    }

    fn add(&mut self, setting: &Setting, python: &'a Python, peers: Vec<Box<dyn Profiler>>) {
        let same = |entry: &&mut Entry<'_>| entry.python.path == python.path;
        if let Some(entry) = self.entries.iter_mut().find(same) {
            entry.profilers.extend(peers);
            return;
        }
        let ours = Wall {
            binary: setting.binary.clone(),
        };
        let mut profilers: Vec<Box<dyn Profiler>> = vec![Box::new(ours)];
        profilers.extend(peers);
        self.entries.push(Entry { python, profilers });
    }
}

/// py-spy in both its ways, with the newest Python that it reads: it says
/// nothing of which those are, so it is asked for a stack of each.
fn with_py_spy(setting: &Setting) -> anyhow::Result<(&Python, Vec<Box<dyn Profiler>>)> {
    let binary = setting
        .py_spy
        .as_ref()
        .map_err(|reason| anyhow::anyhow!("{reason}"))?;
    let version = peers::py_spy_version(binary);
    let version = version.ok_or_else(|| anyhow::anyhow!("{} does not run", binary.display()))?;
    for python in setting.pythons.iter().rev() {
        let arguments = ["sleeping", "1"];
        let target = Target::start(
            &python.path,
            &setting.scripts,
            "bench_threads.py",
            &arguments,
        )?;
        if py_spy::can_read(binary, &target, "sleep_for_ever")? {
            let peer = |is_blocking| -> Box<dyn Profiler> {
                Box::new(PySpy {
                    binary: binary.clone(),
                    version: version.clone(),
                    is_blocking,
                })
            };
            return Ok((python, vec![peer(true), peer(false)]));
        }
    }
    anyhow::bail!("version {version} reads none of the Pythons found")
}
