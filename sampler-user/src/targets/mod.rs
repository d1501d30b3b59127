//! The processes that are followed, and the layout each has in the kernel. It
//! refuses to know samples and stacks.

mod followed;
mod pending;
mod targets;

pub use followed::FollowedProcess;
pub use targets::{Selection, TargetError, Targets};
