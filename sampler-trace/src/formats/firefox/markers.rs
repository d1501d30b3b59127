// SPDX-License-Identifier: MIT OR Apache-2.0

//! The markers of a thread: each interval in which it did not run, and why.

use std::io::{self, Write};

use crate::formats::firefox::meta::{WAITING_MARKER, category_of};
use crate::formats::firefox::tables::Strings;
use crate::formats::out::Out;
use crate::model::identifiers::TrackId;
use crate::model::row::State;
use crate::query::labels;
use crate::query::view::TraceView;

/// The phase of a marker that has a start and an end.
const INTERVAL: &str = "1";

/// A time in which a thread is in one waiting state, whatever its stacks are.
#[derive(Clone, Copy, Debug)]
struct Wait {
    state: State,
    /// Microseconds from the view's start.
    start: u64,
    end: u64,
}

fn waits(view: &TraceView<'_>, track: TrackId) -> impl Iterator<Item = Wait> {
    let rows = view.rows(track).filter(|row| row.microseconds() > 0);
    let mut waits = rows
        .map(|row| Wait {
            state: row.state,
            start: view.microseconds(row.start),
            end: view.microseconds(row.end),
        })
        .peekable();
    std::iter::from_fn(move || {
        let mut wait = waits.next()?;
        while let Some(next) = waits.next_if(|next| next.state == wait.state) {
            wait.end = next.end;
        }
        Some(wait)
    })
    .filter(|wait| labels::is_waiting(wait.state))
}

/// Appends `,"markers":{…}`.
pub(super) fn put<W: Write>(
    view: &TraceView<'_>,
    track: TrackId,
    strings: &mut Strings<'_>,
    out: &mut Out<W>,
) -> io::Result<()> {
    let mut length = 0_u64;
    let mut categories = Vec::new();
    out.put(",\"markers\":{\"name\":[");
    for wait in waits(view, track) {
        out.comma_unless(length == 0);
        out.number(strings.of_state(wait.state));
        // One byte each is cheaper than reading the rows once more.
        categories.push(category_of(wait.state));
        length += 1;
        out.drain()?;
    }
    out.put("],\"startTime\":[");
    for (position, wait) in waits(view, track).enumerate() {
        out.comma_unless(position == 0);
        out.milliseconds(wait.start);
        out.drain()?;
    }
    out.put("],\"endTime\":[");
    for (position, wait) in waits(view, track).enumerate() {
        out.comma_unless(position == 0);
        out.milliseconds(wait.end);
        out.drain()?;
    }
    out.put("],\"phase\":[");
    for position in 0..length {
        out.comma_unless(position == 0);
        out.put(INTERVAL);
        out.drain()?;
    }
    out.put("],\"category\":[");
    for (position, &category) in categories.iter().enumerate() {
        out.comma_unless(position == 0);
        out.number(category);
        out.drain()?;
    }
    out.put("],\"data\":[");
    for position in 0..length {
        out.comma_unless(position == 0);
        out.put("{\"type\":\"");
        out.put(WAITING_MARKER);
        out.put("\"}");
        out.drain()?;
    }
    out.put("],\"length\":");
    out.number(length);
    out.put("}");
    Ok(())
}
