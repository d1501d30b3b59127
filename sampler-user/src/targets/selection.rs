//! Which processes to follow: all, chosen ones, or those given by number. It
//! refuses to find them.

use super::choice::Choice;
use crate::scout::Scout;

/// Which processes to follow.
#[derive(Clone, Debug)]
pub enum Selection {
    /// Every one with Python in it.
    Host,
    /// Those of them that are chosen, and what they start as far as the kernel side
    /// follows it.
    Chosen {
        /// Looked at when a program starts.
        choice: Choice,
        /// Also what they have started before and is still there.
        with_children: bool,
    },
    /// These, and what they start as far as the kernel side follows it.
    Processes {
        /// Thread group ids.
        tgids: Vec<u32>,
        /// Also what they have started before and is still there.
        with_children: bool,
    },
}

impl Selection {
    /// Whether a process that was not followed so far is, if it has Python in it.
    pub(super) fn wants(&self, tgid: u32, scout: &Scout) -> bool {
        match self {
            Self::Chosen { choice, .. } => choice.wants(tgid, scout),
            Self::Host | Self::Processes { .. } => true,
        }
    }
}
