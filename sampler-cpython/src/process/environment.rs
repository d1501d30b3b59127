// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the environment that a process was started with. Changes that the process has
//! made since are not in it.

use crate::process::proc_file::read_file;

/// The most bytes of an environment that are read.
const MAX_ENVIRONMENT: u64 = 256 * 1024;

/// Returns the value of a variable of the process `pid`; `None` if it is not set or
/// cannot be read.
pub(super) fn variable(pid: u32, name: &str) -> Option<Vec<u8>> {
    let environment = read_file(pid, "environ", MAX_ENVIRONMENT).ok()?;
    let mut variables = environment.split(|byte| *byte == 0);
    let value = variables.find_map(|variable| {
        let rest = variable.strip_prefix(name.as_bytes())?;
        rest.strip_prefix(b"=")
    });
    value.map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let pid = std::process::id();
        let path = std::env::var("PATH").expect("tests have one");
        assert_eq!(variable(pid, "PATH"), Some(path.into_bytes()));
        assert_eq!(variable(pid, "PAT"), None);
        assert_eq!(variable(u32::MAX, "PATH"), None);
    }
}
