//! One process that runs a known build of CPython: where it lies there, and what
//! the kernel side is told of it. It refuses to know how it was found.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use sampler_common::layout::ABSENT;
use sampler_common::memory::UserMemory;
use sampler_common::process::{
    CodeGeneration, ProcessConfig, ProcessKey, ProcessState, ThreadSpecificData,
};
use sampler_common::thread_state::INLINE_KEYS;

use crate::cpython::code_count;
use crate::cpython::code_type;
use crate::cpython::layout_table::CodeCount;
use crate::cpython::runtime::Runtime;
use crate::cpython::thread_names::layout::AttributeLayout;
use crate::cpython::thread_names::{ThreadNames, Wanted};
use crate::cpython::tls_slot;

/// Most interpreters of one process whose threads are asked for names.
const MAX_INTERPRETERS: usize = 64;

/// The address of nothing.
pub const NOWHERE: u64 = u64::MAX;

/// The C library of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CLibrary {
    /// The GNU C library.
    Glibc,
    /// musl.
    Musl,
    /// One that is linked statically: its threads are found by the slower way, the
    /// list of all threads.
    Unknown,
}

impl CLibrary {
    /// Where it keeps the values of `pthread_getspecific` on x86_64.
    fn thread_specific(self) -> ThreadSpecificData {
        match self {
            // struct pthread.specific_1stblock, same in 2.31 to 2.44.
            Self::Glibc => ThreadSpecificData {
                offset: 0x310,
                stride: 16,
                value: 8,
                indirect: 0,
            },
            // struct pthread.tsd, musl 1.2.
            Self::Musl => ThreadSpecificData {
                offset: 0x80,
                stride: 8,
                value: 0,
                indirect: 1,
            },
            Self::Unknown => ThreadSpecificData::UNKNOWN,
        }
    }
}

/// A process that runs CPython.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The build it runs.
    pub runtime: Arc<Runtime>,
    /// What was added to the addresses of the build's file.
    pub bias: u64,
    /// Address of `_PyRuntime` in the process.
    pub runtime_address: u64,
    /// Address of `PyCode_Type` in the process; [`NOWHERE`] while it is not known.
    pub code_type_address: u64,
    /// Its C library.
    pub c_library: CLibrary,
    /// Whether the interpreter is the program itself, not a library in it.
    pub is_program: bool,
    /// Distance of the state's slot from the thread pointer; 0 while unknown.
    pub tls_offset: i64,
}

impl Instance {
    /// A process that has `runtime` at `bias`.
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
            runtime,
            bias,
            c_library,
            is_program,
            tls_offset: known.unwrap_or(0),
        }
    }

    /// Where the interpreter's file is in the process.
    pub fn file_addresses(&self) -> Range<u64> {
        let span = &self.runtime.span;
        self.bias.wrapping_add(span.start)..self.bias.wrapping_add(span.end)
    }

    /// What the kernel side needs to sample it as `key`.
    pub fn config(&self, key: ProcessKey) -> ProcessConfig {
        ProcessConfig {
            key,
            runtime: self.runtime_address,
            code_type: self.code_type_address,
            tls_offset: self.tls_offset,
            thread_specific: self.c_library.thread_specific(),
            code_generation: self.code_generation(),
            gil: self.runtime.gil,
            state: ProcessState::Sampled as u32,
            reserved: 0,
            layout: self.runtime.layout,
        }
    }

    /// Whether [`Instance::learn_tls_offset`] could still make it faster to
    /// find a thread's state: no slot is known yet.
    pub fn lacks_tls_offset(&self) -> bool {
        let runtime = &self.runtime.layout.runtime;
        let has_another_way = runtime.tss_struct == ABSENT && runtime.tstate_current != ABSENT;
        self.tls_offset == 0 && !has_another_way && !self.has_no_near_slots()
    }

    /// Whether the values of keys are behind a pointer, not beside it, or nobody
    /// knows where.
    fn has_no_near_slots(&self) -> bool {
        let place = self.c_library.thread_specific();
        self.runtime.layout.runtime.tss_struct != ABSENT
            && (place.indirect != 0 || place.stride == 0)
    }

    /// Finds out what makes samples cheaper and what only a running interpreter
    /// shows. Returns whether there was something new.
    pub fn learn(&mut self, memory: &impl UserMemory) -> bool {
        let has_type = self.lacks_code_type() && self.learn_code_type(memory);
        let has_slot = self.lacks_tls_offset() && self.learn_tls_offset(memory);
        let has_count = self.lacks_code_count() && self.learn_code_count(memory);
        has_type || has_slot || has_count
    }

    /// Whether nothing can be sampled before [`Instance::learn`] has seen the
    /// interpreter run Python code: its file does not name the type of code.
    pub fn lacks_code_type(&self) -> bool {
        self.code_type_address == NOWHERE
    }

    /// Not kept for other processes: each of them could have forged it.
    fn learn_code_type(&mut self, memory: &impl UserMemory) -> bool {
        let found = code_type::find(memory, &self.runtime.layout, self.runtime_address);
        self.code_type_address = found.unwrap_or(NOWHERE);
        found.is_some()
    }

    /// Where its code objects are counted, if that is certain.
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

    /// Checks the place of the count of code objects, for this and every later
    /// process that runs this build. Returns whether it is certain now.
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

    /// The names that Python gave the threads `wanted` of the process, by
    /// `threading.get_ident()`. Those of an interpreter that cannot be read, or
    /// that is of a build without known dicts, are missing.
    pub fn thread_names(
        &self,
        memory: &impl UserMemory,
        wanted: Wanted<'_>,
    ) -> BTreeMap<u64, String> {
        let version = &self.runtime.version;
        let known = AttributeLayout::of_version(version.minor, version.free_threaded);
        let Some(layout) = known else {
            return BTreeMap::new();
        };
        let reader = ThreadNames {
            memory,
            object: &self.runtime.layout.object,
            layout,
            imports_modules: self.runtime.names.interp_imports_modules,
        };
        let mut names = BTreeMap::new();
        for interpreter in self.interpreters(memory) {
            // The main interpreter comes last in the list, and wins.
            names.extend(reader.read(interpreter, wanted).unwrap_or_default());
        }
        names
    }

    /// The addresses of the interpreters, the main one last.
    pub(super) fn interpreters(&self, memory: &impl UserMemory) -> Vec<u64> {
        let runtime = &self.runtime.layout.runtime;
        let mut found = Vec::new();
        let mut link = self
            .runtime_address
            .wrapping_add(u64::from(runtime.interpreters_head));
        while let Ok(interpreter) = memory.read_u64(link)
            && interpreter != 0
            && found.len() < MAX_INTERPRETERS
        {
            found.push(interpreter);
            link = interpreter.wrapping_add(u64::from(runtime.interp_next));
        }
        found
    }

    /// The slot that the key in `_PyRuntime` stands for; the key stays the same
    /// as long as the process lives, forks included.
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

    /// Searches the process for the slot.
    /// `None` when none fits, or several do: while the only thread is running
    /// that is the rule, and a later try may find it waiting.
    pub fn find_tls_offset(&self, memory: &impl UserMemory) -> Option<i64> {
        tls_slot::find_offset(memory, &self.runtime.layout, self.runtime_address)
    }

    /// Finds the slot and keeps it: by the key that the interpreter has (to
    /// 3.14), or by a search, whose result is kept for a program's every later
    /// process too. Returns whether it is known now.
    pub fn learn_tls_offset(&mut self, memory: &impl UserMemory) -> bool {
        if self.runtime.layout.runtime.tss_struct != ABSENT {
            self.tls_offset = self.slot_of_key(memory).unwrap_or(0);
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
