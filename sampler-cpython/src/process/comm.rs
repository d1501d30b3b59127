// SPDX-License-Identifier: MIT OR Apache-2.0

//! The kernel's name of a thread, and what a thread is called for which Python has no
//! name.

/// Returns the kernel's name of a thread as text. `comm` is that of `task_struct`: at most
/// 15 bytes and then zeros, in no particular encoding.
#[must_use]
pub fn comm_text(comm: &[u8; 16]) -> String {
    let end = comm.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&comm[..end.unwrap_or(comm.len())]).into_owned()
}

/// Returns a name for a thread that Python has no name for, or that was too short-lived to
/// be asked for. `ident` is its `threading.get_ident()`, if it runs Python.
#[must_use]
pub fn unnamed_thread(is_main: bool, ident: Option<u64>, comm: &[u8; 16]) -> String {
    let comm = comm_text(comm);
    match ident {
        Some(_) if is_main => "MainThread".into(),
        Some(ident) if comm.is_empty() => format!("Thread 0x{ident:x}"),
        _ => comm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_at_its_first_zero_and_need_not_be_text() {
        assert_eq!(comm_text(b"worker\0hidden\0\0\0"), "worker");
        assert_eq!(
            comm_text(b"sixteen bytes...."[..16].try_into().unwrap()),
            "sixteen bytes..."
        );
        assert_eq!(comm_text(&[0xff; 16]), "\u{fffd}".repeat(16));
    }

    #[test]
    fn a_thread_without_a_name_is_told_by_the_kernel_or_by_its_address() {
        let comm = b"pool-1\0\0\0\0\0\0\0\0\0\0";
        assert_eq!(unnamed_thread(true, Some(0x7f00), comm), "MainThread");
        assert_eq!(unnamed_thread(false, Some(0x7f00), comm), "pool-1");
        assert_eq!(
            unnamed_thread(false, Some(0x7f00), &[0; 16]),
            "Thread 0x7f00"
        );
        assert_eq!(unnamed_thread(true, None, comm), "pool-1");
        assert_eq!(unnamed_thread(false, None, &[0; 16]), "");
    }
}
