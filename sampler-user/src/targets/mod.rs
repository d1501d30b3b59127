//! The processes that are followed, and the layout each has in the kernel. It
//! refuses to know samples and stacks.

mod followed;
mod pending;
mod table;

pub use followed::FollowedProcess;
pub use table::{Selection, TargetError, Targets};
