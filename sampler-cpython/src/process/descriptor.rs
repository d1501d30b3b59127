// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells what a file descriptor of a process refers to, from `/proc/PID/fd`.

/// Whether it is a timer of `timerfd_create(2)`, so that a read of it waits for a time.
pub fn is_timer(pid: u32, descriptor: u32) -> bool {
    let link = std::fs::read_link(format!("/proc/{pid}/fd/{descriptor}"));
    link.is_ok_and(|name| name.as_os_str() == "anon_inode:[timerfd]")
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use nix::sys::timerfd::{ClockId, TimerFd, TimerFlags};

    use super::*;

    #[test]
    fn tells_timers_from_files() {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::empty()).expect("one more");
        let number =
            |descriptor: &dyn std::os::fd::AsFd| descriptor.as_fd().as_raw_fd().cast_unsigned();
        let pid = std::process::id();
        assert!(is_timer(pid, number(&timer)));
        let file = std::fs::File::open("/dev/null").expect("opens");
        assert!(!is_timer(pid, file.as_raw_fd().cast_unsigned()));
        assert!(!is_timer(pid, u32::MAX) && !is_timer(u32::MAX, 0));
    }
}
