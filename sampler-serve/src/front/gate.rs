// SPDX-License-Identifier: MIT OR Apache-2.0

//! Limits how many are admitted at a time, in all and per peer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::front::peer::PeerId;

/// Counts those that are admitted.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    most: usize,
    most_of_peer: usize,
    inside: Arc<Mutex<Inside>>,
}

#[derive(Debug, Default)]
struct Inside {
    all: usize,
    of_peer: HashMap<PeerId, usize>,
}

/// An admission; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Gate,
    peer: PeerId,
}

impl Gate {
    /// A gate that admits `most` at a time, and `most_of_peer` per peer.
    #[must_use]
    pub(crate) fn new(most: usize, most_of_peer: usize) -> Self {
        Self {
            most,
            most_of_peer,
            inside: Arc::default(),
        }
    }

    /// Admits one more, within the limits.
    #[must_use]
    pub(crate) fn enter(&self, peer: PeerId) -> Option<Pass> {
        let mut inside = self.lock();
        let of_peer = inside.of_peer.get(&peer).copied().unwrap_or(0);
        if inside.all >= self.most || of_peer >= self.most_of_peer {
            return None;
        }
        inside.all += 1;
        inside.of_peer.insert(peer, of_peer + 1);
        Some(Pass {
            gate: self.clone(),
            peer,
        })
    }

    /// How many are admitted now.
    #[must_use]
    pub(crate) fn count(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // Nothing panics while it is held.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut inside = self.gate.lock();
        inside.all = inside.all.saturating_sub(1);
        if let Some(count) = inside.of_peer.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                inside.of_peer.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_the_room() {
        let gate = Gate::new(3, 2);
        let (one, other) = (PeerId::User(1), PeerId::User(2));
        let passes = [gate.enter(one), gate.enter(one)];
        assert!(passes.iter().all(Option::is_some));
        assert!(gate.enter(one).is_none(), "more than its share");
        let last = gate.enter(other).expect("room");
        assert!(gate.enter(PeerId::User(3)).is_none(), "full");
        drop(passes);
        assert_eq!(gate.count(), 1);
        drop(last);
        assert!(gate.lock().of_peer.is_empty());
    }
}
