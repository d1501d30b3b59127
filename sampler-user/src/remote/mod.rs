//! Looks into threads of other processes from user space, without stopping them,
//! by the walker and with the proof of the kernel side. It refuses to know when
//! to look, and what is done with a stack.

mod look;
mod pass;

pub use look::{Looker, RemoteThread};
pub use pass::{PassAccounts, PassTarget, PassTargets, RemotePass};
