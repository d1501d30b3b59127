// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the program needs of a system other than Linux, where it only reads traces and
//! writes files: the same names as in the modules for Linux beside this one.

pub mod desktop;
pub mod full_pipe;
pub mod outfile;
pub mod privileges;
