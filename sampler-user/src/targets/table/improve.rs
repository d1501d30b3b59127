//! Finds out, from running interpreters, what makes their samples cheaper. It
//! refuses to know how that is found out.

use sampler_common::process::ProcessKey;

use super::Targets;

/// Attempts, as a power of two, to find what samples are cheaper with: threads
/// must exist, and with one thread two places can look alike.
const ATTEMPTS: u32 = 8;
impl Targets {
    /// Finds out what makes samples of a process cheaper and what only a running
    /// interpreter shows: the thread-local variable that spares a search through
    /// its threads (3.15), and that it counts its code objects (3.12, 3.13).
    pub fn improve(&mut self, key: ProcessKey) {
        let Some(process) = self.lives.get_mut(key) else {
            return;
        };
        let Some(python) = &mut process.python else {
            return;
        };
        let lacks_slot = python.instance.lacks_tls_offset() || python.instance.lacks_code_type();
        let lacks_count = python.instance.lacks_code_count();
        // Another process may have shown it for this one's build.
        let is_outdated = !lacks_count
            && python.context.config.code_generation != python.instance.code_generation();
        if process.has_ended || !lacks_slot && !lacks_count && !is_outdated {
            return;
        }
        let attempts = self.attempts.entry(key).or_default();
        *attempts += 1;
        // The first samples of a process, then ever more rarely.
        if *attempts > 1 << ATTEMPTS || !attempts.is_power_of_two() {
            return;
        }
        if self.scout.learn(process.tgid, &mut python.instance) || is_outdated {
            python.context.config = python.instance.config(key);
            // It may have ended; then there is nothing to improve.
            let _ = self.table.update(process.tgid, &python.context.config);
        }
    }
}
