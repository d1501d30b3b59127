//! The program `pyebpf`: parse, run, print the error.

fn main() {}
