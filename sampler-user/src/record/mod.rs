// SPDX-License-Identifier: MIT OR Apache-2.0

//! A recording from start to end: `start` sets its stages up, `recording` runs them, and
//! `close` ends them and writes the outputs.

mod clock;
mod close;
mod confinement;
mod cost;
mod cpu_times;
pub mod error;
mod ledger;
mod lost_lifecycle;
mod names;
mod no_sample;
mod outputs;
pub mod progress;
mod rate_limiter;
mod rate_log;
mod rate_policy;
mod record_queue;
mod recording;
pub mod report;
mod rows;
pub mod run;
mod sampling;
mod scan_clock;
mod scans;
mod session;
mod signals;
mod start;
mod stop_log;
mod target_choice;
mod threads;
mod tick_balance;
mod tick_clock;
mod timers;
