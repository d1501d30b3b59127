// SPDX-License-Identifier: MIT OR Apache-2.0

//! A recording from start to end: `start` sets its stages up, `recording` runs them, and
//! `close` ends them and writes the outputs.

mod clock;
mod close;
mod confinement;
mod cost;
mod cpu_times;
mod error;
mod governor;
mod ledger;
mod lost_news;
mod names;
mod no_sample;
mod outputs;
mod pace;
mod pass_clock;
mod passes;
mod rate_log;
mod record;
mod record_queue;
mod recording;
mod rows;
mod sampling;
mod session;
mod signals;
mod start;
mod target_choice;
mod threads;
mod tick_balance;
mod tick_clock;
mod timers;

pub use error::RecordError;
pub use record::record;
