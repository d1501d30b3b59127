// SPDX-License-Identifier: MIT OR Apache-2.0

//! Learns from running interpreters what makes their samples cheaper.

use sampler_common::process::ProcessKey;
use sampler_cpython::cpython::inspect_error::InspectError;

use crate::capture::targets::table::Targets;

/// How often learning is tried, as a power of two: threads must exist, and with one
/// thread two places can look alike.
const ATTEMPTS: u32 = 8;

impl Targets {
    /// Notes that a thread without Python was sampled, and checks whether another
    /// interpreter runs in the process by now, to which the thread may belong. Checks at
    /// the first such samples, then ever more rarely.
    pub fn look_for_others(&mut self, key: ProcessKey) {
        let Some(process) = self.lives.get(key) else {
            return;
        };
        let tgid = process.tgid;
        let samples = self.without_python.entry(key).or_default();
        *samples = samples.saturating_add(1);
        let is_due = samples.is_power_of_two() && *samples <= 1 << ATTEMPTS;
        if process.has_ended || !is_due || self.skipped.is_skipped(tgid) {
            return;
        }
        if let Ok(instance) = self.scout.inspect(tgid)
            && let Some(others) = InspectError::of_others(tgid, &instance)
        {
            self.skipped.add(tgid, others);
        }
    }

    /// Learns what makes samples of a process cheaper and what only a running interpreter
    /// shows: for example the thread-local variable that spares a search through its
    /// threads (3.15), and that it counts its code objects (3.12, 3.13).
    pub fn improve(&mut self, key: ProcessKey) {
        let Some(process) = self.lives.get_mut(key) else {
            return;
        };
        let Some(python) = &mut process.python else {
            return;
        };
        let instance = &python.instance;
        let lacks_slot =
            instance.lacks_tls_offset() || instance.lacks_code_type() || instance.lacks_c_library();
        let lacks_count = python.instance.lacks_code_count();
        // Another process may have shown the count for this build.
        let is_outdated = !lacks_count
            && python.context.config.code_generation != python.instance.code_generation();
        if process.has_ended || !lacks_slot && !lacks_count && !is_outdated {
            return;
        }
        let attempts = self.attempts.entry(key).or_default();
        *attempts += 1;
        // At the first samples of a process, then ever more rarely.
        if *attempts > 1 << ATTEMPTS || !attempts.is_power_of_two() {
            return;
        }
        if self.scout.learn(process.tgid, &mut python.instance) || is_outdated {
            python.context.config = python.instance.config(key);
            // This fails if the process has ended; then there is nothing to improve.
            let _ = self.table.update(process.tgid, &python.context.config);
        }
    }
}
