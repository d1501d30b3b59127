//! The closing summary: what was sampled, what was lost, and why. It refuses to
//! count: it is given the counts.

mod pass_counts;
mod summary;
mod summary_in_words;

pub use crate::account::{Account, Refused};
pub use pass_counts::PassCounts;
pub use summary::{ProcessSummary, RateSummary, Summary, TakingSummary};
pub use summary_in_words::percent_in_words;
