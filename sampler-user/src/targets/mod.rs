//! The processes that are followed, and the layout each has in the kernel. It
//! refuses to know samples and stacks.

mod choice;
mod followed;
mod lives;
mod pending;
mod programs;
mod refusals;
mod selection;
mod sweep;
mod table;

pub use choice::Choice;
pub use followed::FollowedProcess;
pub use refusals::Refusals;
pub use selection::Selection;
pub use table::{TargetError, Targets};
