// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the kernel's own `CLOCK_MONOTONIC`, the clock of eBPF programs and kernel
//! events. In a time namespace, ours differs from it by an offset.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Returns the kernel's clock, in nanoseconds. The first call reads `/proc/self`. The clock
/// is ours where [`is_offset_known`] is false.
#[must_use]
pub fn kernel_monotonic_now() -> u64 {
    let offset = own_offset().unwrap_or(0);
    let ours = clock_gettime(ClockId::CLOCK_MONOTONIC);
    // Every Linux has this clock.
    let ours = ours.map_or(0, |now| Duration::from(now).as_nanos() as i64);
    u64::try_from(ours.saturating_sub(offset)).unwrap_or(0)
}

/// Whether the difference of our clock and the kernel's is known. If it is not, all samples
/// may seem to come from another time.
#[must_use]
pub fn is_offset_known() -> bool {
    own_offset().is_some()
}

fn own_offset() -> Option<i64> {
    // The offset stays the same as long as a process lives.
    static OFFSET: OnceLock<Option<i64>> = OnceLock::new();
    *OFFSET.get_or_init(|| offset_below(Path::new("/proc/self")))
}

/// Returns our clock minus the kernel's, in nanoseconds, by what `proc`, our directory in
/// `/proc`, says; 0 outside a time namespace, and on kernels without them (before 5.6).
/// `timens_offsets` has the offsets of the namespace that our children get
/// (time_namespaces(7)), which is ours unless another one was made for them; then, and
/// where the file cannot be read, the offset is unknown.
fn offset_below(proc: &Path) -> Option<i64> {
    let namespace = |name: &str| fs::read_link(proc.join("ns").join(name)).ok();
    let Some(ours) = namespace("time") else {
        return Some(0);
    };
    if namespace("time_for_children") != Some(ours) {
        return None;
    }
    parse(&fs::read_to_string(proc.join("timens_offsets")).ok()?)
}

/// Parses the line of the clock: its name, seconds, and nanoseconds to add.
fn parse(offsets: &str) -> Option<i64> {
    let mut lines = offsets.lines().map(str::split_whitespace);
    let mut line =
        lines.find_map(|mut words| (words.next() == Some("monotonic")).then_some(words))?;
    let seconds: i64 = line.next()?.parse().ok()?;
    let nanoseconds: i64 = line.next()?.parse().ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_line_of_the_clock_counts() {
        let text = "monotonic           86400         7\nboottime             1         0\n";
        assert_eq!(parse(text), Some(86_400_000_000_007));
        // Nanoseconds are added, even to a negative number of seconds.
        assert_eq!(parse("monotonic -2 500000000"), Some(-1_500_000_000));
        for nonsense in [
            "",
            "boottime 1 2",
            "monotonic",
            "monotonic 1",
            "monotonic 1 x",
        ] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
        assert_eq!(parse(&format!("monotonic {} 0", i64::MAX)), None);
    }

    #[test]
    fn offsets_for_children_are_not_ours() {
        let proc = std::env::temp_dir().join(format!("pyebpf-time-{}", std::process::id()));
        fs::create_dir_all(proc.join("ns")).expect("our directory");
        fs::write(proc.join("timens_offsets"), "monotonic 5 0\n").expect("our directory");
        symlink("time:[1]", proc.join("ns/time")).expect("our directory");
        symlink("time:[1]", proc.join("ns/time_for_children")).expect("our directory");
        let ours = offset_below(&proc);
        fs::remove_file(proc.join("ns/time_for_children")).expect("it is there");
        symlink("time:[2]", proc.join("ns/time_for_children")).expect("our directory");
        let theirs = offset_below(&proc);
        fs::remove_file(proc.join("ns/time_for_children")).expect("it is there");
        symlink("time:[1]", proc.join("ns/time_for_children")).expect("our directory");
        fs::write(proc.join("timens_offsets"), "nonsense").expect("our directory");
        let unreadable = offset_below(&proc);
        fs::remove_dir_all(&proc).expect("it is there");
        assert_eq!((ours, theirs), (Some(5_000_000_000), None));
        assert_eq!(unreadable, None);
        assert_eq!(offset_below(&proc), Some(0), "an old kernel has none");
    }
}
