// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the fields of `/proc/PID/stat` by their numbers in proc_pid_stat(5).

use std::str::FromStr;
use std::time::Duration;

/// How many of the clock ticks that files in `/proc` count make a second, on every
/// architecture (include/asm-generic/param.h).
const USER_HZ: u64 = 100;

/// Converts clock ticks of a file in `/proc` to a time.
pub(super) fn ticks(number: u64) -> Duration {
    Duration::from_nanos(number.saturating_mul(1_000_000_000 / USER_HZ))
}

/// Returns fields 14 and 15: the CPU time in user mode and in the kernel, in clock ticks.
pub(super) fn cpu_ticks(stat: &[u8]) -> Option<(u64, u64)> {
    Some((field(stat, 14)?, field(stat, 15)?))
}

/// Returns field `number`, 3 or later, of the file's content. The name, which is field 2,
/// may hold anything: parentheses, spaces and bytes that are not text.
///
/// ```text
/// 7 (a) b) S 1 7 …
///          3 4 5
/// ```
pub(super) fn field<T: FromStr>(stat: &[u8], number: usize) -> Option<T> {
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(close.checked_add(1)?..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    fields.nth(number.checked_sub(3)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn fields_are_counted_from_behind_the_name() {
        let stat = b"7 (a\xff) Z) S 12 x";
        assert_eq!(field(stat, 3), Some('S'));
        assert_eq!(field(stat, 4), Some(12));
        assert_eq!(field::<u32>(stat, 5), None);
        assert_eq!(field::<u32>(stat, 6), None);
        assert_eq!(field::<u32>(stat, 2), None);
        for text in [&b""[..], b"7 (a", b"7 (a)", b"\xff)\xff"] {
            assert_eq!(field::<char>(text, 3), None);
        }
    }
}
