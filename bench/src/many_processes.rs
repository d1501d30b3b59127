// SPDX-License-Identifier: MIT OR Apache-2.0

//! Starts many Python processes that are a little busy, spread over all interpreters.

use super::setting::Setting;
use super::target::Target;

/// The shortest pause of a process between two bursts of about a millisecond of work,
/// in milliseconds.
const LEAST_REST: usize = 10;

/// Starts `count` processes: one of each interpreter, which forks its share of the
/// rest. Together they keep one CPU busy, or part of one if they are few.
pub(super) fn start(setting: &Setting, count: usize) -> anyhow::Result<Vec<Target>> {
    let kinds = setting.pythons.len().min(count);
    let rest = count.max(LEAST_REST).to_string();
    let mut targets = Vec::new();
    for (index, python) in setting.pythons.iter().take(kinds).enumerate() {
        let children = share(count, kinds, index) - 1;
        targets.push(Target::start(
            &python.path,
            &setting.scripts,
            "bench_light.py",
            &[&rest, &children.to_string()],
        )?);
    }
    Ok(targets)
}

/// Returns how many of `count` processes fall to the kind `index` of `kinds`, as evenly
/// as possible.
fn share(count: usize, kinds: usize, index: usize) -> usize {
    count / kinds + usize::from(index < count % kinds)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn all_are_started_and_none_twice() {
        let shares: Vec<_> = (0..3).map(|index| share(50, 3, index)).collect();
        assert_eq!(shares, [17, 17, 16]);
    }
}
