// SPDX-License-Identifier: MIT OR Apache-2.0

//! A trace as far as it has arrived, and the last seconds of it.

use std::time::Duration;

use sampler_trace::container::error::TraceError;
use sampler_trace::container::follow::{Completed, Follower};
use sampler_trace::container::info::TraceInfo;
use sampler_trace::model::identifiers::KernelTime;
use sampler_trace::model::row::RowChange;
use sampler_trace::model::symbols::Symbols;
use sampler_trace::model::track::Tracks;

use crate::window::SlidingWindow;

/// A trace that is arriving.
#[derive(Debug)]
pub(crate) struct Live {
    follower: Follower,
    window: SlidingWindow,
    length: Duration,
    is_over: bool,
}

impl Live {
    /// A trace of which nothing has arrived; `length` is the time that the window has.
    pub(crate) fn new(length: Duration) -> Self {
        Self {
            follower: Follower::default(),
            window: SlidingWindow::new(length, KernelTime(0)),
            length,
            is_over: false,
        }
    }

    /// Takes more of the trace.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(), TraceError> {
        let Self {
            follower,
            window,
            length,
            is_over,
        } = self;
        follower.feed(bytes);
        loop {
            let take = |row: RowChange| -> Result<(), TraceError> {
                window.take(row);
                Ok(())
            };
            match follower.next(take)? {
                None => return Ok(()),
                Some(Completed::Header) => {
                    if let Some(info) = follower.info() {
                        *window = SlidingWindow::new(*length, info.start);
                    }
                }
                Some(Completed::Segment) => {
                    if let Some(until) = follower.complete_until() {
                        window.close(until);
                    }
                }
                Some(Completed::Summary | Completed::End) => *is_over = true,
                Some(Completed::Account(_)) => {}
            }
        }
    }

    /// Whether its header has arrived.
    pub(crate) fn has_begun(&self) -> bool {
        self.follower.info().is_some()
    }

    /// Whether its recording has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The last seconds.
    pub(crate) fn window(&self) -> &SlidingWindow {
        &self.window
    }

    /// Its header, symbols, processes and threads.
    pub(crate) fn tables(&self) -> Option<(&TraceInfo, &Symbols, &Tracks)> {
        let follower = &self.follower;
        Some((follower.info()?, follower.symbols()?, follower.tracks()?))
    }
}
