// SPDX-License-Identifier: MIT OR Apache-2.0

//! Remembers which programs have Python in them and which never had, so that the eBPF
//! program need not report each start of the others.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sampler_common::lifecycle::ProgramId;

use crate::capture::bpf::non_python_executables::NonPythonExecutables;

/// Most programs that are remembered, and the size of the eBPF program's table. If there
/// are more, all are forgotten.
const MAX_PROGRAMS: usize = 8192;

/// How long a program counts as one without Python. A file system may not record that a
/// file was changed, and a program may find another library. Inspecting a process of each
/// program now and then costs little.
const NON_PYTHON_FOR: Duration = Duration::from_secs(60);

/// What was found in processes that run a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// No Python in any process so far; found at this time.
    NonPython(Instant),
    /// Python in at least one process: its processes are inspected for as long as this is
    /// remembered.
    Python,
}

/// The programs whose processes were inspected.
pub(super) struct Programs<T = Box<dyn NonPythonTable>> {
    table: T,
    known: HashMap<ProgramId, Kind>,
}

/// A table of programs without Python.
pub trait NonPythonTable {
    /// Adds a program. Returns whether there was room.
    fn add(&mut self, program: ProgramId) -> bool;
    /// Removes a program.
    fn remove(&mut self, program: ProgramId);
}

impl NonPythonTable for NonPythonExecutables {
    fn add(&mut self, program: ProgramId) -> bool {
        Self::add(self, program)
    }

    fn remove(&mut self, program: ProgramId) {
        Self::remove(self, program);
    }
}

impl NonPythonTable for Box<dyn NonPythonTable> {
    fn add(&mut self, program: ProgramId) -> bool {
        (**self).add(program)
    }

    fn remove(&mut self, program: ProgramId) {
        (**self).remove(program);
    }
}

impl<T: NonPythonTable> Programs<T> {
    pub(super) fn new(table: T) -> Self {
        Self {
            table,
            known: HashMap::new(),
        }
    }

    /// Notes that a process which ran `program` had no Python, after the time that a
    /// program needs to load Python at its start.
    pub(super) fn had_none(&mut self, program: ProgramId, now: Instant) {
        if program == ProgramId::UNKNOWN || self.known.contains_key(&program) {
            return;
        }
        if self.known.len() >= MAX_PROGRAMS {
            for (program, kind) in self.known.drain() {
                if matches!(kind, Kind::NonPython(_)) {
                    self.table.remove(program);
                }
            }
        }
        if self.table.add(program) {
            self.known.insert(program, Kind::NonPython(now));
        }
    }

    /// Whether no process that ran `program` had Python in it.
    pub(super) fn is_non_python(&self, program: ProgramId) -> bool {
        matches!(self.known.get(&program), Some(Kind::NonPython(_)))
    }

    /// Notes that a process which runs `program` has Python.
    pub(super) fn had_python(&mut self, program: ProgramId) {
        if program != ProgramId::UNKNOWN
            && let Some(Kind::NonPython(_)) = self.known.insert(program, Kind::Python)
        {
            self.table.remove(program);
        }
    }

    /// Forgets programs without Python where that was found out too long ago.
    pub(super) fn expire(&mut self, now: Instant) {
        let is_old = |_: &ProgramId, kind: &mut Kind| match kind {
            Kind::NonPython(since) => now.saturating_duration_since(*since) >= NON_PYTHON_FOR,
            Kind::Python => false,
        };
        for (program, _) in self.known.extract_if(is_old) {
            self.table.remove(program);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[derive(Default)]
    struct Table(HashSet<ProgramId>);

    impl NonPythonTable for Table {
        fn add(&mut self, program: ProgramId) -> bool {
            self.0.insert(program);
            true
        }

        fn remove(&mut self, program: ProgramId) {
            self.0.remove(&program);
        }
    }

    fn program(inode: u64) -> ProgramId {
        ProgramId {
            inode,
            ..ProgramId::UNKNOWN
        }
    }

    #[test]
    fn one_python_is_enough_to_be_looked_at_from_then_on() {
        let now = Instant::now();
        let mut programs = Programs::new(Table::default());
        programs.had_none(program(1), now);
        programs.had_none(ProgramId::UNKNOWN, now);
        assert_eq!(programs.table.0, HashSet::from([program(1)]));
        programs.had_python(program(1));
        programs.had_none(program(1), now);
        assert!(programs.table.0.is_empty());
    }

    #[test]
    fn a_file_that_was_written_anew_is_another_program() {
        let now = Instant::now();
        let mut programs = Programs::new(Table::default());
        programs.had_none(program(1), now);
        for other in [
            ProgramId {
                size: 1,
                ..program(1)
            },
            ProgramId {
                changed: 1,
                ..program(1)
            },
        ] {
            assert!(programs.is_non_python(program(1)) && !programs.is_non_python(other));
        }
    }

    #[test]
    fn a_program_without_python_is_looked_at_again_after_a_while() {
        let start = Instant::now();
        let mut programs = Programs::new(Table::default());
        programs.had_none(program(1), start);
        programs.had_none(program(2), start + NON_PYTHON_FOR / 2);
        programs.had_python(program(3));
        programs.expire(start + NON_PYTHON_FOR - Duration::from_nanos(1));
        assert!(programs.is_non_python(program(1)));
        programs.expire(start + NON_PYTHON_FOR);
        assert_eq!(programs.table.0, HashSet::from([program(2)]));
        assert_eq!(programs.known.len(), 2);
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let mut programs = Programs::new(Table::default());
        for inode in 1..=MAX_PROGRAMS as u64 + 1 {
            programs.had_none(program(inode), Instant::now());
        }
        assert_eq!(programs.table.0.len(), 1);
        assert_eq!(programs.known.len(), 1);
    }
}
