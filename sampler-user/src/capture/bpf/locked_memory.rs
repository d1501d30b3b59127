// SPDX-License-Identifier: MIT OR Apache-2.0

//! Raises the limit of locked memory, which BPF maps and programs count against before
//! Linux 5.11.

use nix::libc::rlim_t;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

/// Raises the limit as far as possible until this is dropped, so that what pyebpf starts
/// later, such as a command to record, has the original limit. What was loaded in the
/// meantime stays loaded.
pub(super) struct LockedMemory {
    before: Option<(rlim_t, rlim_t)>,
}

impl LockedMemory {
    /// Raises the limit as far as allowed. If that is not enough, loading fails. From
    /// 5.11 on, the limit means nothing here.
    pub(super) fn raise() -> Self {
        let before = getrlimit(Resource::RLIMIT_MEMLOCK).ok();
        if let Some((_, hard)) = before {
            let set = |limit| setrlimit(Resource::RLIMIT_MEMLOCK, limit, limit);
            // Going above the hard limit needs CAP_SYS_RESOURCE.
            let _ = set(RLIM_INFINITY).or_else(|_| set(hard));
        }
        Self { before }
    }
}

impl Drop for LockedMemory {
    fn drop(&mut self) {
        if let Some((soft, hard)) = self.before {
            // Lowering a limit is always allowed.
            let _ = setrlimit(Resource::RLIMIT_MEMLOCK, soft, hard);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_and_put_back() {
        let limit = || getrlimit(Resource::RLIMIT_MEMLOCK).expect("there is one");
        let (soft, hard) = limit();
        let raised = LockedMemory::raise();
        assert!(limit().0 >= soft && limit().0 >= hard);
        drop(raised);
        assert_eq!(limit(), (soft, hard));
    }
}
