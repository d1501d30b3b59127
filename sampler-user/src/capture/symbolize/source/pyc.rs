// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a `.pyc` file proves: that it was compiled from the present text of a source file
//! (PEP 552), and that a code object came of that.

use std::io::Read;
use std::path::{Path, PathBuf};

use sampler_cpython::process::files::FileView;

use crate::capture::symbolize::source::file::Stamp;
use crate::capture::symbolize::source::place::CodeLine;

/// Length of the header before the code, from 3.7 on: magic number, flags, and either
/// time and size of the source or a hash of it (Lib/importlib/_bootstrap_external.py).
const HEADER: usize = 16;
/// The flag of a file with a hash.
const BY_HASH: u32 = 1;
/// The shortest line table that proves anything; shorter ones are in most files.
const SHORTEST_TABLE: usize = 4;

/// A `.pyc` file, empty when there is none.
#[derive(Debug, Default)]
pub(super) struct Pyc(Box<[u8]>);

/// Returns where the `.pyc` of a source file may be, at each level of optimization, for
/// an interpreter that puts `tag` into their names.
pub(super) fn paths(source: &Path, tag: &str) -> Vec<PathBuf> {
    let (Some(stem), Some(directory)) = (source.file_stem(), source.parent()) else {
        return Vec::new();
    };
    let path = |level| {
        let mut name = stem.to_owned();
        name.push(format!(".{tag}{level}.pyc"));
        directory.join("__pycache__").join(name)
    };
    ["", ".opt-1", ".opt-2"].map(path).to_vec()
}

/// Reads the first of these files that can be opened.
pub(super) fn read(
    view: &FileView,
    paths: &[PathBuf],
    longest: u64,
    refuse: &dyn Fn(u64) -> bool,
) -> Pyc {
    let opened = paths
        .iter()
        .find_map(|path| view.open(path, longest, refuse).ok());
    let mut bytes = Vec::new();
    if let Some(file) = opened
        && file.take(longest).read_to_end(&mut bytes).is_err()
    {
        bytes.clear();
    }
    Pyc(bytes.into())
}

impl Pyc {
    /// Returns how much memory it occupies, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.0.len()
    }

    /// Whether it was compiled from a source with this stamp and text.
    pub(super) fn is_of(&self, source: Stamp, text: &[u8]) -> bool {
        let Some((header, _)) = self.0.split_at_checked(HEADER) else {
            return false;
        };
        let word = |at: usize| {
            let bytes = header.get(at..at + 4).and_then(|it| it.try_into().ok());
            u32::from_le_bytes(bytes.unwrap_or_default())
        };
        if word(4) & BY_HASH != 0 {
            let hash = u64::from(word(8)) | u64::from(word(12)) << 32;
            // `_imp.source_hash`: 3.11 and later use fewer rounds.
            return [(1, 3), (2, 4)]
                .into_iter()
                .any(|rounds| siphash(rounds, u64::from(word(0)), text) == hash);
        }
        // Both are cut to 32 bits.
        word(8) == source.modified.0 as u32 && word(12) == source.size as u32
    }

    /// Whether it has a code object with this one's line table. Up to 3.10, that holds
    /// the lines; from 3.11 on, the columns as well.
    pub(super) fn has(&self, place: &CodeLine<'_>) -> bool {
        place.line_table.len() >= SHORTEST_TABLE
            && memchr::memmem::find(&self.0, place.line_table).is_some()
    }
}

/// Computes SipHash as `_Py_KeyedHash` does (Python/pyhash.c), with `each` rounds for a
/// word and `last` at the end, and with a key whose second half is zero.
pub(super) fn siphash((each, last): (u32, u32), key: u64, text: &[u8]) -> u64 {
    let mut state = [
        key ^ 0x736f_6d65_7073_6575,
        0x646f_7261_6e64_6f6d,
        key ^ 0x6c79_6765_6e65_7261,
        0x7465_6462_7974_6573,
    ];
    let (words, rest) = text.as_chunks::<8>();
    let mut end = [0; 8];
    end[..rest.len()].copy_from_slice(rest);
    end[7] = text.len() as u8;
    for word in words.iter().chain([&end]) {
        let word = u64::from_le_bytes(*word);
        state[3] ^= word;
        (0..each).for_each(|_| round(&mut state));
        state[0] ^= word;
    }
    state[2] ^= 0xff;
    (0..last).for_each(|_| round(&mut state));
    state.into_iter().fold(0, |all, part| all ^ part)
}

fn round([a, b, c, d]: &mut [u64; 4]) {
    *a = a.wrapping_add(*b);
    *b = b.rotate_left(13) ^ *a;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*d);
    *d = d.rotate_left(16) ^ *c;
    *a = a.wrapping_add(*d);
    *d = d.rotate_left(21) ^ *a;
    *c = c.wrapping_add(*b);
    *b = b.rotate_left(17) ^ *c;
    *c = c.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected hashes are those of `importlib.util.source_hash` in 3.8 and 3.12.
    #[test]
    fn hashes_as_python_does() {
        for (rounds, magic, text, hash) in [
            (
                (2, 4),
                0x0a0d_0d55,
                &b"import x\n"[..],
                0x6453_3055_518a_a6fb_u64,
            ),
            (
                (2, 4),
                0x0a0d_0d55,
                b"0123456789abcdef",
                0x9c3c_4e8e_fb56_8ee8,
            ),
            ((1, 3), 0x0a0d_0dcb, b"import x\n", 0x0c61_ffae_f332_5a0d),
            (
                (1, 3),
                0x0a0d_0dcb,
                b"0123456789abcdef",
                0xe5c7_5681_3bea_60f7,
            ),
        ] {
            assert_eq!(siphash(rounds, magic, text), hash, "{rounds:?} {text:?}");
        }
    }

    #[test]
    fn a_file_has_one_for_each_level() {
        let paths = paths(Path::new("/a/b.x.py"), "cpython-312");
        let names: Vec<_> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let expected = ["", ".opt-1", ".opt-2"];
        let expected = expected.map(|level| format!("/a/__pycache__/b.x.cpython-312{level}.pyc"));
        assert_eq!(names, expected);
    }
}
