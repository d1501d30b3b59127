// SPDX-License-Identifier: MIT OR Apache-2.0

//! One process that runs a known build of CPython: where the interpreter lies in it, and
//! what the eBPF program needs to sample it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use sampler_common::layout::{ABSENT, RuntimeLayout};
use sampler_common::life::{KEY_SIZE, KEYS};
use sampler_common::memory::UserMemory;
use sampler_common::process::{CodeGeneration, LifePlace, ProcessConfig, ProcessKey, ProcessState};
use sampler_common::thread_state::{INLINE_KEYS, specific_slot};

use crate::cpython::c_library::{CLibrary, has_record_of};
use crate::cpython::layout_row::CodeCount;
use crate::cpython::runtime::Runtime;
use crate::cpython::thread_names::layout::AttributeLayout;
use crate::cpython::thread_names::{InternedNames, ThreadNameReader, Wanted};
use crate::cpython::version::PythonVersion;
use crate::cpython::{code_count, code_type, tls_slot};

/// The most interpreters of one process that are read, besides the main one.
const MAX_INTERPRETERS: usize = 4096;

/// Stands for an address that is not known.
pub const NOWHERE: u64 = u64::MAX;

/// A process that runs CPython.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The build it runs.
    pub runtime: Arc<Runtime>,
    /// The load bias: what was added to the addresses of the build's file.
    pub bias: u64,
    /// Address of `_PyRuntime` in the process.
    pub runtime_address: u64,
    /// Address of `PyCode_Type` in the process; [`NOWHERE`] while it is not known.
    pub code_type_address: u64,
    /// Its C library.
    pub c_library: CLibrary,
    /// Whether the interpreter is the program itself, rather than a library in it.
    pub is_program: bool,
    /// Distance from the thread pointer to the slot of the thread's state; 0 while
    /// unknown.
    pub tls_offset: i64,
    /// If not 0, `tls_offset` is an offset in the thread-local block of this module.
    pub tls_module: u32,
    /// Address of glibc's `__pthread_keys`; 0 where it is not known.
    pub key_counts: u64,
    /// The versions of other interpreters that run in the process.
    pub others: Vec<PythonVersion>,
    /// The first key whose count is read.
    pub(super) first_key: usize,
}

/// `PTHREAD_KEYS_MAX` of glibc.
const MAX_KEYS: usize = 1024;
/// The most threads whose records are checked to tell the C library.
const THREADS_ASKED: usize = 16;
/// How many keys after the last one in use have their counts read too.
const KEYS_TO_COME: usize = KEYS / 2;

impl Instance {
    /// Returns a process that has `runtime` at the load bias `bias`.
    pub(crate) fn new(
        runtime: Arc<Runtime>,
        bias: u64,
        c_library: CLibrary,
        is_program: bool,
    ) -> Self {
        let known = runtime
            .addresses
            .tls_offset
            .or_else(|| runtime.learned_tls_offset.get().copied())
            .filter(|_| is_program);
        Self {
            runtime_address: bias.wrapping_add(runtime.addresses.runtime),
            code_type_address: runtime
                .addresses
                .code_type
                .map_or(NOWHERE, |address| bias.wrapping_add(address)),
            key_counts: runtime
                .addresses
                .key_counts
                .map_or(0, |address| bias.wrapping_add(address)),
            runtime,
            bias,
            c_library,
            is_program,
            tls_offset: known.unwrap_or(0),
            tls_module: 0,
            others: Vec::new(),
            first_key: 0,
        }
    }

    /// Returns where the interpreter's file is mapped in the process.
    pub fn file_addresses(&self) -> Range<u64> {
        let span = &self.runtime.span;
        self.bias.wrapping_add(span.start)..self.bias.wrapping_add(span.end)
    }

    /// Returns what the eBPF program needs to sample it as `key`.
    pub fn config(&self, key: ProcessKey) -> ProcessConfig {
        ProcessConfig {
            key,
            runtime: self.runtime_address,
            code_type: self.code_type_address,
            tls_offset: self.tls_offset,
            thread_specific: self.c_library.thread_specific(),
            code_generation: self.code_generation(),
            gil: self.runtime.gil,
            life: self.life_place(),
            state: ProcessState::Sampled as u32,
            tls_module: self.tls_module,
            layout: self.runtime.layout,
        }
    }

    /// Returns what distinguishes one life of an interpreter from the next.
    fn life_place(&self) -> LifePlace {
        let first = (self.first_key * KEY_SIZE) as u64;
        LifePlace {
            key_counts: match self.key_counts {
                0 => 0,
                counts => counts.wrapping_add(first),
            },
            ..self.runtime.life
        }
    }

    /// Finds out which keys of the C library are in use. The runtime's key is among the
    /// last of them, unless other code takes a great many after it.
    fn learn_first_key(&mut self, memory: &impl UserMemory) {
        let mut keys = vec![0; MAX_KEYS * KEY_SIZE];
        if self.key_counts == 0 || memory.read_bytes(self.key_counts, &mut keys).is_err() {
            return;
        }
        // The count of a key that is in use is odd.
        let (keys, _) = keys.as_chunks::<KEY_SIZE>();
        let last = keys.iter().rposition(|key| key[0] & 1 == 1).unwrap_or(0);
        let end = (last + 1 + KEYS_TO_COME).clamp(KEYS, MAX_KEYS);
        self.first_key = end - KEYS;
    }

    /// Whether [`Instance::learn_tls_offset`] could still make finding a thread's state
    /// faster: no slot is known yet.
    pub fn lacks_tls_offset(&self) -> bool {
        let runtime = &self.runtime.layout.runtime;
        let has_another_way = runtime.tss_struct == ABSENT && runtime.tstate_current != ABSENT;
        self.tls_offset == 0 && !has_another_way && !self.has_no_near_slots()
    }

    /// Whether the values of keys are behind a pointer rather than in the thread's own
    /// record, or their place is not known.
    fn has_no_near_slots(&self) -> bool {
        let place = self.c_library.thread_specific();
        self.runtime.layout.runtime.tss_struct != ABSENT
            && (place.indirect != 0 || place.stride == 0)
    }

    /// Learns what only a running interpreter shows, and what makes samples cheaper.
    /// Returns whether there was something new.
    pub fn learn(&mut self, memory: &impl UserMemory) -> bool {
        self.learn_first_key(memory);
        let has_library = self.lacks_c_library() && self.learn_c_library(memory);
        let has_type = self.lacks_code_type() && self.learn_code_type(memory);
        let has_slot = self.lacks_tls_offset() && self.learn_tls_offset(memory);
        let has_count = self.lacks_code_count() && self.learn_code_count(memory);
        has_library || has_type || has_slot || has_count
    }

    /// Whether nothing can be sampled before [`Instance::learn`] has seen the interpreter
    /// run Python code, because its file does not name the type of code objects.
    pub fn lacks_code_type(&self) -> bool {
        self.code_type_address == NOWHERE
    }

    /// Whether the C library is not known: it may be linked statically.
    pub fn lacks_c_library(&self) -> bool {
        self.c_library == CLibrary::Unknown
    }

    /// Tells the C library by its own record of a thread and, to 3.14, by the thread's
    /// slot of the interpreter's key, which must hold the thread's state.
    fn learn_c_library(&mut self, memory: &impl UserMemory) -> bool {
        let layout = &self.runtime.layout;
        let states = tls_slot::thread_states(memory, layout, self.runtime_address);
        let states = states.get(..states.len().min(THREADS_ASKED));
        let fits = |library: &CLibrary| {
            let config = ProcessConfig {
                thread_specific: library.thread_specific(),
                ..self.config(ProcessKey(1))
            };
            let mut states = states.unwrap_or_default().iter();
            states.any(|state| {
                let slot = specific_slot(memory, &config, state.thread_pointer);
                let by_key = layout.runtime.tss_struct == ABSENT || slot == Ok(Some(state.address));
                by_key && has_record_of(memory, *library, state.thread_pointer)
            })
        };
        let found = [CLibrary::Glibc, CLibrary::Musl].into_iter().find(fits);
        self.c_library = found.unwrap_or(CLibrary::Unknown);
        found.is_some()
    }

    /// Finds the type of code objects. The result is not kept for other processes: each
    /// of them could have forged it.
    fn learn_code_type(&mut self, memory: &impl UserMemory) -> bool {
        let found = code_type::find(memory, &self.runtime.layout, self.runtime_address);
        self.code_type_address = found.unwrap_or(NOWHERE);
        found.is_some()
    }

    /// Returns where the process counts its code objects, if that is certain.
    pub fn code_generation(&self) -> CodeGeneration {
        match self.runtime.code_count {
            CodeCount::Static => CodeGeneration {
                address: self
                    .runtime
                    .addresses
                    .next_version
                    .map_or(0, |address| self.bias.wrapping_add(address)),
                offset: 0,
                counts_versions: 1,
            },
            CodeCount::NextVersion { offset, .. } if !self.lacks_code_count() => CodeGeneration {
                address: 0,
                offset,
                counts_versions: 1,
            },
            CodeCount::Generation { offset } => CodeGeneration {
                address: 0,
                offset,
                counts_versions: 0,
            },
            CodeCount::None | CodeCount::NextVersion { .. } => CodeGeneration::NONE,
        }
    }

    /// Whether [`Instance::learn_code_count`] could still make walks cheaper.
    pub fn lacks_code_count(&self) -> bool {
        matches!(self.runtime.code_count, CodeCount::NextVersion { .. })
            && self.runtime.code_count_holds.get().is_none()
    }

    /// Checks where code objects are counted, for this and every later process that runs
    /// this build. Returns whether it is certain now.
    pub fn learn_code_count(&self, memory: &impl UserMemory) -> bool {
        let CodeCount::NextVersion { initial_thread, .. } = self.runtime.code_count else {
            return false;
        };
        let layout = &self.runtime.layout;
        let holds = |interpreter: &u64| {
            code_count::has_landmark(memory, layout, *interpreter, initial_thread)
        };
        if self.interpreters(memory).iter().any(holds) {
            // Another process may have been first.
            let _ = self.runtime.code_count_holds.set(());
        }
        !self.lacks_code_count()
    }

    /// Returns the names that Python gave the threads `wanted` of the process, by
    /// `threading.get_ident()`. Missing are those of an interpreter that cannot be read,
    /// or whose build has unknown dicts. `interned` is kept from one call for the process
    /// to the next.
    pub fn thread_names(
        &self,
        memory: &impl UserMemory,
        wanted: Wanted<'_>,
        interned: &InternedNames,
    ) -> BTreeMap<u64, String> {
        let version = &self.runtime.version;
        let known = AttributeLayout::of_version(version.minor, version.free_threaded);
        let Some(layout) = known else {
            return BTreeMap::new();
        };
        let reader = ThreadNameReader {
            memory,
            object: &self.runtime.layout.object,
            layout,
            imports_modules: self.runtime.names.interp_imports_modules,
            interned,
        };
        let mut names = BTreeMap::new();
        for interpreter in self.interpreters(memory) {
            // The main interpreter comes last in the list, and wins.
            names.extend(reader.read(interpreter, wanted).unwrap_or_default());
        }
        names
    }

    /// Returns the addresses of the interpreters, the main one last.
    pub(super) fn interpreters(&self, memory: &impl UserMemory) -> Vec<u64> {
        // 3.6 has no pointer to the main one.
        let has_main = self.runtime.version.minor >= 7;
        let layout = &self.runtime.layout.runtime;
        interpreters(memory, layout, self.runtime_address, has_main)
    }

    /// Returns the slot of the key in `_PyRuntime`. The key stays the same as long as the
    /// process lives, forks included.
    fn slot_of_key(&self, memory: &impl UserMemory) -> Option<i64> {
        let at = u64::from(self.runtime.layout.runtime.tss_struct);
        let key = memory
            .read_u64(self.runtime_address.wrapping_add(at))
            .ok()?;
        let (is_initialised, key) = (key as u32, key >> 32);
        let place = self.c_library.thread_specific();
        let is_known = place.stride != 0 && place.indirect == 0;
        if is_initialised == 0 || !is_known || key >= u64::from(INLINE_KEYS) {
            return None;
        }
        let entry = u64::from(place.offset) + key * u64::from(place.stride);
        i64::try_from(entry + u64::from(place.value)).ok()
    }

    /// Searches the process for the slot; `None` when no place fits, or several do. While
    /// the only thread is running, several usually do; a later try may find it waiting.
    pub fn find_tls_offset(&self, memory: &impl UserMemory) -> Option<i64> {
        tls_slot::find_offset(memory, &self.runtime.layout, self.runtime_address)
    }

    /// Searches for the slot in the block of a library that was loaded late. This comes
    /// first: what is near the thread pointer may be the stack of a thread that has no
    /// slot there.
    fn find_tls_block(&self, memory: &impl UserMemory) -> Option<(u32, i64)> {
        if self.is_program || self.c_library != CLibrary::Glibc {
            return None;
        }
        tls_slot::find_in_blocks(memory, &self.runtime.layout, self.runtime_address)
    }

    /// Finds the slot and keeps it: by the interpreter's key (to 3.14), or by a search,
    /// whose result is also kept for every later process if the interpreter is the
    /// program itself. Returns whether the slot is known now.
    pub fn learn_tls_offset(&mut self, memory: &impl UserMemory) -> bool {
        if self.runtime.layout.runtime.tss_struct != ABSENT {
            self.tls_offset = self.slot_of_key(memory).unwrap_or(0);
        } else if let Some((module, offset)) = self.find_tls_block(memory) {
            (self.tls_module, self.tls_offset) = (module, offset);
        } else if let Some(offset) = self.find_tls_offset(memory) {
            self.tls_offset = offset;
            if self.is_program {
                // Another process may have been first; both are right.
                let _ = self.runtime.learned_tls_offset.set(offset);
            }
        }
        self.tls_offset != 0
    }
}

/// Returns the addresses of the interpreters, newest first as in the list. With
/// `has_main`, the main one, which is the oldest, is found without the list: that may be
/// long, or change during the read.
fn interpreters(
    memory: &impl UserMemory,
    layout: &RuntimeLayout,
    runtime: u64,
    has_main: bool,
) -> Vec<u64> {
    let head = runtime.wrapping_add(u64::from(layout.interpreters_head));
    let mut found = Vec::new();
    let mut link = head;
    while let Ok(interpreter) = memory.read_u64(link)
        && interpreter != 0
        && found.len() < MAX_INTERPRETERS
    {
        found.push(interpreter);
        link = interpreter.wrapping_add(u64::from(layout.interp_next));
    }
    // `_PyRuntime.interpreters`: `head`, then `main`.
    if has_main
        && let Ok(main) = memory.read_u64(head.wrapping_add(8))
        && main != 0
        && !found.contains(&main)
    {
        found.push(main);
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::cpython::layout_table::row;
    use crate::cpython::test_words::Words;

    const RUNTIME: u64 = 0x10_0000;

    /// Reads a process with `count` interpreters, the last in the list being the main
    /// one.
    fn found(count: u64) -> (Vec<u64>, u64) {
        let row = row(PythonVersion::minor_only(3, 13)).expect("a row");
        let layout = &row.layout.runtime;
        let address = |number: u64| 0x7000_0000 + number * 0x10_0000;
        let head = RUNTIME + u64::from(layout.interpreters_head);
        let main = address(count - 1);
        let mut words = HashMap::from([(head, address(0)), (head + 8, main)]);
        for number in 0..count {
            let next = address(number) + u64::from(layout.interp_next);
            let behind = match number + 1 < count {
                true => address(number + 1),
                false => 0,
            };
            words.insert(next, behind);
        }
        (interpreters(&Words(words), layout, RUNTIME, true), main)
    }

    #[test]
    fn the_main_interpreter_is_never_lost() {
        for count in [1, 2, 63, 64, 65, 71, 4096, 4097, 6000] {
            let (found, main) = found(count);
            assert_eq!(found.last(), Some(&main), "{count}");
            let expected = (count as usize).min(MAX_INTERPRETERS + 1);
            assert_eq!(found.len(), expected, "{count}");
        }
    }
}
