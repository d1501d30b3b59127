//! The kernel side, as user space sees it: loading, attaching, maps and records. The only module that imports aya; it refuses to know what a record means to a trace.
