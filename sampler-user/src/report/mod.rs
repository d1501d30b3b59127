// SPDX-License-Identifier: MIT OR Apache-2.0

//! The closing summary: what was sampled, what was lost, and why.

mod cpu_changes;
mod pass_counts;
mod summary;
mod summary_in_words;

pub use cpu_changes::CpuChanges;
pub use pass_counts::PassCounts;
pub use sampler_trace::account::{Account, DropReason};
pub use summary::{ProcessSummary, RateSummary, Summary, TakingSummary};
pub use summary_in_words::percent_in_words;
