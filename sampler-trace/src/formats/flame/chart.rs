// SPDX-License-Identifier: MIT OR Apache-2.0

//! Collects the stacks of a flame chart in the order of time, as many as a picture can show.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::formats::flame::lines::Lines;
use crate::formats::folded::lines::{StackLines, base};
use crate::model::identifiers::{StackId, TrackId};
use crate::model::row::{State, TimelineRow};
use crate::query::aggregate::Group;
use crate::query::view::TraceView;

/// The most threads that are drawn: those with the most time.
const THREADS: usize = 500;
/// The most moments that are drawn, over all threads together.
const MOMENTS: usize = 8000;

pub(super) fn lines(view: &TraceView<'_>) -> Lines {
    let drawn = busiest(view);
    let moments = (MOMENTS / drawn.len().max(1)) as u64;
    let mut texts = StackLines::new(&view.trace().symbols);
    let mut lines = Lines {
        left_out: view.tracks().len() - drawn.len(),
        ..Lines::default()
    };
    let mut groups = Group::all_of(view, false);
    groups.retain(|group| group.thread.is_some_and(|id| drawn.contains(&id)));
    // Puts the threads of a process side by side, so that each process is drawn as one.
    let mut processes: Vec<_> = groups.iter().map(|group| group.process).collect();
    processes.dedup();
    groups.sort_by_key(|group| {
        processes
            .iter()
            .position(|&process| process == group.process)
    });
    // The drawing library starts with the last line.
    for group in groups.iter().rev() {
        let root = base(view, group);
        for piece in pieces(view, group, moments).into_iter().rev() {
            lines.text.extend_from_slice(root.as_bytes());
            texts.put(piece.stack, piece.state, &mut lines.text);
            lines.end(piece.microseconds);
        }
    }
    lines
}

/// The threads with the most time.
fn busiest(view: &TraceView<'_>) -> Vec<TrackId> {
    let time = |&track: &TrackId| -> u64 {
        let rows = view.rows(track).filter(|row| row.stack != StackId::EMPTY);
        rows.map(|row| row.weight.microseconds()).sum()
    };
    let mut tracks: Vec<_> = view.tracks().to_vec();
    if tracks.len() > THREADS {
        tracks.sort_by_cached_key(|track| Reverse(time(track)));
        tracks.truncate(THREADS);
        tracks.sort_unstable();
    }
    tracks
}

/// A piece of a thread's time with one stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    stack: StackId,
    state: State,
    microseconds: u64,
}

/// The rows of a thread from the view's start to its end. If there are more than
/// `moments`, its time is divided into that many moments, each with the stack that was
/// seen longest in it.
fn pieces(view: &TraceView<'_>, group: &Group, moments: u64) -> Vec<Piece> {
    let Some(track) = group.thread else {
        return Vec::new();
    };
    let span = view.microseconds(view.end());
    let fine = view.rows(track).take(moments as usize + 1).count() as u64 <= moments;
    let width = if fine { 1 } else { (span / moments).max(1) };
    let mut pieces = Pieces {
        width,
        now: 0,
        within: BTreeMap::new(),
        pieces: Vec::new(),
    };
    for row in view.rows(track) {
        let TimelineRow { stack, state, .. } = row;
        let (start, end) = (view.microseconds(row.start), view.microseconds(row.end));
        pieces.add(StackId::EMPTY, State::None, start);
        pieces.add(stack, state, end);
    }
    pieces.add(StackId::EMPTY, State::None, span);
    pieces.close();
    pieces.pieces
}

struct Pieces {
    width: u64,
    /// Up to when time was added, in microseconds.
    now: u64,
    /// The times within the moment that is not over yet, by stack and state.
    within: BTreeMap<(StackId, State), u64>,
    pieces: Vec<Piece>,
}

impl Pieces {
    /// Gives the time from `now` to `end` to this stack.
    fn add(&mut self, stack: StackId, state: State, end: u64) {
        if self.width == 1 {
            return self.put(stack, state, end);
        }
        while self.now < end {
            let moment_end = (self.now / self.width + 1) * self.width;
            if self.within.is_empty() && end >= moment_end {
                // Adds whole moments at once.
                let whole = end / self.width * self.width;
                self.put(stack, state, whole);
                continue;
            }
            let until = end.min(moment_end);
            *self.within.entry((stack, state)).or_default() += until - self.now;
            self.now = until;
            if until == moment_end {
                self.close();
            }
        }
    }

    /// Ends the moment, and gives all of it to what was seen longest.
    fn close(&mut self) {
        let within = std::mem::take(&mut self.within);
        let whole: u64 = within.values().sum();
        let longest = within.into_iter().max_by_key(|&(_, time)| time);
        if let Some(((stack, state), _)) = longest {
            self.now -= whole;
            let end = self.now + whole;
            self.put(stack, state, end);
        }
    }

    fn put(&mut self, stack: StackId, state: State, end: u64) {
        let microseconds = end.saturating_sub(self.now);
        self.now = self.now.max(end);
        match self.pieces.last_mut() {
            _ if microseconds == 0 => {}
            Some(last) if (last.stack, last.state) == (stack, state) => {
                last.microseconds += microseconds;
            }
            _ => self.pieces.push(Piece {
                stack,
                state,
                microseconds,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BTreeMap, Pieces, StackId, State};

    fn pieces(width: u64) -> Pieces {
        Pieces {
            width,
            now: 0,
            within: BTreeMap::new(),
            pieces: Vec::new(),
        }
    }

    fn drawn(mut pieces: Pieces, rows: &[(u32, u64)]) -> Vec<(u32, u64)> {
        for &(stack, end) in rows {
            pieces.add(StackId(stack), State::Running, end);
        }
        pieces.close();
        let drawn = pieces.pieces.iter();
        drawn
            .map(|piece| (piece.stack.0, piece.microseconds))
            .collect()
    }

    #[test]
    fn few_rows_keep_their_times() {
        let rows = [(1, 5), (2, 5), (2, 8), (1, 9)];
        assert_eq!(drawn(pieces(1), &rows), [(1, 5), (2, 3), (1, 1)]);
    }

    #[test]
    fn of_many_rows_the_longest_of_each_moment_stays() {
        let rows = [(1, 3), (2, 10), (3, 12), (1, 14), (3, 20), (4, 57), (5, 58)];
        assert_eq!(
            drawn(pieces(10), &rows),
            [(2, 10), (3, 10), (4, 38)],
            "58 microseconds in all"
        );
    }
}
