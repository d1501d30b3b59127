// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the kernel grants: capabilities, and the verifier's consent.

mod rights;
mod verifier;
