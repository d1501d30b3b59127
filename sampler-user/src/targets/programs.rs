//! Which programs have Python in them and which never had, so that the kernel
//! side need not tell each start of the others. It refuses to look at processes.

use std::collections::HashMap;

use sampler_common::lifecycle::ProgramId;

use crate::bpf::plain_programs::PlainProgramTable;

/// Most programs that are remembered; the kernel side's table has room for as
/// many. Then all are forgotten.
const MAX_PROGRAMS: usize = 8192;

/// A program whose file could not be told, or that started before anyone looked.
pub(super) const UNKNOWN_PROGRAM: ProgramId = ProgramId {
    inode: 0,
    device: 0,
    generation: 0,
};

/// What was found in processes that run a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// No Python, in any so far.
    Plain,
    /// Python, once at least: its processes are looked at for ever.
    Python,
}

/// The programs that were looked at.
pub(super) struct Programs<T = PlainProgramTable> {
    table: T,
    known: HashMap<ProgramId, Kind>,
}

/// Where programs without Python are noted.
pub(super) trait PlainTable {
    /// Notes one; whether there was room.
    fn add(&mut self, program: ProgramId) -> bool;
    /// Takes one out.
    fn remove(&mut self, program: ProgramId);
}

impl PlainTable for PlainProgramTable {
    fn add(&mut self, program: ProgramId) -> bool {
        Self::add(self, program)
    }

    fn remove(&mut self, program: ProgramId) {
        Self::remove(self, program);
    }
}

impl<T: PlainTable> Programs<T> {
    pub(super) fn new(table: T) -> Self {
        Self {
            table,
            known: HashMap::new(),
        }
    }

    /// A process that ran `program` had no Python in it, for as long as programs
    /// need to load it that have it from the start.
    pub(super) fn had_none(&mut self, program: ProgramId) {
        if program == UNKNOWN_PROGRAM || self.known.contains_key(&program) {
            return;
        }
        if self.known.len() >= MAX_PROGRAMS {
            for (program, kind) in self.known.drain() {
                if kind == Kind::Plain {
                    self.table.remove(program);
                }
            }
        }
        if self.table.add(program) {
            self.known.insert(program, Kind::Plain);
        }
    }

    /// Whether no process that ran `program` had Python in it.
    pub(super) fn is_plain(&self, program: ProgramId) -> bool {
        self.known.get(&program) == Some(&Kind::Plain)
    }

    /// A process that runs `program` has Python in it.
    pub(super) fn had_python(&mut self, program: ProgramId) {
        if program != UNKNOWN_PROGRAM
            && self.known.insert(program, Kind::Python) == Some(Kind::Plain)
        {
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

    impl PlainTable for Table {
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
            ..UNKNOWN_PROGRAM
        }
    }

    #[test]
    fn one_python_is_enough_to_be_looked_at_for_ever() {
        let mut programs = Programs::new(Table::default());
        programs.had_none(program(1));
        programs.had_none(UNKNOWN_PROGRAM);
        assert_eq!(programs.table.0, HashSet::from([program(1)]));
        programs.had_python(program(1));
        programs.had_none(program(1));
        assert!(programs.table.0.is_empty());
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let mut programs = Programs::new(Table::default());
        for inode in 1..=MAX_PROGRAMS as u64 + 1 {
            programs.had_none(program(inode));
        }
        assert_eq!(programs.table.0.len(), 1);
        assert_eq!(programs.known.len(), 1);
    }
}
