// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the names that Python code gave its threads, `threading.Thread.name`, by thread
//! identifier. The kernel's own names of threads are not read here.
//!
//! `sys.modules` leads to the module `threading`, its `_active` to the `Thread` of each
//! identifier, and the `_name` of that to the name (`Lib/threading.py`, these four names
//! from 3.6 to 3.15).

pub mod dict;
pub mod error;
pub mod instance;
pub mod layout;
pub mod objects;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sampler_common::layout::ObjectLayout;
use sampler_common::memory::UserMemory;

use crate::cpython::thread_names::dict::Entry;
use crate::cpython::thread_names::error::ThreadNamesError;
use crate::cpython::thread_names::instance::Name;
use crate::cpython::thread_names::layout::AttributeLayout;
use crate::cpython::thread_names::objects::Objects;

/// The most characters of a thread's name; longer names are cut.
const MAX_NAME: usize = 256;
/// How often a read is attempted while the process changes what is read.
const ATTEMPTS: u32 = 8;

/// The threads whose names are read.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// All threads of the process.
    All,
    /// The threads with these identifiers, and all others where there are few. An
    /// unwanted thread costs nothing but its place in the dict.
    Only(&'a BTreeSet<u64>),
}

/// Up to this many threads, the names of all are read, so that they are there by a
/// thread's first sample.
const FEW: usize = 256;

impl Wanted<'_> {
    /// Whether an entry whose key is an identifier can be one of these threads'.
    fn can_be(self, entry: &Entry) -> bool {
        match (self, entry.hash) {
            (Self::All, _) | (_, None) => true,
            // The hash of an `int` below 2^61 - 1 is that number, and identifiers
            // are addresses (`long_hash`, `Objects/longobject.c`, 3.6 to 3.15).
            (Self::Only(idents), Some(hash)) => idents.contains(&hash),
        }
    }
}

/// Where one process keeps the names of its threads.
#[derive(Clone, Copy, Debug)]
pub struct ThreadNameReader<'a, Memory> {
    /// The memory of the process.
    pub memory: &'a Memory,
    /// The layout of its objects and texts.
    pub object: &'a ObjectLayout,
    /// The layout of its dicts, ints and instances.
    pub layout: &'a AttributeLayout,
    /// Offset of `PyInterpreterState.imports.modules` (`.modules` to 3.11), in bytes.
    pub imports_modules: u32,
    /// Where the process had the names of the attributes on the way when they were found
    /// last.
    pub interned: &'a InternedNames,
}

impl<Memory: UserMemory> ThreadNameReader<'_, Memory> {
    /// Returns the names of the threads `wanted` of the interpreter whose
    /// `PyInterpreterState` is at `interpreter`, by `PyThreadState.thread_id`.
    ///
    /// Empty if it never imported `threading`. A thread whose name is not a `str` or
    /// cannot be read consistently is left out; names are cut after 256 characters. The
    /// read costs some 40 system calls per thread and, the first time, one per module.
    ///
    /// # Errors
    /// [`ThreadNamesError`] when the way to the threads cannot be read. A name that the
    /// thread did not have is never returned.
    pub fn read(
        &self,
        interpreter: u64,
        wanted: Wanted<'_>,
    ) -> Result<BTreeMap<u64, String>, ThreadNamesError> {
        let objects = Objects::new(self.memory, self.object, self.layout);
        let mut found = Found::default();
        let mut result = self.attempt(&objects, interpreter, wanted, &mut found);
        for _ in 1..ATTEMPTS {
            if matches!(result, Ok(()) | Err(ThreadNamesError::TooMuch)) {
                break;
            }
            result = self.attempt(&objects, interpreter, wanted, &mut found);
        }
        result.map(|()| found.names)
    }

    /// Adds the names that this attempt finds to those of earlier ones.
    fn attempt(
        &self,
        objects: &Objects<'_, Memory>,
        interpreter: u64,
        wanted: Wanted<'_>,
        found: &mut Found,
    ) -> Result<(), ThreadNamesError> {
        let interned = self.interned;
        let slot = interpreter.wrapping_add(u64::from(self.imports_modules));
        let modules = objects.dict(objects.word(slot, 0)?)?;
        let Some(threading) = objects.item(&modules, &interned.threading)? else {
            return Ok(());
        };
        let module = objects.dict(objects.word(threading, self.layout.module_dict)?)?;
        let Some(active) = objects.item(&module, &interned.active)? else {
            return Ok(());
        };
        let active = objects.dict_copy(active)?;
        let mut idents = HashSet::new();
        for entry in &active.entries {
            let is_wanted = active.entries.len() <= FEW || wanted.can_be(entry);
            if !is_wanted || found.threads.contains(&(entry.key, entry.value)) {
                continue;
            }
            let read = named(objects, entry, interned);
            // The remains of a thread that has ended look like a thread.
            if !objects.still_has(&active, entry)? {
                continue;
            }
            let Some((ident, name)) = read else { continue };
            if !idents.insert(ident) {
                // One of the two was not alive when its identifier was read.
                *found = Found::default();
                let address = entry.key;
                return Err(ThreadNamesError::Changed { address });
            }
            found.threads.insert((entry.key, entry.value));
            found.names.insert(ident, name);
        }
        if let Some((ident, name)) = main_thread(objects, &module, interned) {
            found.names.entry(ident).or_insert(name);
        }
        Ok(())
    }
}

/// What the attempts have found so far.
#[derive(Default)]
struct Found {
    names: BTreeMap<u64, String>,
    /// The keys and values in `_active` of these threads.
    threads: HashSet<(u64, u64)>,
}

/// The names that are looked up on the way. CPython interns them, so they stay where they
/// are: whoever reads the names of one process again and again keeps this, and spares most
/// of the system calls.
#[derive(Debug)]
pub struct InternedNames {
    threading: Name,
    active: Name,
    main_thread: Name,
    ident: Name,
    name: Name,
}

impl Default for InternedNames {
    fn default() -> Self {
        Self {
            threading: Name::new("threading"),
            active: Name::new("_active"),
            main_thread: Name::new("_main_thread"),
            ident: Name::new("_ident"),
            name: Name::new("_name"),
        }
    }
}

/// Returns the identifier and the name of one entry of `_active`, if both can be read.
fn named<Memory: UserMemory>(
    objects: &Objects<'_, Memory>,
    entry: &Entry,
    interned: &InternedNames,
) -> Option<(u64, String)> {
    let ident = objects.integer(entry.key).ok()??;
    Some((ident, thread_name(objects, entry.value, interned)?))
}

/// Returns the name of the `Thread` at `thread`, if it is the same before and after the
/// read.
fn thread_name<Memory: UserMemory>(
    objects: &Objects<'_, Memory>,
    thread: u64,
    interned: &InternedNames,
) -> Option<String> {
    let text = objects.attribute(thread, &interned.name).ok()??;
    let name = objects.text(text, MAX_NAME).ok()?;
    (objects.attribute(thread, &interned.name).ok()?? == text).then_some(name)
}

/// Returns the identifier and the name of the main thread, whose variable is still set
/// when a fork or a framework has emptied `_active`.
fn main_thread<Memory: UserMemory>(
    objects: &Objects<'_, Memory>,
    module: &[Entry],
    interned: &InternedNames,
) -> Option<(u64, String)> {
    let thread = objects.item(module, &interned.main_thread).ok()??;
    let ident = objects.attribute(thread, &interned.ident).ok()??;
    let ident = objects.integer(ident).ok()??;
    Some((ident, thread_name(objects, thread, interned)?))
}
