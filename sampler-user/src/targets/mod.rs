//! The processes that are followed, and the layout each has in the kernel. It
//! refuses to know samples and stacks.

mod choice;
mod followed;
mod pending;
mod programs;
mod refusals;
mod sweep;
mod table;

pub use choice::Choice;
pub use followed::FollowedProcess;
pub use refusals::Refusals;
pub use table::{Selection, TargetError, Targets};
