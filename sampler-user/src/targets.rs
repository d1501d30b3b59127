//! The processes that are followed, and the layout each has in the kernel. It refuses to know samples.
