// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds where a field lies in a structure of the running kernel, by the BTF that the
//! kernel publishes.
//!
//! `Documentation/bpf/btf.rst` describes the format. This is a small reader of our own,
//! because aya's does not show the members of structures.

use std::path::{Path, PathBuf};

/// Where a kernel publishes its types (Linux 5.4, `CONFIG_DEBUG_INFO_BTF`).
pub const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;
const KIND_INT: u32 = 1;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_ENUM64: u32 = 19;
/// A limit: anonymous structures are nested a few levels deep at most.
const MAX_NESTING: u32 = 8;

/// Why the kernel's types cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KernelTypesError {
    /// The file is missing or cannot be read.
    #[error(
        "cannot read the kernel's type information, {path}: {source}; the kernel needs CONFIG_DEBUG_INFO_BTF"
    )]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The kernel's error.
        source: std::io::Error,
    },
    /// The file does not have the format that it should have.
    #[error("the kernel's type information is damaged at byte {offset}")]
    Damaged {
        /// The offset of what could not be read.
        offset: usize,
    },
    /// This kernel has no such field.
    #[error("this kernel has no field {structure}.{field}")]
    NoField {
        /// The name of the structure.
        structure: String,
        /// The path of the field, with dots.
        field: String,
    },
}

/// The types of a kernel, indexed.
pub struct KernelTypes {
    data: Vec<u8>,
    strings: usize,
    /// Offset of each type's record; type 1 is at index 0.
    types: Vec<u32>,
    /// Ids of the structures that have members: one type in ten.
    structures: Vec<u32>,
}

struct Member {
    name: u32,
    type_id: u32,
    bit_offset: u32,
}

impl KernelTypes {
    /// Reads the running kernel's types.
    ///
    /// # Errors
    /// [`KernelTypesError::Unreadable`] or [`KernelTypesError::Damaged`].
    pub fn of_this_kernel() -> Result<Self, KernelTypesError> {
        let path = Path::new(KERNEL_BTF);
        let data = std::fs::read(path).map_err(|source| KernelTypesError::Unreadable {
            path: path.into(),
            source,
        })?;
        Self::parse(data)
    }

    /// Indexes BTF bytes.
    ///
    /// # Errors
    /// [`KernelTypesError::Damaged`].
    pub fn parse(data: Vec<u8>) -> Result<Self, KernelTypesError> {
        let mut parsed = Self {
            data,
            strings: 0,
            types: Vec::new(),
            structures: Vec::new(),
        };
        if parsed.word(0)? as u16 != MAGIC {
            return Err(KernelTypesError::Damaged { offset: 0 });
        }
        let header = parsed.word(4)? as usize;
        let types_start = header.saturating_add(parsed.word(8)? as usize);
        let types_end = types_start.saturating_add(parsed.word(12)? as usize);
        parsed.strings = header.saturating_add(parsed.word(16)? as usize);
        let mut offset = types_start;
        while offset < types_end {
            parsed.types.push(offset as u32);
            if parsed.kind(offset)? == KIND_STRUCT && parsed.count(offset)? > 0 {
                parsed.structures.push(parsed.types.len() as u32);
            }
            let size = parsed.record_size(offset)?;
            offset = offset.saturating_add(size);
        }
        Ok(parsed)
    }

    /// Returns the offset in bytes of `path`, such as `thread.fsbase`, in the structure
    /// `structure`. Searches anonymous structures and unions on the way.
    ///
    /// # Errors
    /// [`KernelTypesError::NoField`] or [`KernelTypesError::Damaged`].
    pub fn field_offset(&self, structure: &str, path: &str) -> Result<u32, KernelTypesError> {
        let missing = || KernelTypesError::NoField {
            structure: structure.into(),
            field: path.into(),
        };
        let mut type_id = self.find_structure(structure)?.ok_or_else(missing)?;
        let mut bits = 0_u32;
        for name in path.split('.') {
            let member = self.find_member(type_id, name, 0)?.ok_or_else(missing)?;
            bits = bits.saturating_add(member.bit_offset);
            type_id = member.type_id;
        }
        Ok(bits / 8)
    }

    /// Whether the kernel has a tracepoint of this name. It has a type for the programs of
    /// each, by this name (`include/trace/bpf_probe.h`).
    pub fn has_tracepoint(&self, name: &str) -> bool {
        let name = format!("btf_trace_{name}");
        let mut records = self.types.iter().map(|offset| *offset as usize);
        records.any(|offset| {
            self.kind(offset).is_ok_and(|kind| kind == KIND_TYPEDEF)
                && self.word(offset).is_ok_and(|at| self.name_is(at, &name))
        })
    }

    fn find_structure(&self, name: &str) -> Result<Option<u32>, KernelTypesError> {
        for type_id in &self.structures {
            if let Some(offset) = self.record_of(*type_id)
                && self.name_is(self.word(offset)?, name)
            {
                return Ok(Some(*type_id));
            }
        }
        Ok(None)
    }

    fn find_member(
        &self,
        type_id: u32,
        name: &str,
        nesting: u32,
    ) -> Result<Option<Member>, KernelTypesError> {
        let Some(offset) = self.record_of(type_id) else {
            return Ok(None);
        };
        if nesting > MAX_NESTING || ![KIND_STRUCT, KIND_UNION].contains(&self.kind(offset)?) {
            return Ok(None);
        }
        for index in 0..self.count(offset)? {
            let member = self.member(offset, index)?;
            if self.name_is(member.name, name) {
                return Ok(Some(member));
            }
            if self.name_is(member.name, "")
                && let Some(inner) = self.find_member(member.type_id, name, nesting + 1)?
            {
                let bit_offset = member.bit_offset.saturating_add(inner.bit_offset);
                return Ok(Some(Member {
                    bit_offset,
                    ..inner
                }));
            }
        }
        Ok(None)
    }

    /// Returns where the record of a type begins.
    fn record_of(&self, type_id: u32) -> Option<usize> {
        let index = type_id.checked_sub(1)?;
        self.types
            .get(index as usize)
            .map(|offset| *offset as usize)
    }

    fn member(&self, record: usize, index: usize) -> Result<Member, KernelTypesError> {
        let at = record + 12 + index * 12;
        let offset = self.word(at + 8)?;
        // With the kind flag set, the upper byte is the size of a bit field.
        let has_sizes = self.word(record + 4)? >> 31 == 1;
        let bit_offset = if has_sizes {
            offset & 0x00ff_ffff
        } else {
            offset
        };
        Ok(Member {
            name: self.word(at)?,
            type_id: self.word(at + 4)?,
            bit_offset,
        })
    }

    fn record_size(&self, offset: usize) -> Result<usize, KernelTypesError> {
        let count = self.count(offset)?;
        Ok(12
            + match self.kind(offset)? {
                KIND_INT | KIND_VAR | KIND_DECL_TAG => 4,
                KIND_ARRAY => 12,
                KIND_STRUCT | KIND_UNION | KIND_DATASEC | KIND_ENUM64 => count * 12,
                KIND_ENUM | KIND_FUNC_PROTO => count * 8,
                _ => 0,
            })
    }

    fn kind(&self, offset: usize) -> Result<u32, KernelTypesError> {
        Ok(self.word(offset.saturating_add(4))? >> 24 & 0x1f)
    }

    fn count(&self, offset: usize) -> Result<usize, KernelTypesError> {
        Ok((self.word(offset.saturating_add(4))? & 0xffff) as usize)
    }

    fn word(&self, offset: usize) -> Result<u32, KernelTypesError> {
        let bytes = offset
            .checked_add(4)
            .and_then(|end| self.data.get(offset..end));
        match bytes.and_then(|bytes| bytes.try_into().ok()) {
            Some(bytes) => Ok(u32::from_ne_bytes(bytes)),
            None => Err(KernelTypesError::Damaged { offset }),
        }
    }

    fn name_is(&self, name: u32, wanted: &str) -> bool {
        let start = self.strings.saturating_add(name as usize);
        let Some(bytes) = self.data.get(start..) else {
            return false;
        };
        bytes.starts_with(wanted.as_bytes()) && bytes.get(wanted.len()) == Some(&0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct outer { int first; struct { long inner; }; }` as BTF, and the type of a
    /// tracepoint.
    fn sample() -> Vec<u8> {
        let strings = b"\0outer\0first\0inner\0btf_trace_sched_exit_tp\0";
        let structure = |name: u32, count: u32, size: u32| [name, KIND_STRUCT << 24 | count, size];
        let mut types = Vec::new();
        types.extend([0, KIND_INT << 24, 4, 32]);
        types.extend(structure(0, 1, 8));
        types.extend([13, 1, 0]);
        types.extend(structure(1, 2, 16));
        types.extend([7, 1, 0]);
        types.extend([0, 2, 64]);
        types.extend([19, KIND_TYPEDEF << 24, 1]);
        let mut data = vec![];
        let size = (types.len() * 4) as u32;
        for word in [
            u32::from(MAGIC) | 1 << 16,
            24,
            0,
            size,
            size,
            strings.len() as u32,
        ] {
            data.extend(word.to_ne_bytes());
        }
        for word in types {
            data.extend(word.to_ne_bytes());
        }
        data.extend(strings);
        data
    }

    #[test]
    fn finds_fields_in_anonymous_structures() {
        let types = KernelTypes::parse(sample()).expect("well formed");
        assert_eq!(types.field_offset("outer", "first").expect("there"), 0);
        assert_eq!(types.field_offset("outer", "inner").expect("there"), 8);
        assert!(matches!(
            types.field_offset("outer", "other"),
            Err(KernelTypesError::NoField { .. })
        ));
    }

    #[test]
    fn finds_tracepoints() {
        let types = KernelTypes::parse(sample()).expect("well formed");
        assert!(types.has_tracepoint("sched_exit_tp"));
        assert!(!types.has_tracepoint("sched_exit"));
        assert!(!types.has_tracepoint("outer"));
    }

    #[test]
    fn any_cut_is_an_error_or_a_smaller_kernel() {
        let whole = sample();
        for length in 0..whole.len() {
            if let Ok(types) = KernelTypes::parse(whole[..length].to_vec()) {
                let _ = types.field_offset("outer", "inner");
                let _ = types.has_tracepoint("sched_exit_tp");
            }
        }
    }
}
