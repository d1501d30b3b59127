// SPDX-License-Identifier: MIT OR Apache-2.0

//! The names of the files in the state directory.

/// The folder of the chunks.
pub const CHUNKS: &str = "chunks";
/// The folder of the marks.
pub const MARKS: &str = "marks";
/// The folder of the recordings that were asked for.
pub const RECORDINGS: &str = "recordings";
/// The file that the one server which uses the directory has locked.
pub const LOCK: &str = "lock";

/// The extension of chunks.
pub const CHUNK_EXTENSION: &str = "pyebpf";
/// The extension of marks and recordings.
pub const ENTRY_EXTENSION: &str = "json";

/// Returns the name of the file with this number, which sorts as the number does up to
/// eight digits.
#[must_use]
pub fn file_name(number: u64, extension: &str) -> String {
    format!("{number:08}.{extension}")
}

/// Returns the number in a file's name; `None` if [`file_name`] does not give that name
/// to any number. Files with other names are not ours, and nobody touches them.
#[must_use]
pub fn file_number(name: &str, extension: &str) -> Option<u64> {
    let digits = name.strip_suffix(extension)?.strip_suffix('.')?;
    let number = digits.parse().ok()?;
    (file_name(number, extension) == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_belong_together() {
        for number in [0, 7, 99_999_999, 100_000_000, u64::MAX] {
            let name = file_name(number, CHUNK_EXTENSION);
            assert_eq!(file_number(&name, CHUNK_EXTENSION), Some(number), "{name}");
        }
        for name in [
            "7.pyebpf",
            "00000007.json",
            "0000000a.pyebpf",
            ".pyebpf",
            "+0000007.pyebpf",
            "",
        ] {
            assert_eq!(file_number(name, CHUNK_EXTENSION), None, "{name}");
        }
    }
}
