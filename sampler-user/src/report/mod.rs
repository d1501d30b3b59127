//! The closing summary: what was sampled, what was lost, and why. It refuses to
//! count: it is given the counts.

mod account;
mod pass_counts;
mod summary;

pub(crate) use account::in_words;
pub use account::{Account, Refused};
pub use pass_counts::PassCounts;
pub use summary::{ProcessSummary, Summary};
