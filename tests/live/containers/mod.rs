// SPDX-License-Identifier: MIT OR Apache-2.0

//! Targets and recordings in namespaces, as in containers.

mod own_namespace;
mod targets;
