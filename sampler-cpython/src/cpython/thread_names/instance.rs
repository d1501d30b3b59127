// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds attributes of instances and items of dicts by name, wherever a build of CPython
//! keeps them.

use std::cell::Cell;

use sampler_common::memory::UserMemory;

use crate::cpython::thread_names::dict::Entry;
use crate::cpython::thread_names::error::ThreadNamesError;
use crate::cpython::thread_names::layout::InstanceKind;
use crate::cpython::thread_names::objects::{Objects, TypeFacts};

/// A name to look up. Names of attributes are interned, so the address of the first one
/// found is tried first from then on.
#[derive(Debug)]
pub(super) struct Name {
    text: &'static str,
    interned: Cell<u64>,
}

impl Name {
    pub(super) fn new(text: &'static str) -> Self {
        Self {
            text,
            interned: Cell::new(0),
        }
    }
}

impl<Memory: UserMemory> Objects<'_, Memory> {
    /// Returns the value whose key is `name`.
    pub(super) fn item(
        &self,
        entries: &[Entry],
        name: &Name,
    ) -> Result<Option<u64>, ThreadNamesError> {
        let interned = entries
            .iter()
            .find(|entry| entry.key == name.interned.get());
        if let Some(entry) = interned
            && self.is_text(entry.key, name.text)?
        {
            return Ok(Some(entry.value));
        }
        for entry in entries {
            if self.is_text(entry.key, name.text)? {
                name.interned.set(entry.key);
                return Ok(Some(entry.value));
            }
        }
        Ok(None)
    }

    /// Returns the value of the attribute `name` that the instance at `address` itself
    /// has, not its class.
    pub(super) fn attribute(
        &self,
        address: u64,
        name: &Name,
    ) -> Result<Option<u64>, ThreadNamesError> {
        self.item(&self.attributes(address)?, name)
    }

    fn attributes(&self, address: u64) -> Result<Vec<Entry>, ThreadNamesError> {
        let class = self.type_of(address)?;
        if !class.has_managed_dict() {
            return self.dict_at_offset(address, &class);
        }
        match self.layout.instance {
            InstanceKind::DictOffset => self.dict_at_offset(address, &class),
            InstanceKind::ValuesOrDict => match self.word_before(address, 32)? {
                0 => self.dict_behind(self.word_before(address, 24)?),
                values => self.split(class.cached_keys, values),
            },
            InstanceKind::Tagged => match self.word_before(address, 24)? {
                // The tagged word is one less than the address of the values.
                tagged if tagged & 1 == 1 => self.split(class.cached_keys, tagged.wrapping_add(1)),
                dict => self.dict_behind(dict),
            },
            InstanceKind::Inline { dict_before } => match self.word_before(address, dict_before)? {
                0 if class.has_inline_values() => {
                    self.split(class.cached_keys, address.wrapping_add(class.basic_size))
                }
                dict => self.dict_behind(dict),
            },
        }
    }

    fn dict_at_offset(
        &self,
        address: u64,
        class: &TypeFacts,
    ) -> Result<Vec<Entry>, ThreadNamesError> {
        match u16::try_from(class.dict_offset) {
            Ok(0) => Ok(Vec::new()),
            Ok(offset) => self.dict_behind(self.word(address, offset)?),
            // Negative for types of variable size, which no thread has.
            Err(_) => Err(ThreadNamesError::Unexpected { address }),
        }
    }

    /// Reads the dict at `address`; empty if it was never made.
    fn dict_behind(&self, address: u64) -> Result<Vec<Entry>, ThreadNamesError> {
        match address {
            0 => Ok(Vec::new()),
            address => self.dict(address),
        }
    }

    fn word_before(&self, address: u64, distance: u16) -> Result<u64, ThreadNamesError> {
        self.word(address.wrapping_sub(u64::from(distance)), 0)
    }
}
