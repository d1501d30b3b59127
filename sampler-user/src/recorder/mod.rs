//! Wires the stages of a recording, and owns its start and stop. It refuses to
//! do a stage's work.

mod clock;
mod close;
mod confinement;
mod cost;
mod error;
mod governor;
mod ledger;
mod lost_news;
mod names;
mod outputs;
mod pace;
mod pass_clock;
mod passes;
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

pub use error::RecordError;
pub use record::record;
