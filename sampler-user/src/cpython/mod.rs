//! All knowledge of CPython's versions: where things lie and how they are encoded. It refuses to know the kernel side.

pub mod line_table;
