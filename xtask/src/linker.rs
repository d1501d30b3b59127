// SPDX-License-Identifier: MIT OR Apache-2.0

//! The linker of the BPF target, in the one version that fits.

use crate::tools::Tool;

/// Reads the LLVM of [`crate::toolchain`]'s compilers. Later versions need another LLVM.
pub(crate) const LINKER: Tool = Tool {
    name: "bpf-linker",
    version: "0.10.3",
    takes: "two minutes",
    options: &[],
};
