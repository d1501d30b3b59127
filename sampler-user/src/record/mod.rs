// SPDX-License-Identifier: MIT OR Apache-2.0

//! A recording from start to end: `start` sets its stages up, `recorder` runs them for
//! `event_loop`, and `close` ends them and writes the outputs.

pub mod clock;
mod close;
pub mod confinement;
mod cost;
mod cpu_time_reader;
mod cpu_times;
mod ended_processes;
pub mod error;
mod event_loop;
#[cfg(test)]
mod exchange_tests;
pub mod last_words;
mod looks;
mod lost_lifecycle;
mod no_sample;
mod outputs;
pub mod pipeline;
pub mod progress;
mod rate_limiter;
mod rate_log;
mod rate_policy;
mod record_queue;
pub mod recorder;
pub mod report;
pub mod run;
mod sample_source;
mod sample_stages;
mod sample_stats;
mod scan_clock;
mod scans;
mod signals;
pub mod start;
pub mod stillness;
mod stop_log;
pub mod stream;
mod target_scope;
mod thread_names;
mod thread_tracks;
mod threads;
mod tick_balance;
mod tick_clock;
mod timeline_writer;
mod timers;
pub mod trace_file;
pub mod trace_output;
