//! Tells whether a process runs CPython, which build, and where. It refuses to
//! go by names: every mapped program file is asked for the symbols of an
//! interpreter, once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::Arc;

use sampler_common::memory::UserMemory;

use crate::cpython::instance::{CLibrary, Instance};
use crate::cpython::other_pythons::other_python;
use crate::cpython::refusal::Refusal;
use crate::cpython::runtime::{Runtime, RuntimeError};
use crate::process::elf::{ElfError, ElfFile, Segments};
use crate::process::mapped_file::{FileIdentity, MappedFile};
use crate::process::maps::{Mapping, read_maps};
use crate::process::memory::ProcessMemory;

/// Most files whose answer is remembered; then all are forgotten.
const MAX_FILES: usize = 16_384;
/// Most different program files of one process that are looked at.
const MAX_FILES_OF_PROCESS: usize = 4096;

/// What is remembered of a file.
#[derive(Debug)]
enum Verdict {
    /// No interpreter.
    Nothing {
        /// A program that loads a library of Python's before it begins, or whose
        /// work is to load other programs.
        loads_python: bool,
    },
    /// One that is not CPython: its name.
    Other(&'static str),
    /// One that can be sampled.
    Interpreter(Arc<Runtime>, Segments),
    /// One that cannot, or a file that cannot be judged.
    Refused(RuntimeError),
}

/// Finds interpreters, and remembers what it found in which file.
#[derive(Debug, Default)]
pub struct Discovery {
    files: HashMap<FileIdentity, Verdict>,
}

/// What is in one mapping.
enum Judged {
    /// The build of an interpreter, and what was added to its addresses.
    Interpreter(Arc<Runtime>, u64),
    /// An implementation that is not CPython.
    Other(&'static str),
    /// No interpreter.
    Nothing {
        /// As [`Verdict::Nothing`] says.
        loads_python: bool,
    },
}

/// What a look at a process gave.
#[derive(Debug)]
pub struct Looked {
    /// Its interpreter.
    pub found: Result<Instance, Refusal>,
    /// Its program has no interpreter and loads none before it begins; it may
    /// still do so later.
    pub is_plain_program: bool,
}

impl Discovery {
    /// Nothing remembered yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the process `pid`.
    ///
    /// The first look reads every program file the process has mapped; later
    /// ones, also at other processes, only those that are new.
    ///
    /// # Errors
    /// [`Refusal`], of which [`Refusal::NotPython`] is the ordinary one.
    pub fn inspect(&mut self, pid: u32) -> Result<Instance, Refusal> {
        self.look(pid).found
    }

    /// As [`Self::inspect`], and what the program itself lets expect.
    pub fn look(&mut self, pid: u32) -> Looked {
        let mut is_plain_program = false;
        let found = self.search(pid, &mut is_plain_program);
        Looked {
            found,
            is_plain_program,
        }
    }

    fn search(&mut self, pid: u32, is_plain_program: &mut bool) -> Result<Instance, Refusal> {
        let maps = read_maps(pid).map_err(Refusal::of_process)?;
        let files = program_files(&maps);
        let program = program_inode(pid);
        let c_library = c_library(&maps);
        let mut refusal = None;
        let mut found: Vec<Instance> = Vec::new();
        for mapping in files {
            let is_program = Some(mapping.inode) == program;
            match self.judge(pid, mapping) {
                Ok(Judged::Interpreter(runtime, bias)) => {
                    found.push(Instance::new(runtime, bias, c_library, is_program));
                }
                Ok(Judged::Other(name)) => {
                    refusal = refusal.or(Some(Refusal::NotCPython { pid, name }));
                }
                Ok(Judged::Nothing { loads_python }) => {
                    *is_plain_program |= is_program && !loads_python;
                }
                Err(reason) => refusal = refusal.or(Some(reason)),
            }
        }
        // A program and a library in it may both have an interpreter: the one
        // that was started counts.
        let memory = ProcessMemory::new(pid);
        let started = found.iter().position(|one| is_started(&memory, one));
        if !found.is_empty() {
            return Ok(found.swap_remove(started.unwrap_or(0)));
        }
        Err(refusal.unwrap_or(Refusal::NotPython { pid }))
    }

    fn judge(&mut self, pid: u32, mapping: &Mapping) -> Result<Judged, Refusal> {
        let file = match MappedFile::locate(pid, mapping) {
            Ok(file) => file,
            Err(error) => return unreadable(pid, mapping, &error.source),
        };
        if self.files.len() >= MAX_FILES {
            self.files.clear();
        }
        let verdict = match self.files.entry(file.identity()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => match file.open() {
                Ok(opened) => place.insert(judge_file(ElfFile::parse(opened), mapping)),
                Err(error) => return unreadable(pid, mapping, &error.source),
            },
        };
        match verdict {
            Verdict::Nothing { loads_python } => Ok(Judged::Nothing {
                loads_python: *loads_python,
            }),
            Verdict::Other(name) => Ok(Judged::Other(name)),
            Verdict::Interpreter(runtime, segments) => {
                let bias = segments
                    .load_bias(mapping)
                    .ok_or_else(|| Refusal::Unreadable {
                        pid,
                        path: mapping.path.clone(),
                        reason: "no part of it fits where it is mapped".to_owned(),
                    })?;
                Ok(Judged::Interpreter(Arc::clone(runtime), bias))
            }
            // Any file can be damaged; that one with such a name is matters.
            Verdict::Refused(RuntimeError::Elf(_)) if !sounds_like_python(mapping) => {
                Ok(UNREADABLE)
            }
            Verdict::Refused(error) => Err(Refusal::of_runtime(pid, &mapping.path, error)),
        }
    }
}

/// A file of which nothing is known may be a program that loads Python.
const UNREADABLE: Judged = Judged::Nothing { loads_python: true };

fn judge_file(elf: Result<ElfFile, ElfError>, mapping: &Mapping) -> Verdict {
    let elf = match elf {
        Ok(elf) => elf,
        Err(ElfError::NotElf) => return Verdict::Nothing { loads_python: true },
        Err(error) => return Verdict::Refused(error.into()),
    };
    match Runtime::from_elf(&elf, mapping.file_name()) {
        Ok(Some(runtime)) => Verdict::Interpreter(Arc::new(runtime), elf.segments().clone()),
        Ok(None) => judge_other(&elf, mapping.file_name()).unwrap_or_else(Verdict::Refused),
        Err(error) => Verdict::Refused(error),
    }
}

/// A file without CPython in it.
fn judge_other(elf: &ElfFile, file_name: &[u8]) -> Result<Verdict, RuntimeError> {
    if let Some(name) = other_python(elf, file_name)? {
        return Ok(Verdict::Other(name));
    }
    // The dynamic linker, started by name, runs any program.
    let is_linker = file_name.starts_with(b"ld-") || file_name.starts_with(b"ld.so");
    let needs_python = || {
        let needed = elf.needed_libraries()?;
        Ok::<_, ElfError>(needed.iter().any(|name| name.starts_with(b"libpython")))
    };
    Ok(Verdict::Nothing {
        loads_python: is_linker || needs_python()?,
    })
}

/// One mapping of every file that is mapped as a program or library: a file
/// that is only read has no mapping that may be executed.
fn program_files(maps: &[Mapping]) -> Vec<&Mapping> {
    let mut files: Vec<&Mapping> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for mapping in maps.iter().filter(|map| map.executable && map.is_file()) {
        if files.len() == MAX_FILES_OF_PROCESS {
            break;
        }
        if seen.insert((mapping.device, mapping.inode)) {
            files.push(mapping);
        }
    }
    files
}

/// The inode of the program that was started.
fn program_inode(pid: u32) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    let program = std::fs::metadata(format!("/proc/{pid}/exe")).ok()?;
    Some(program.ino())
}

/// By the names of what is mapped. musl's library is its dynamic linker too, under
/// the name of either; glibc's has no such name, since its `libc.so` is a text.
fn c_library(maps: &[Mapping]) -> CLibrary {
    let is_mapped = |is_it: fn(&[u8]) -> bool| maps.iter().any(|map| is_it(map.file_name()));
    if is_mapped(|name| {
        name == b"libc.so" || name.starts_with(b"ld-musl-") || name.starts_with(b"libc.musl-")
    }) {
        return CLibrary::Musl;
    }
    if is_mapped(|name| name == b"libc.so.6" || name.starts_with(b"libc-2.")) {
        return CLibrary::Glibc;
    }
    CLibrary::Unknown
}

fn is_started(memory: &impl UserMemory, instance: &Instance) -> bool {
    let head = instance.runtime.layout.runtime.interpreters_head;
    let at = instance.runtime_address.wrapping_add(head.into());
    memory
        .read_u64(at)
        .is_ok_and(|interpreter| interpreter != 0)
}

/// A file that cannot be opened is a reason only where a Python is expected.
fn unreadable(pid: u32, mapping: &Mapping, error: &io::Error) -> Result<Judged, Refusal> {
    if !sounds_like_python(mapping) {
        return Ok(UNREADABLE);
    }
    if error.kind() == io::ErrorKind::PermissionDenied {
        return Err(Refusal::Permission { pid });
    }
    Err(Refusal::Unreadable {
        pid,
        path: mapping.path.clone(),
        reason: error.to_string(),
    })
}

fn sounds_like_python(mapping: &Mapping) -> bool {
    let name = mapping.file_name();
    name.starts_with(b"python") || name.starts_with(b"libpython")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn mapping(path: &str, inode: u64, executable: bool) -> Mapping {
        Mapping {
            start: 0x1000,
            end: 0x2000,
            offset: 0,
            device: (8, 1),
            inode,
            writable: false,
            executable,
            deleted: false,
            path: PathBuf::from(path),
        }
    }

    #[test]
    fn every_program_file_is_looked_at_once() {
        let maps = [
            mapping("/bin/app", 1, false),
            mapping("/bin/app", 1, true),
            mapping("/lib/libx.so", 2, true),
            mapping("/bin/app", 1, true),
            mapping("/data/libpython3.12.so", 3, false),
            mapping("[vdso]", 0, true),
        ];
        let inodes: Vec<u64> = program_files(&maps).iter().map(|map| map.inode).collect();
        assert_eq!(inodes, [1, 2]);
    }

    #[test]
    fn libraries_tell_the_kind_of_process() {
        for (name, library) in [
            ("/lib/ld-musl-x86_64.so.1", CLibrary::Musl),
            ("/usr/lib/x86_64-linux-musl/libc.so", CLibrary::Musl),
            ("/lib/x86_64-linux-gnu/libc.so.6", CLibrary::Glibc),
            ("/lib/x86_64-linux-gnu/libc-2.31.so", CLibrary::Glibc),
            ("/opt/python/bin/python3.13", CLibrary::Unknown),
        ] {
            assert_eq!(c_library(&[mapping(name, 1, true)]), library, "{name}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_opened_matters_only_if_it_sounds_like_python() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let gone = io::Error::from(io::ErrorKind::NotFound);
        let library = mapping("/lib/libz.so", 1, true);
        assert!(matches!(
            unreadable(7, &library, &denied),
            Ok(Judged::Nothing { .. })
        ));
        let python = mapping("/usr/bin/python3.9", 1, true);
        let refusal = unreadable(7, &python, &denied).err();
        assert_eq!(refusal, Some(Refusal::Permission { pid: 7 }));
        let refusal = unreadable(7, &python, &gone)
            .err()
            .map(|refusal| refusal.to_string());
        let text = refusal.expect("a reason");
        assert!(
            text.starts_with("process 7: cannot look into /usr/bin/python3.9: "),
            "{text}"
        );
    }

    #[test]
    fn the_second_look_remembers_every_file() {
        let mut discovery = Discovery::new();
        let pid = std::process::id();
        assert!(matches!(
            discovery.inspect(pid),
            Err(Refusal::NotPython { .. })
        ));
        let files = discovery.files.len();
        assert!(files > 1, "the test program and its libraries");
        assert!(discovery.look(pid).is_plain_program);
        assert!(matches!(
            discovery.inspect(pid),
            Err(Refusal::NotPython { .. })
        ));
        assert_eq!(discovery.files.len(), files);
    }
}
