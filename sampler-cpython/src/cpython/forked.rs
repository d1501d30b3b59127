// SPDX-License-Identifier: MIT OR Apache-2.0

//! Recognises a process that was forked from one already inspected, or from a common
//! parent. The workers of a pool, however many, are one program at the same addresses, so
//! one look is enough for all.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;

use sampler_common::memory::UserMemory;

use crate::cpython::instance::Instance;
use crate::process::mapped_file::FileIdentity;
use crate::process::memory::ProcessMemory;
use crate::process::proc_stat::{MemoryPlaces, memory_places};

/// The most program starts that are remembered; beyond that, all are forgotten.
const MAX_STARTS: usize = 4096;

/// One start of a program. The kernel puts the parts of its memory at random places,
/// which a fork keeps and the next start does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Start {
    places: MemoryPlaces,
    program: FileIdentity,
}

impl Start {
    /// Returns the start of the process `pid`; `None` if the kernel does not show it.
    pub(super) fn read(pid: u32) -> Option<Self> {
        let places = memory_places(pid)?;
        let program = fs::metadata(format!("/proc/{pid}/exe")).ok()?;
        Some(Self {
            places,
            program: FileIdentity::from_metadata(&program),
        })
    }
}

/// What was found in a process.
#[derive(Debug)]
struct Found {
    instance: Instance,
    /// Address of its newest interpreter.
    interpreter: u64,
}

/// The program starts in which an interpreter was found.
#[derive(Debug, Default)]
pub(super) struct Starts(HashMap<Start, Found>);

impl Starts {
    /// Returns the interpreter of the process that `memory` belongs to, if it is a fork
    /// of a known one.
    pub(super) fn find(&self, start: &Start, memory: &ProcessMemory) -> Option<Instance> {
        let found = self.0.get(start)?;
        // The new instance includes what was learnt about the build since then.
        let instance = Instance {
            key_counts: found.instance.key_counts,
            others: found.instance.others.clone(),
            ..Instance::new(
                Arc::clone(&found.instance.runtime),
                found.instance.bias,
                found.instance.c_library,
                found.instance.is_program,
            )
        };
        // Without random places, two starts can look alike; then the library with the
        // interpreter may be elsewhere, or not loaded yet.
        (newest_interpreter(memory, &instance) == Some(found.interpreter)).then_some(instance)
    }

    /// Remembers `instance` as the interpreter of the process that `memory` belongs to.
    pub(super) fn note(&mut self, start: Start, memory: &ProcessMemory, instance: &Instance) {
        let Some(interpreter) = newest_interpreter(memory, instance) else {
            return;
        };
        if self.0.len() >= MAX_STARTS {
            self.0.clear();
        }
        let found = Found {
            instance: instance.clone(),
            interpreter,
        };
        self.0.insert(start, found);
    }
}

/// Returns the address of the newest interpreter; `None` if none has been started yet.
fn newest_interpreter(memory: &impl UserMemory, instance: &Instance) -> Option<u64> {
    let head = instance.runtime.layout.runtime.interpreters_head;
    let at = instance.runtime_address.wrapping_add(head.into());
    memory.read_u64(at).ok().filter(|address| *address != 0)
}
