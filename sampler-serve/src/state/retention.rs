// SPDX-License-Identifier: MIT OR Apache-2.0

//! Decides which chunks are deleted: those that are too old, then the oldest ones until
//! the rest fits. What a mark or a recording keeps is spared, up to half of the room.

use std::time::Duration;

use crate::state::entry::{ChunkNumber, MarkId, RecordingId};

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The greatest age of a chunk.
    pub keep: Duration,
    /// The greatest size of all chunks together, in bytes.
    pub max_bytes: u64,
}

/// A chunk that may be deleted. The one that is being written is none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredChunk {
    /// Its number.
    pub number: ChunkNumber,
    /// Its size in bytes.
    pub bytes: u64,
    /// The time that it covers, in microseconds of Unix time.
    pub from_us: u64,
    /// The end of that time.
    pub to_us: u64,
    /// How long ago it ended; none where the clock cannot be relied on, and then it is
    /// not too old.
    pub age: Option<Duration>,
}

/// What keeps chunks beyond the retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeper {
    /// What it is.
    pub id: KeeperId,
    /// The time that it keeps, in microseconds of Unix time.
    pub from_us: u64,
    /// The end of that time.
    pub to_us: u64,
}

/// What keeps chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeeperId {
    /// A mark.
    Mark(MarkId),
    /// A recording that was asked for.
    Recording(RecordingId),
}

/// What is to be deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deletions {
    /// Chunks.
    pub chunks: Vec<ChunkNumber>,
    /// Marks and recordings that cannot be kept any longer: they kept more than half of
    /// the room.
    pub keepers: Vec<KeeperId>,
}

impl Retention {
    /// Returns what is to be deleted. `chunks` are in the order of their numbers,
    /// `keepers` in the order in which they are to be given up; `written` is the size of the chunk
    /// that is being written, which counts as well.
    #[must_use]
    pub fn plan(&self, chunks: &[StoredChunk], keepers: &[Keeper], written: u64) -> Deletions {
        let kept_bytes = |keepers: &[Keeper]| -> u64 {
            let kept = chunks.iter().filter(|chunk| is_kept(chunk, keepers));
            kept.map(|chunk| chunk.bytes).sum()
        };
        // The oldest are dropped until the rest fits.
        let released = (0..keepers.len())
            .find(|released| kept_bytes(&keepers[*released..]) <= self.max_bytes / 2)
            .unwrap_or(keepers.len());
        let (released, keepers) = keepers.split_at(released);
        let total = written + chunks.iter().map(|chunk| chunk.bytes).sum::<u64>();
        let mut excess = total.saturating_sub(self.max_bytes);
        let mut plan = Deletions {
            chunks: Vec::new(),
            keepers: released.iter().map(|keeper| keeper.id).collect(),
        };
        for chunk in chunks.iter().filter(|chunk| !is_kept(chunk, keepers)) {
            let is_old = chunk.age.is_some_and(|age| age > self.keep);
            if is_old || excess > 0 {
                excess = excess.saturating_sub(chunk.bytes);
                plan.chunks.push(chunk.number);
            }
        }
        plan
    }
}

fn is_kept(chunk: &StoredChunk, keepers: &[Keeper]) -> bool {
    let keeps = |keeper: &Keeper| keeper.from_us <= chunk.to_us && chunk.from_us <= keeper.to_us;
    keepers.iter().any(keeps)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000_000;

    /// Ten chunks of a minute and 100 bytes each; the last ended just now.
    fn chunks() -> Vec<StoredChunk> {
        let chunk = |number: u64| StoredChunk {
            number: ChunkNumber(number),
            bytes: 100,
            from_us: number * MINUTE,
            to_us: (number + 1) * MINUTE,
            age: Some(Duration::from_secs(60 * (9 - number))),
        };
        (0..10).map(chunk).collect()
    }

    fn keeper(id: u64, from: u64, to: u64) -> Keeper {
        Keeper {
            id: KeeperId::Mark(MarkId(id)),
            from_us: from * MINUTE + 1,
            to_us: to * MINUTE - 1,
        }
    }

    fn numbers(plan: &Deletions) -> Vec<u64> {
        plan.chunks.iter().map(|number| number.0).collect()
    }

    fn retention(minutes: u64, max_bytes: u64) -> Retention {
        Retention {
            keep: Duration::from_secs(60 * minutes),
            max_bytes,
        }
    }

    #[test]
    fn what_is_too_old_goes_and_nothing_else() {
        let plan = retention(6, 10_000).plan(&chunks(), &[], 0);
        assert_eq!(numbers(&plan), [0, 1, 2]);
        assert_eq!(
            retention(60, 10_000).plan(&chunks(), &[], 0),
            Deletions::default()
        );
    }

    #[test]
    fn the_oldest_go_until_the_rest_fits() {
        let plan = retention(60, 700).plan(&chunks(), &[], 50);
        assert_eq!(numbers(&plan), [0, 1, 2, 3]);
    }

    #[test]
    fn what_is_marked_stays_though_it_is_old_and_the_disk_is_full() {
        let keepers = [keeper(1, 1, 3)];
        let plan = retention(6, 700).plan(&chunks(), &keepers, 0);
        assert_eq!(numbers(&plan), [0, 3, 4]);
        assert_eq!(plan.keepers, []);
    }

    #[test]
    fn marks_keep_at_most_half_and_the_oldest_of_them_goes() {
        let keepers = [keeper(1, 0, 3), keeper(2, 3, 5), keeper(3, 6, 8)];
        let plan = retention(1, 1000).plan(&chunks(), &keepers, 0);
        assert_eq!(plan.keepers, [KeeperId::Mark(MarkId(1))]);
        assert_eq!(numbers(&plan), [0, 1, 2, 5]);
        let all = retention(60, 10).plan(&chunks(), &keepers, 0);
        assert_eq!((all.keepers.len(), all.chunks.len()), (3, 10));
    }

    #[test]
    fn a_clock_that_cannot_be_relied_on_makes_nothing_old() {
        let mut chunks = chunks();
        chunks.iter_mut().for_each(|chunk| chunk.age = None);
        let plan = retention(1, 700).plan(&chunks, &[], 0);
        assert_eq!(numbers(&plan), [0, 1, 2]);
    }
}
