// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads objects of a process by their type: the type itself, texts, ints.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use sampler_common::layout::ObjectLayout;
use sampler_common::memory::UserMemory;
use sampler_common::window::Window;

use crate::cpython::text::read_text;
use crate::cpython::thread_names::error::{ThreadNamesError, unreadable};
use crate::cpython::thread_names::layout::{AttributeLayout, IntegerKind};

/// A built-in class that an object belongs to, as the number of the flag that its type
/// has inherited (`Include/object.h`, the same bits from 3.6 to 3.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subclass {
    Integer = 24,
    Text = 28,
    Dict = 29,
    Type = 31,
}

/// `Py_TPFLAGS_INLINE_VALUES` (from 3.13).
const INLINE_VALUES: u64 = 1 << 2;
/// `Py_TPFLAGS_MANAGED_DICT` (from 3.11).
const MANAGED_DICT: u64 = 1 << 4;
/// `Py_TPFLAGS_HEAPTYPE`.
const HEAP_TYPE: u64 = 1 << 9;
/// What one read of all names may cost: its bytes, and [`READ_COST`] more for each system
/// call. Ten thousand threads stay below.
const BUDGET: usize = 64 << 20;
/// A system call costs about as much as copying this many bytes.
const READ_COST: usize = 64;
/// The most types that are remembered during one read of all names.
const MAX_TYPES: usize = 1024;

/// The fields of one type that are used.
#[derive(Clone, Copy, Debug)]
pub(super) struct TypeFacts {
    flags: u64,
    /// `tp_basicsize`, bytes.
    pub(super) basic_size: u64,
    /// `tp_dictoffset`, bytes.
    pub(super) dict_offset: i64,
    /// `ht_cached_keys`, 0 when there are none.
    pub(super) cached_keys: u64,
}

impl TypeFacts {
    pub(super) fn is(&self, class: Subclass) -> bool {
        self.flags & (1 << class as u32) != 0
    }

    pub(super) fn has_managed_dict(&self) -> bool {
        self.flags & MANAGED_DICT != 0
    }

    pub(super) fn has_inline_values(&self) -> bool {
        self.flags & INLINE_VALUES != 0
    }
}

/// The objects of one process, for one read of its thread names.
pub(super) struct Objects<'a, Memory> {
    pub(super) memory: &'a Memory,
    pub(super) object: &'a ObjectLayout,
    pub(super) layout: &'a AttributeLayout,
    types: RefCell<HashMap<u64, TypeFacts>>,
    budget: Cell<usize>,
}

impl<'a, Memory: UserMemory> Objects<'a, Memory> {
    pub(super) fn new(
        memory: &'a Memory,
        object: &'a ObjectLayout,
        layout: &'a AttributeLayout,
    ) -> Self {
        Self {
            memory,
            object,
            layout,
            types: RefCell::default(),
            budget: Cell::new(BUDGET),
        }
    }

    /// Reads the word `offset` bytes after `address`.
    pub(super) fn word(&self, address: u64, offset: u16) -> Result<u64, ThreadNamesError> {
        let mut word = [0; 8];
        self.bytes(address.wrapping_add(u64::from(offset)), &mut word)?;
        Ok(u64::from_ne_bytes(word))
    }

    /// Fills `destination` from `address`.
    pub(super) fn bytes(
        &self,
        address: u64,
        destination: &mut [u8],
    ) -> Result<(), ThreadNamesError> {
        self.spend(destination.len())?;
        self.memory
            .read_bytes(address, destination)
            .map_err(unreadable)
    }

    /// Counts one read of `size` bytes.
    fn spend(&self, size: usize) -> Result<(), ThreadNamesError> {
        let left = self
            .budget
            .get()
            .checked_sub(size.saturating_add(READ_COST));
        self.budget.set(left.ok_or(ThreadNamesError::TooMuch)?);
        Ok(())
    }

    /// Reads the type of the object at `address`.
    pub(super) fn type_of(&self, address: u64) -> Result<TypeFacts, ThreadNamesError> {
        self.type_at(self.word(address, self.object.ob_type)?)
    }

    /// Returns an error for an object that is not of `class`.
    pub(super) fn require(&self, address: u64, class: Subclass) -> Result<(), ThreadNamesError> {
        if self.type_of(address)?.is(class) {
            Ok(())
        } else {
            Err(ThreadNamesError::Unexpected { address })
        }
    }

    fn type_at(&self, address: u64) -> Result<TypeFacts, ThreadNamesError> {
        if let Some(&known) = self.types.borrow().get(&address) {
            return Ok(known);
        }
        let layout = &self.layout.types;
        // A type is an object whose own type is a kind of `type`.
        let metatype = self.word(address, self.object.ob_type)?;
        let metatype_flags = self.word(metatype, layout.flags)?;
        if metatype_flags & (1 << Subclass::Type as u32) == 0 {
            return Err(ThreadNamesError::Unexpected { address });
        }
        let flags = self.word(address, layout.flags)?;
        let cached_keys = match flags & (HEAP_TYPE | MANAGED_DICT) {
            both if both == HEAP_TYPE | MANAGED_DICT => self.word(address, layout.cached_keys)?,
            _ => 0,
        };
        let facts = TypeFacts {
            flags,
            basic_size: self.word(address, layout.basic_size)?,
            dict_offset: self.word(address, layout.dict_offset)?.cast_signed(),
            cached_keys,
        };
        let mut types = self.types.borrow_mut();
        if types.len() < MAX_TYPES {
            types.insert(address, facts);
        }
        Ok(facts)
    }

    /// Reads the `str` at `address`, cut after `limit` characters.
    pub(super) fn text(&self, address: u64, limit: usize) -> Result<String, ThreadNamesError> {
        self.require(address, Subclass::Text)?;
        self.spend(limit.saturating_mul(4))?;
        read_text(self.memory, self.object, address, limit)
            .map_err(|source| ThreadNamesError::Text { source })
    }

    /// Whether the object at `address` is a `str` equal to `wanted`.
    pub(super) fn is_text(&self, address: u64, wanted: &str) -> Result<bool, ThreadNamesError> {
        let mut header = Window::zeroed();
        self.spend(usize::from(self.object.str_ascii_data))?;
        header
            .load(self.memory, address, self.object.str_ascii_data)
            .map_err(unreadable)?;
        let class = self.type_at(header.u64_at(self.object.ob_type))?;
        if !class.is(Subclass::Text) || header.u64_at(self.object.str_length) != wanted.len() as u64
        {
            return Ok(false);
        }
        Ok(self.text(address, wanted.len())? == wanted)
    }

    /// Reads the value of the `int` at `address`; `None` when it is negative or needs
    /// more than 64 bits.
    pub(super) fn integer(&self, address: u64) -> Result<Option<u64>, ThreadNamesError> {
        self.require(address, Subclass::Integer)?;
        let size = self.word(address, self.layout.integer_size)?;
        let digit_count = match self.layout.integer {
            IntegerKind::SignedSize => size,
            IntegerKind::Tag if size & 3 == 0 => size >> 3,
            IntegerKind::Tag => return Ok(None),
        };
        // A digit has 30 bits in 4 bytes, the lowest digit first
        // (`Include/cpython/longintrepr.h`).
        if !(1..=3).contains(&digit_count) {
            return Ok(None);
        }
        let mut digits = [0; 12];
        let first = address.wrapping_add(u64::from(self.layout.integer_size) + 8);
        let Some(used) = digits.get_mut(..digit_count as usize * 4) else {
            return Ok(None);
        };
        self.bytes(first, used)?;
        let (digits, _) = digits.as_chunks();
        let value = digits.iter().rev().fold(0_u128, |value, &digit| {
            value << 30 | u128::from(u32::from_ne_bytes(digit))
        });
        Ok(u64::try_from(value).ok())
    }
}
