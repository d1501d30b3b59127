//! The columns beside the rows: the state of each, and its thread where rows of
//! several threads are mixed. It refuses to know the rows themselves.

use crate::output::Order;
use crate::timeline::State;

/// The columns of a file, row by row.
pub(super) struct Columns {
    /// The state in which each row begins.
    states: Vec<u8>,
    /// A row's further states: its number, microseconds after its start.
    changes: Vec<(u64, u64, State)>,
    /// The number of each row's thread, in [`Order::Time`] only: else the
    /// ranges of rows tell.
    threads: Option<Vec<u32>>,
}

impl Columns {
    pub(super) fn new(order: Order) -> Self {
        let threads = (order == Order::Time).then(Vec::new);
        Self {
            states: Vec::new(),
            changes: Vec::new(),
            threads,
        }
    }

    /// One more row.
    pub(super) fn row(&mut self, thread: u32, state: State) {
        self.states.push(state.number());
        if let Some(threads) = &mut self.threads {
            threads.push(thread);
        }
    }

    /// Another state of a row, `offset` microseconds after its start.
    pub(super) fn change(&mut self, row: u64, offset: u64, state: State) {
        self.changes.push((row, offset, state));
    }

    /// Appends `{"state":[1,[1,[250000,4]],0]}`.
    pub(super) fn put(&mut self, out: &mut Vec<u8>) {
        // In the order of time the changes of rows that overlap are mixed.
        self.changes.sort_by_key(|&(row, offset, _)| (row, offset));
        let mut changes = self.changes.iter().peekable();
        out.extend(b"{\"state\":[");
        for (row, state) in (0_u64..).zip(&self.states) {
            comma(out, row > 0);
            let mut several = false;
            while let Some(&(_, offset, next)) = changes.next_if(|change| change.0 == row) {
                if !several {
                    out.extend(format!("[{state}").as_bytes());
                    several = true;
                }
                out.extend(format!(",[{offset},{}]", next.number()).as_bytes());
            }
            if several {
                out.push(b']');
            } else {
                out.push(b'0' + state);
            }
        }
        out.push(b']');
        if let Some(threads) = &self.threads {
            out.extend(b",\"thread\":[");
            for (row, thread) in threads.iter().enumerate() {
                comma(out, row > 0);
                out.extend(thread.to_string().as_bytes());
            }
            out.push(b']');
        }
        out.push(b'}');
    }
}

fn comma(out: &mut Vec<u8>, wanted: bool) {
    if wanted {
        out.push(b',');
    }
}

// One digit a state: `put` writes it without formatting.
const _: () = assert!(State::ALL.len() <= 10);
