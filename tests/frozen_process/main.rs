//! Walks frozen processes of every version, whole and damaged, without a process
//! and in milliseconds. A stack must be what the interpreter itself said it is,
//! or not be shown.

mod anatomy;
mod case;
mod hostile;
mod judge;
mod outcomes;
mod parts;
mod synthetic;
mod whole;
