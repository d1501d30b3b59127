// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads whole code objects from a process, where the eBPF program's description was cut
//! short or could not be made. Line tables stay encoded.

use sampler_common::fingerprint::code_key;
use sampler_common::layout::ABSENT;
use sampler_common::life::InterpreterLife;
use sampler_common::memory::{MemoryFault, UserMemory};
use sampler_common::process::ProcessConfig;
use sampler_common::sample::CodeKey;
use sampler_common::window::Window;

use crate::cpython::text::{TextError, read_text};

/// The most characters of a file name or a name; longer ones are cut.
const MAX_NAME: usize = 4096;
/// The longest line table that is read, in bytes. The longest one seen in popular
/// packages has 710 kB.
const MAX_LINE_TABLE: u64 = 1 << 20;
/// No line table has more bytes: an object that claims more is not one.
const LONGEST_LINE_TABLE: u64 = 1 << 31;
/// Bytes of a code unit.
const UNIT: u64 = 2;

/// A code object as it was read, with its line table still encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawCodeObject {
    /// Distinguishes it from others that lie at the same address earlier or later.
    pub key: CodeKey,
    /// `co_filename`.
    pub file_name: String,
    /// `co_qualname`, or `co_name` where there is none (to 3.10).
    pub name: String,
    /// `co_firstlineno`.
    pub first_line: i32,
    /// `co_lnotab` (to 3.9) or `co_linetable`; `None` if it is longer than a megabyte.
    pub line_table: Option<Vec<u8>>,
    /// The number of code units, of two bytes each.
    pub unit_count: u32,
}

/// Why a code object cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeObjectError {
    /// The memory is not mapped, or no longer.
    #[error("the code object at {code:#x} cannot be read: no memory at {fault:#x}")]
    Unreadable {
        /// Address of the code object.
        code: u64,
        /// Where the read failed.
        fault: u64,
    },
    /// An object of another type is there.
    #[error("the object at {code:#x} is not a code object: its type is at {found:#x}")]
    NotCode {
        /// Address of the object.
        code: u64,
        /// Its `ob_type`.
        found: u64,
    },
    /// Its file name or name is not text.
    #[error("the code object at {code:#x} has no name")]
    Name {
        /// Address of the code object.
        code: u64,
        /// What is wrong.
        source: TextError,
    },
    /// Its line table has an impossible size.
    #[error("the line table of the code object at {code:#x} has {size} bytes")]
    LineTableTooLong {
        /// Address of the code object.
        code: u64,
        /// The size found.
        size: u64,
    },
    /// It was freed or replaced during the read; another read may succeed.
    #[error("the code object at {code:#x} changed while it was read")]
    Changed {
        /// Address of the code object.
        code: u64,
    },
}

/// Reads the code object at `code` of the process that `config` describes, in an
/// interpreter that lives this `life`.
///
/// # Errors
/// [`CodeObjectError`]. Nothing is returned unless the code object is the same before and
/// after the read.
pub fn read_code_object(
    memory: &impl UserMemory,
    config: &ProcessConfig,
    life: InterpreterLife,
    code: u64,
) -> Result<RawCodeObject, CodeObjectError> {
    let reader = Reader {
        memory,
        config,
        life,
        code,
    };
    let header = reader.header()?;
    let key = reader.key(&header)?;
    let layout = &config.layout.code;
    let name = match layout.qualname {
        ABSENT => layout.name,
        qualname => qualname,
    };
    let result = reader.contents(&header, key, name);
    // A failure because the code object went away is a change, not a defect.
    match reader.header() {
        Ok(after) if reader.key(&after) == Ok(key) => result,
        Err(unreadable @ CodeObjectError::Unreadable { .. }) => Err(unreadable),
        _ => Err(CodeObjectError::Changed { code }),
    }
}

struct Reader<'a, Memory> {
    memory: &'a Memory,
    config: &'a ProcessConfig,
    life: InterpreterLife,
    code: u64,
}

impl<Memory: UserMemory> Reader<'_, Memory> {
    fn header(&self) -> Result<Window, CodeObjectError> {
        let mut header = Window::zeroed();
        let size = self.config.layout.code.read_size;
        header
            .load(self.memory, self.code, size)
            .map_err(|fault| self.unreadable(fault))?;
        let found = header.u64_at(self.config.layout.object.ob_type);
        if found == self.config.code_type {
            Ok(header)
        } else {
            Err(CodeObjectError::NotCode {
                code: self.code,
                found,
            })
        }
    }

    fn key(&self, header: &Window) -> Result<CodeKey, CodeObjectError> {
        let layout = &self.config.layout;
        code_key(self.memory, self.life, self.code, header, layout)
            .map_err(|fault| self.unreadable(fault))
    }

    fn contents(
        &self,
        header: &Window,
        key: CodeKey,
        name: u16,
    ) -> Result<RawCodeObject, CodeObjectError> {
        let layout = &self.config.layout.code;
        Ok(RawCodeObject {
            key,
            file_name: self.text(header.u64_at(layout.filename))?,
            name: self.text(header.u64_at(name))?,
            first_line: header.u32_at(layout.firstlineno).cast_signed(),
            line_table: self.line_table(header.u64_at(layout.linetable))?,
            unit_count: self.unit_count(header)?,
        })
    }

    fn text(&self, address: u64) -> Result<String, CodeObjectError> {
        let layout = &self.config.layout.object;
        let code = self.code;
        read_text(self.memory, layout, address, MAX_NAME)
            .map_err(|source| CodeObjectError::Name { code, source })
    }

    fn line_table(&self, address: u64) -> Result<Option<Vec<u8>>, CodeObjectError> {
        let code = self.code;
        let size = self.bytes_size(address)?;
        if size > LONGEST_LINE_TABLE {
            return Err(CodeObjectError::LineTableTooLong { code, size });
        }
        if size > MAX_LINE_TABLE {
            return Ok(None);
        }
        let mut table = vec![0; size as usize];
        let data = address.wrapping_add(u64::from(self.config.layout.object.bytes_data));
        self.memory
            .read_bytes(data, &mut table)
            .map_err(|fault| self.unreadable(fault))?;
        Ok(Some(table))
    }

    fn unit_count(&self, header: &Window) -> Result<u32, CodeObjectError> {
        let layout = &self.config.layout.code;
        if layout.unit_count != ABSENT {
            return Ok(header.u32_at(layout.unit_count));
        }
        let size = self.bytes_size(header.u64_at(layout.bytecode_object))?;
        Ok(u32::try_from(size / UNIT).unwrap_or(u32::MAX))
    }

    /// Reads `ob_size` of the `bytes` object at `address`.
    fn bytes_size(&self, address: u64) -> Result<u64, CodeObjectError> {
        let size = address.wrapping_add(u64::from(self.config.layout.object.bytes_size));
        self.memory
            .read_u64(size)
            .map_err(|fault| self.unreadable(fault))
    }

    fn unreadable(&self, fault: MemoryFault) -> CodeObjectError {
        CodeObjectError::Unreadable {
            code: self.code,
            fault: fault.address,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;
    use sampler_common::layout::InterpreterLayout;
    use sampler_common::process::ProcessKey;

    use super::*;
    use crate::cpython::forged::ForgedMemory;

    const CODE: u64 = 0x1000;
    const LIFE: InterpreterLife = InterpreterLife(77);
    const CODE_TYPE: u64 = 0x7000;
    const FILE_NAME: u64 = 0x2000;
    const QUALNAME: u64 = 0x2400;
    const LINE_TABLE: u64 = 0x3000;

    /// CPython 3.12 on x86_64.
    fn config() -> ProcessConfig {
        let mut layout = InterpreterLayout::zeroed();
        let code = &mut layout.code;
        (code.filename, code.name, code.qualname) = (112, 120, 128);
        (code.linetable, code.firstlineno, code.flags) = (136, 68, 48);
        (code.version, code.unit_count, code.read_size) = (92, 16, 144);
        let object = &mut layout.object;
        (object.ob_type, object.bytes_size, object.bytes_data) = (8, 16, 32);
        (object.str_length, object.str_state, object.str_kind_shift) = (16, 32, 2);
        (object.str_ascii_data, object.str_compact_data) = (40, 56);
        ProcessConfig {
            key: ProcessKey(77),
            code_type: CODE_TYPE,
            layout,
            ..ProcessConfig::zeroed()
        }
    }

    fn process() -> ForgedMemory {
        let mut memory = ForgedMemory::new(CODE, 0x4000);
        memory.put(CODE + 8, &CODE_TYPE.to_ne_bytes());
        memory.put(CODE + 16, &9_u64.to_ne_bytes());
        memory.put(CODE + 68, &42_i32.to_ne_bytes());
        memory.put(CODE + 112, &FILE_NAME.to_ne_bytes());
        memory.put(CODE + 128, &QUALNAME.to_ne_bytes());
        memory.put(CODE + 136, &LINE_TABLE.to_ne_bytes());
        // Compact and ASCII.
        memory.put(FILE_NAME + 16, &4_u64.to_ne_bytes());
        memory.put(FILE_NAME + 32, &(0b1_1001_u32 << 2).to_ne_bytes());
        memory.put(FILE_NAME + 40, b"a.py");
        // An instance of a subclass: the characters lie elsewhere, two bytes each.
        memory.put(QUALNAME + 16, &2_u64.to_ne_bytes());
        memory.put(QUALNAME + 32, &(0b0_0010_u32 << 2).to_ne_bytes());
        memory.put(QUALNAME + 56, &(QUALNAME + 128).to_ne_bytes());
        memory.put(QUALNAME + 128, &0x3bb_u16.to_ne_bytes());
        memory.put(QUALNAME + 130, &0xdc80_u16.to_ne_bytes());
        memory.put(LINE_TABLE + 16, &3_u64.to_ne_bytes());
        memory.put(LINE_TABLE + 32, &[0x80, 0, 0xf8]);
        memory
    }

    #[test]
    fn reads_the_whole_code_object() {
        let code = read_code_object(&process(), &config(), LIFE, CODE).expect("it is whole");
        assert_eq!(code.file_name, "a.py");
        assert_eq!(code.name, "\u{3bb}\\x80");
        assert_eq!((code.first_line, code.unit_count), (42, 9));
        assert_eq!(code.line_table.as_deref(), Some(&[0x80, 0, 0xf8][..]));
    }

    #[test]
    fn a_code_object_that_changes_is_dropped() {
        let mut memory = process();
        // Between the first look at the code object and the second.
        memory.put_after(5, CODE + 136, &0x3800_u64.to_ne_bytes());
        assert_eq!(
            read_code_object(&memory, &config(), LIFE, CODE),
            Err(CodeObjectError::Changed { code: CODE })
        );
        let mut memory = process();
        memory.put_after(5, CODE + 8, &1_u64.to_ne_bytes());
        assert_eq!(
            read_code_object(&memory, &config(), LIFE, CODE),
            Err(CodeObjectError::Changed { code: CODE })
        );
    }

    #[test]
    fn another_type_and_a_vast_line_table_are_refused() {
        let mut memory = process();
        memory.put(LINE_TABLE + 16, &(MAX_LINE_TABLE + 1).to_ne_bytes());
        let code = read_code_object(&memory, &config(), LIFE, CODE).expect("its names are there");
        assert_eq!((code.file_name.as_str(), code.line_table), ("a.py", None));
        memory.put(LINE_TABLE + 16, &u64::MAX.to_ne_bytes());
        assert!(matches!(
            read_code_object(&memory, &config(), LIFE, CODE),
            Err(CodeObjectError::LineTableTooLong { .. })
        ));
        memory.put(CODE + 8, &1_u64.to_ne_bytes());
        assert!(matches!(
            read_code_object(&memory, &config(), LIFE, CODE),
            Err(CodeObjectError::NotCode { found: 1, .. })
        ));
    }
}
