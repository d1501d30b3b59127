//! The closing summary: what was sampled, what was lost, and why. It refuses to
//! count: it is given the counts.

mod account;
mod summary;

pub use account::{Account, Refused};
pub use summary::{ProcessSummary, Summary};
