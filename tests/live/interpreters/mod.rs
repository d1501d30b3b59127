// SPDX-License-Identifier: MIT OR Apache-2.0

//! Unusual builds and installations of Python.

mod builds;
mod embedded;
mod other_pythons;
mod replaced_files;
mod servers;
