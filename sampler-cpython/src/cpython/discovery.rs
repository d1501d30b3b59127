// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells whether a process runs CPython, which build, and where. It does not go by names:
//! every mapped program file is searched for the symbols of an interpreter, once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::Arc;

use sampler_common::memory::UserMemory;

use crate::cpython::c_library::CLibrary;
use crate::cpython::forked::{Start, Starts};
use crate::cpython::inspect_error::InspectError;
use crate::cpython::instance::Instance;
use crate::cpython::other_pythons::other_python;
use crate::cpython::runtime::{Runtime, RuntimeError};
use crate::process::elf::{ElfError, ElfFile, Segments};
use crate::process::living_task::living_task;
use crate::process::mapped_elf::rebuild;
use crate::process::mapped_file::{FileIdentity, MappedFile};
use crate::process::maps::{Mapping, read_maps};
use crate::process::memory::ProcessMemory;

/// The most files whose verdict is remembered; beyond that, all are forgotten.
const MAX_FILES: usize = 16_384;
/// The most different program files of one process that are examined.
const MAX_FILES_OF_PROCESS: usize = 4096;

/// What is remembered of a file.
#[derive(Debug)]
enum Verdict {
    /// It has no interpreter.
    Nothing {
        /// Whether it is a program that loads a Python library before it begins, or whose
        /// work is to load other programs.
        loads_python: bool,
        /// Where the C library counts the uses of each key, if this file is the C
        /// library.
        key_counts: Option<(u64, Segments)>,
    },
    /// It has an interpreter that is not CPython, of this name.
    Other(&'static str),
    /// It has an interpreter that can be sampled.
    Interpreter(Arc<Runtime>, Segments),
    /// It has an interpreter that cannot be sampled, or it cannot be judged.
    Unsupported(RuntimeError),
}

/// Finds interpreters, and remembers which file has which.
#[derive(Debug, Default)]
pub struct Discovery {
    files: HashMap<FileIdentity, Verdict>,
    starts: Starts,
}

/// What is in one mapping.
enum Judged {
    /// The build of an interpreter, and its load bias.
    Interpreter(Arc<Runtime>, u64),
    /// An implementation that is not CPython.
    Other(&'static str),
    /// No interpreter.
    Nothing {
        /// As in [`Verdict::Nothing`].
        loads_python: bool,
        /// The address of the counts in the process.
        key_counts: Option<u64>,
    },
}

/// What a probe of a process has found.
#[derive(Debug)]
pub struct ProbeResult {
    /// Its interpreter, or why it is not sampled.
    pub found: Result<Instance, InspectError>,
    /// Whether its program has no interpreter and loads none before it begins; it may
    /// still do so later.
    pub is_non_python: bool,
}

impl Discovery {
    /// Returns a discovery that remembers nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the process `pid`.
    ///
    /// The first probe reads every program file that the process has mapped; later ones,
    /// even at other processes, read only those that are new.
    ///
    /// # Errors
    /// [`InspectError`], of which [`InspectError::NotPython`] is the ordinary one.
    pub fn inspect(&mut self, pid: u32) -> Result<Instance, InspectError> {
        self.probe(pid).found
    }

    /// Like [`Self::inspect`], and says what to expect of the program itself.
    pub fn probe(&mut self, pid: u32) -> ProbeResult {
        let mut is_non_python = false;
        let found = self.search(pid, &mut is_non_python);
        ProbeResult {
            found,
            is_non_python,
        }
    }

    fn search(&mut self, pid: u32, is_non_python: &mut bool) -> Result<Instance, InspectError> {
        let memory = ProcessMemory::new(pid);
        let start = Start::read(pid);
        if let Some(start) = &start
            && let Some(instance) = self.starts.find(start, &memory)
        {
            return Ok(instance);
        }
        let instance = self.search_files(pid, &memory, is_non_python)?;
        // If it ran another program during the search, what was found belongs to neither.
        if let Some(start) = start.filter(|start| Start::read(pid) == Some(*start)) {
            self.starts.note(start, &memory, &instance);
        }
        Ok(instance)
    }

    fn search_files(
        &mut self,
        pid: u32,
        memory: &ProcessMemory,
        is_non_python: &mut bool,
    ) -> Result<Instance, InspectError> {
        let mut maps = read_maps(pid).map_err(InspectError::of_process)?;
        let mut shown = pid;
        if maps.is_empty()
            && let Some(tid) = living_task(pid)
        {
            shown = tid;
            maps = read_maps(tid).map_err(InspectError::of_process)?;
        }
        let program = program_file(shown);
        let files = program_files(&maps, program.map(|it| it.inode));
        let c_library = c_library(&maps);
        let mut error = None;
        let mut key_counts = None;
        let mut found: Vec<Instance> = Vec::new();
        for mapping in files {
            let file = MappedFile::locate(shown, mapping);
            let is_program = match &file {
                // Inodes of two file systems can be equal.
                Ok(file) => program.is_some_and(|it| it.is_same_file(&file.identity())),
                // Only the name is known of a file that nobody else may open.
                Err(_) => std::fs::read_link(format!("/proc/{shown}/exe"))
                    .is_ok_and(|path| path == mapping.path),
            };
            let by_memory = |error: &io::Error| {
                if is_program || sounds_like_python(mapping) {
                    return judge_memory(shown, mapping, &maps, error);
                }
                unreadable(pid, mapping, error).map_or(Ok(UNREADABLE), Err)
            };
            let judged = match &file {
                Ok(file) => self.judge(pid, mapping, file, by_memory),
                Err(error) => by_memory(&error.source),
            };
            match judged {
                Ok(Judged::Interpreter(runtime, bias)) => {
                    found.push(Instance::new(runtime, bias, c_library, is_program));
                }
                Ok(Judged::Other(name)) => {
                    error = error.or(Some(InspectError::NotCPython { pid, name }));
                }
                Ok(Judged::Nothing {
                    loads_python,
                    key_counts: counts,
                }) => {
                    *is_non_python |= is_program && !loads_python;
                    key_counts = key_counts.or(counts);
                }
                Err(reason) => error = error.or(Some(reason)),
            }
        }
        // A program and a library in it may both have an interpreter: the one that was
        // started counts.
        let started = found.iter().position(|one| is_started(memory, one));
        if !found.is_empty() {
            let mut instance = found.swap_remove(started.unwrap_or(0));
            let others = found.iter().filter(|one| is_started(memory, one));
            instance.others = others.map(|one| one.runtime.version).collect();
            instance.key_counts = key_counts.unwrap_or(instance.key_counts);
            return Ok(instance);
        }
        Err(error.unwrap_or(InspectError::NotPython { pid }))
    }

    /// Judges what is in `file`, or asks `by_memory` where that may not be opened.
    fn judge(
        &mut self,
        pid: u32,
        mapping: &Mapping,
        file: &MappedFile,
        by_memory: impl Fn(&io::Error) -> Result<Judged, InspectError>,
    ) -> Result<Judged, InspectError> {
        if self.files.len() >= MAX_FILES {
            self.files.clear();
        }
        let verdict = match self.files.entry(file.identity()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => match file.open() {
                Ok(opened) => place.insert(judge_file(ElfFile::parse(opened), mapping)),
                Err(error) => return by_memory(&error.source),
            },
        };
        judged(verdict, pid, mapping)
    }
}

/// Judges a file that may not be opened, for the reason `error`, by what the process has
/// of it in memory. The verdict is not remembered: nothing identifies the content.
fn judge_memory(
    pid: u32,
    mapping: &Mapping,
    maps: &[Mapping],
    error: &io::Error,
) -> Result<Judged, InspectError> {
    let rebuilt = rebuild(&ProcessMemory::new(pid), maps, mapping);
    match judge_file(rebuilt, mapping) {
        found @ (Verdict::Interpreter(..) | Verdict::Other(_)) => judged(&found, pid, mapping),
        Verdict::Unsupported(error) if !matches!(error, RuntimeError::Elf(_)) => {
            judged(&Verdict::Unsupported(error), pid, mapping)
        }
        // The parts that are not loaded could have said more.
        _ => unreadable(pid, mapping, error).map_or(Ok(UNREADABLE), Err),
    }
}

fn judged(verdict: &Verdict, pid: u32, mapping: &Mapping) -> Result<Judged, InspectError> {
    match verdict {
        Verdict::Nothing {
            loads_python,
            key_counts,
        } => Ok(Judged::Nothing {
            loads_python: *loads_python,
            key_counts: key_counts.as_ref().and_then(|(address, segments)| {
                Some(segments.load_bias(mapping)?.wrapping_add(*address))
            }),
        }),
        Verdict::Other(name) => Ok(Judged::Other(name)),
        Verdict::Interpreter(runtime, segments) => {
            let bias = segments
                .load_bias(mapping)
                .ok_or_else(|| InspectError::Unreadable {
                    pid,
                    path: mapping.path.clone(),
                    reason: "no part of it fits where it is mapped".to_owned(),
                })?;
            Ok(Judged::Interpreter(Arc::clone(runtime), bias))
        }
        // Any file can be damaged; that matters only for one that is named like a Python
        // interpreter.
        Verdict::Unsupported(RuntimeError::Elf(_)) if !sounds_like_python(mapping) => {
            Ok(UNREADABLE)
        }
        Verdict::Unsupported(error) => Err(InspectError::of_runtime(pid, &mapping.path, error)),
    }
}

/// An unknown file may be a program that loads Python.
const UNREADABLE: Judged = Judged::Nothing {
    loads_python: true,
    key_counts: None,
};

fn judge_file(elf: Result<ElfFile, ElfError>, mapping: &Mapping) -> Verdict {
    let elf = match elf {
        Ok(elf) => elf,
        Err(ElfError::NotElf) => {
            return Verdict::Nothing {
                loads_python: true,
                key_counts: None,
            };
        }
        Err(error) => return Verdict::Unsupported(error.into()),
    };
    match Runtime::from_elf(&elf, mapping.file_name()) {
        Ok(Some(runtime)) => Verdict::Interpreter(Arc::new(runtime), elf.segments().clone()),
        Ok(None) => judge_other(&elf, mapping.file_name()).unwrap_or_else(Verdict::Unsupported),
        Err(error) => Verdict::Unsupported(error),
    }
}

/// Judges a file without CPython in it.
fn judge_other(elf: &ElfFile, file_name: &[u8]) -> Result<Verdict, RuntimeError> {
    if let Some(name) = other_python(elf, file_name)? {
        return Ok(Verdict::Other(name));
    }
    // The dynamic linker, when started by name, runs any program.
    let is_linker = file_name.starts_with(b"ld-") || file_name.starts_with(b"ld.so");
    let needs_python = || {
        let needed = elf.needed_libraries()?;
        Ok::<_, ElfError>(needed.iter().any(|name| name.starts_with(b"libpython")))
    };
    let key_counts = elf.dynamic_symbol("__pthread_keys")?;
    Ok(Verdict::Nothing {
        loads_python: is_linker || needs_python()?,
        key_counts: key_counts.map(|symbol| (symbol.address, elf.segments().clone())),
    })
}

/// Returns one mapping of every file that is mapped as a program or library: a file that
/// is only read has no executable mapping. Code that was moved to anonymous memory, as
/// some programs do for huge pages, has none either. For this case the program counts,
/// and so does a file that is named like a Python interpreter and has a writable mapping.
fn program_files(maps: &[Mapping], program: Option<u64>) -> Vec<&Mapping> {
    let mut files: Vec<&Mapping> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let is_code = |map: &&Mapping| map.executable && map.is_file();
    let may_have_been = |map: &&Mapping| {
        let is_program = Some(map.inode) == program;
        map.is_file() && (is_program || map.writable && sounds_like_python(map))
    };
    let code = maps.iter().filter(is_code);
    for mapping in code.chain(maps.iter().filter(may_have_been)) {
        if files.len() == MAX_FILES_OF_PROCESS {
            break;
        }
        // Subvolumes of one btrfs show the same device here, but number their inodes
        // separately.
        if seen.insert((mapping.device, mapping.inode, &mapping.path)) {
            files.push(mapping);
        }
    }
    files
}

/// Returns the file of the program that was started.
fn program_file(pid: u32) -> Option<FileIdentity> {
    let program = std::fs::metadata(format!("/proc/{pid}/exe")).ok()?;
    Some(FileIdentity::from_metadata(&program))
}

/// Tells the C library by the names of what is mapped. musl's library is its dynamic
/// linker too, under the name of either; glibc's library is never called `libc.so`, since
/// that file is a text.
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

/// Returns a refusal if a file that cannot be opened is named like a Python interpreter;
/// any other is ignored.
fn unreadable(pid: u32, mapping: &Mapping, error: &io::Error) -> Option<InspectError> {
    if !sounds_like_python(mapping) {
        return None;
    }
    if error.kind() == io::ErrorKind::PermissionDenied {
        return Some(InspectError::Permission { pid });
    }
    Some(InspectError::Unreadable {
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
        let inodes = |program| -> Vec<u64> {
            let files = program_files(&maps, program);
            files.iter().map(|map| map.inode).collect()
        };
        assert_eq!(inodes(Some(1)), [1, 2]);
        assert_eq!(inodes(Some(3)), [1, 2, 3]);
    }

    #[test]
    fn a_python_whose_code_is_in_anonymous_memory_is_looked_at() {
        let writable = |path, inode| Mapping {
            writable: true,
            ..mapping(path, inode, false)
        };
        let maps = [
            mapping("/bin/app", 1, true),
            mapping("/lib/libpython3.12.so.1.0", 2, false),
            writable("/lib/libpython3.12.so.1.0", 2),
            writable("/data/table", 3),
        ];
        let files = program_files(&maps, Some(1));
        let inodes: Vec<u64> = files.iter().map(|map| map.inode).collect();
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
        assert_eq!(unreadable(7, &library, &denied), None);
        let python = mapping("/usr/bin/python3.9", 1, true);
        let error = unreadable(7, &python, &denied);
        assert_eq!(error, Some(InspectError::Permission { pid: 7 }));
        let error = unreadable(7, &python, &gone).map(|error| error.to_string());
        let text = error.expect("a reason");
        assert!(
            text.starts_with("process 7: cannot inspect /usr/bin/python3.9: "),
            "{text}"
        );
    }

    #[test]
    fn the_second_look_remembers_every_file() {
        let mut discovery = Discovery::new();
        let pid = std::process::id();
        assert!(matches!(
            discovery.inspect(pid),
            Err(InspectError::NotPython { .. })
        ));
        let files = discovery.files.len();
        assert!(files > 1, "the test program and its libraries");
        assert!(discovery.probe(pid).is_non_python);
        assert!(matches!(
            discovery.inspect(pid),
            Err(InspectError::NotPython { .. })
        ));
        assert_eq!(discovery.files.len(), files);
    }
}
