// SPDX-License-Identifier: MIT OR Apache-2.0

//! Puts together what a seccomp filter asks of the arguments of system calls.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{BackendError, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

/// What is asked of the arguments of each call, by its number.
pub(super) type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// A call, one of its arguments, and the values that this may have.
pub(super) type Arguments<'a> = (c_long, u8, &'a [u64]);

/// Allows a call with any of these values of an argument.
pub(super) fn any_of(
    number: c_long,
    argument: u8,
    values: &[u64],
) -> Result<Vec<SeccompRule>, BackendError> {
    let one = |value: &u64| {
        SeccompRule::new(vec![SeccompCondition::new(
            argument,
            width(number),
            SeccompCmpOp::Eq,
            *value,
        )?])
    };
    values.iter().map(one).collect()
}

/// Returns the width of the argument that is compared: addresses have 64 bits, numbers
/// 32.
fn width(number: c_long) -> SeccompCmpArgLen {
    if number == libc::SYS_sendto {
        SeccompCmpArgLen::Qword
    } else {
        SeccompCmpArgLen::Dword
    }
}

/// Allows a call if an argument has this value where `mask` has ones.
pub(super) fn masked(argument: u8, mask: u64, value: u64) -> Result<SeccompRule, BackendError> {
    let operator = SeccompCmpOp::MaskedEq(mask);
    SeccompRule::new(vec![SeccompCondition::new(
        argument,
        SeccompCmpArgLen::Qword,
        operator,
        value,
    )?])
}

/// Allows calls with any arguments.
pub(super) fn everywhere(numbers: &[c_long]) -> Rules {
    BTreeMap::from_iter(numbers.iter().map(|number| (*number, Vec::new())))
}
