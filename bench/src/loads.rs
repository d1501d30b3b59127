// SPDX-License-Identifier: MIT OR Apache-2.0

//! The targets that are profiled, and the modes and rates at which each is.

use std::path::Path;

use super::profiler::Mode;
use super::subject::Subject;
use super::target::Target;
use super::web::Web;

/// A target, and how it is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Its name in tables.
    pub(super) name: &'static str,
    /// What it does, in words.
    pub(super) about: &'static str,
    kind: Kind,
    /// Whether it does work that is counted, and that a profiler can slow down.
    pub(super) works: bool,
    /// The modes and rates at which all profilers are measured.
    pub(super) rates: &'static [Rate],
    /// The modes and rates at which pyebpf is measured in addition.
    pub(super) own_rates: &'static [Rate],
}

/// A mode and a rate of sampling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate {
    pub(super) mode: Mode,
    pub(super) hz: u32,
    /// The most that pyebpf may cost, in percent of one CPU.
    pub(super) limit: Option<f64>,
    /// Whether a quick run includes it.
    pub(super) quick: bool,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Script {
        script: &'static str,
        arguments: &'static [&'static str],
        has_children: bool,
    },
    Web,
}

const fn cpu(hz: u32) -> Rate {
    Rate {
        mode: Mode::Cpu,
        hz,
        limit: None,
        quick: true,
    }
}

const fn wall(hz: u32) -> Rate {
    Rate {
        mode: Mode::Wall,
        ..cpu(hz)
    }
}

const fn limited(hz: u32, limit: f64) -> Rate {
    Rate {
        limit: Some(limit),
        ..wall(hz)
    }
}

/// Excludes a rate from quick runs.
const fn full(rate: Rate) -> Rate {
    Rate {
        quick: false,
        ..rate
    }
}

const fn threads(arguments: &'static [&'static str]) -> Kind {
    Kind::Script {
        script: "bench_threads.py",
        arguments,
        has_children: false,
    }
}

const COMMON: &[Rate] = &[cpu(100), wall(100)];
/// The same rates, for targets that a quick run leaves out.
const COMMON_FULL: &[Rate] = &[full(cpu(100)), full(wall(100))];
const OWN: &[Rate] = &[
    full(cpu(10)),
    full(cpu(1000)),
    full(wall(10)),
    full(wall(1000)),
];

/// All targets, in the order of the tables.
pub(super) const LOADS: [Load; 9] = [
    Load {
        name: "one thread",
        about: "one busy thread, 32 frames deep",
        kind: threads(&["deep", "1"]),
        works: true,
        rates: &[
            cpu(10),
            cpu(100),
            cpu(1000),
            full(wall(10)),
            wall(100),
            limited(1000, 5.0),
        ],
        own_rates: &[],
    },
    Load {
        name: "200 deep",
        about: "one busy thread, 200 frames deep",
        kind: threads(&["--depth", "200", "deep", "1"]),
        works: true,
        rates: COMMON_FULL,
        own_rates: OWN,
    },
    Load {
        name: "8 for the GIL",
        about: "eight busy threads that fight for the GIL",
        kind: threads(&["busy", "8"]),
        works: true,
        rates: COMMON_FULL,
        own_rates: OWN,
    },
    Load {
        name: "GIL released",
        about: "two threads that hash and sum up buffers of 512 KiB, as numpy computes: in C, with \
                the GIL released",
        kind: threads(&["released", "2"]),
        works: true,
        rates: COMMON,
        own_rates: OWN,
    },
    Load {
        name: "200 sleep, 4 work",
        about: "200 threads that sleep for ever and four that are busy",
        kind: threads(&["sleeping", "200", "deep", "4"]),
        works: true,
        rates: COMMON,
        own_rates: OWN,
    },
    Load {
        name: "20 processes",
        about: "a process with twenty children that are busy for some 3 % of a CPU each",
        kind: Kind::Script {
            script: "bench_processes.py",
            arguments: &["20"],
            has_children: true,
        },
        works: true,
        rates: COMMON_FULL,
        own_rates: OWN,
    },
    Load {
        name: "web",
        about: "gunicorn with two worker processes of four threads, asked over four connections \
                without a pause; work is answers",
        kind: Kind::Web,
        works: true,
        rates: COMMON,
        own_rates: OWN,
    },
    Load {
        name: "2000 sleep",
        about: "2000 threads that sleep for ever",
        kind: threads(&["sleeping", "2000"]),
        works: false,
        rates: &[limited(10, 3.0)],
        own_rates: &[],
    },
    Load {
        name: "200 mixed",
        about: "200 threads that sleep for 5 ms and work for some tenth of a millisecond, in turns",
        kind: threads(&["mixed", "200"]),
        works: true,
        rates: &[full(limited(100, 10.0))],
        own_rates: &[],
    },
];

impl Load {
    /// Starts the target.
    pub(super) fn start(&self, python: &Path, scripts: &Path) -> anyhow::Result<Box<dyn Subject>> {
        match self.kind {
            Kind::Script {
                script, arguments, ..
            } => Ok(Box::new(Target::start(python, scripts, script, arguments)?)),
            Kind::Web => Ok(Box::new(Web::start(python, scripts)?)),
        }
    }

    /// Whether it has more than one process.
    pub(super) fn has_children(&self) -> bool {
        match self.kind {
            Kind::Script { has_children, .. } => has_children,
            Kind::Web => true,
        }
    }

    /// Whether it needs gunicorn.
    pub(super) fn needs_gunicorn(&self) -> bool {
        matches!(self.kind, Kind::Web)
    }
}
