// SPDX-License-Identifier: MIT OR Apache-2.0

//! Recognises implementations of Python other than CPython, so that they can be named.

use crate::process::elf::{ElfError, ElfFile};

/// What RPython's translator exports from every program that it makes
/// (rpython/translator/c/src/entrypoint.c). Of these programs, PyPy is the one that
/// people run.
const OF_RPYTHON: [&str; 2] = ["rpython_startup_code", "pypy_main_startup"];

/// How the file names of other implementations begin: of the program, or of the library
/// that contains the interpreter.
const BY_NAME: [(&str, &str); 7] = [
    ("libpypy", "PyPy"),
    ("pypy", "PyPy"),
    ("micropython", "MicroPython"),
    ("circuitpython", "CircuitPython"),
    ("libpythonvm", "GraalPy"),
    ("graalpy", "GraalPy"),
    ("rustpython", "RustPython"),
];

/// Returns the implementation in a program file that does not contain CPython.
///
/// # Errors
/// [`ElfError`] when its tables of symbols are damaged.
pub(super) fn other_python(
    elf: &ElfFile,
    file_name: &[u8],
) -> Result<Option<&'static str>, ElfError> {
    if let Some(name) = by_name(file_name) {
        return Ok(Some(name));
    }
    for symbol in OF_RPYTHON {
        if elf.dynamic_symbol(symbol)?.is_some() {
            return Ok(Some("PyPy"));
        }
    }
    Ok(None)
}

fn by_name(file_name: &[u8]) -> Option<&'static str> {
    BY_NAME
        .iter()
        .find_map(|(start, name)| file_name.starts_with(start.as_bytes()).then_some(*name))
}

#[cfg(test)]
mod tests {
    use object::elf::SHT_DYNSYM;

    use super::*;
    use crate::process::elf_fixture;

    #[test]
    fn tells_them_by_name_or_by_symbol() {
        assert_eq!(by_name(b"libpypy3.10-c.so"), Some("PyPy"));
        assert_eq!(by_name(b"micropython-coverage"), Some("MicroPython"));
        assert_eq!(by_name(b"libpython3.12.so.1.0"), None);
        assert_eq!(by_name(b"python3"), None);
        let find = |symbol| {
            let bytes = elf_fixture::elf(SHT_DYNSYM, &[(symbol, 0x99, 8)], &[]);
            let elf = ElfFile::parse(elf_fixture::open(&bytes)).expect("a good file");
            other_python(&elf, b"app").expect("good tables")
        };
        assert_eq!(find("rpython_startup_code"), Some("PyPy"));
        assert_eq!(find("main"), None);
    }
}
