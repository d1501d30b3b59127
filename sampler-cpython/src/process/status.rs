// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the lines of `/proc/PID/status` by their labels in proc_pid_status(5).

use std::str::FromStr;

/// Returns what follows `label` and its colon in the file's content. The file is bytes: the
/// name of a task, in its first line, may be no text. It cannot pass for another line,
/// since the kernel escapes line breaks in it.
///
/// ```
/// use sampler_cpython::process::status::value;
///
/// let status = b"Name:\tpython3\nTgid:\t812\n";
/// assert_eq!(value(status, "Tgid"), Some(&b"812"[..]));
/// assert_eq!(value(status, "NSpid"), None);
/// ```
pub fn value<'a>(status: &'a [u8], label: &str) -> Option<&'a [u8]> {
    let mut lines = status.split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(label.as_bytes())?.strip_prefix(b":"))?;
    Some(value.trim_ascii())
}

/// Returns the numbers of a line, separated by tabs or spaces; none if the line is missing
/// or one of them is no number.
pub(super) fn numbers<T: FromStr>(status: &[u8], label: &str) -> Vec<T> {
    let line = value(status, label).unwrap_or_default();
    let Ok(text) = std::str::from_utf8(line) else {
        return Vec::new();
    };
    let numbers = text.split_ascii_whitespace().map(str::parse);
    numbers.collect::<Result<_, _>>().unwrap_or_default()
}

/// Returns the size of a line in KiB.
pub(super) fn kib(status: &[u8], label: &str) -> Option<u64> {
    let text = std::str::from_utf8(value(status, label)?).ok()?;
    text.strip_suffix("kB")?.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{kib, numbers, value};

    #[test]
    fn a_name_is_bytes_and_no_other_line() {
        let status = b"Name:\t\xff\\nUid:\t7\nUid:\t0\t0\t0\t1000\nVmExe:\t     9 kB\n";
        assert_eq!(value(status, "Name"), Some(&b"\xff\\nUid:\t7"[..]));
        assert_eq!(numbers::<u32>(status, "Uid"), [0, 0, 0, 1000]);
        assert_eq!(kib(status, "VmExe"), Some(9));
    }

    #[test]
    fn what_is_missing_or_no_number_is_nothing() {
        let status = b"NSpid:\t812\tx\nVmLib:\t9 MB\nGroups:\t\n";
        assert_eq!(numbers::<u32>(status, "NSpid"), [0; 0]);
        assert_eq!(numbers::<u32>(status, "Groups"), [0; 0]);
        assert_eq!(numbers::<u32>(status, "NSpi"), [0; 0]);
        assert_eq!(kib(status, "VmLib"), None);
        assert_eq!(kib(status, "VmExe"), None);
    }
}
