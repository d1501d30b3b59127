// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells what a file descriptor of a process refers to, from `/proc/PID/fd`.

/// What a file descriptor refers to, as far as it tells what a read of it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescriptorKind {
    /// A timer of `timerfd_create(2)`: a time.
    Timer,
    /// Another file of the kernel's without a name, such as one of `eventfd(2)` or
    /// `inotify(7)`: an event.
    Event,
    /// A pipe: what another thread or process writes.
    Pipe,
    /// A terminal: somebody who types.
    Terminal,
    /// A socket, a file with a name, or not known.
    Other,
}

/// Returns what a descriptor of a process refers to; [`DescriptorKind::Other`] if that cannot
/// be read.
pub fn kind(pid: u32, descriptor: u32) -> DescriptorKind {
    let link = std::fs::read_link(format!("/proc/{pid}/fd/{descriptor}"));
    link.map_or(DescriptorKind::Other, |link| {
        of_link(link.as_os_str().as_encoded_bytes())
    })
}

/// Tells it from what `/proc/PID/fd/N` links to (proc_pid_fd(5)).
fn of_link(link: &[u8]) -> DescriptorKind {
    match link {
        b"anon_inode:[timerfd]" => DescriptorKind::Timer,
        name if name.starts_with(b"anon_inode:") => DescriptorKind::Event,
        name if name.starts_with(b"pipe:[") => DescriptorKind::Pipe,
        name if name.starts_with(b"/dev/pts/") || name.starts_with(b"/dev/tty") => {
            DescriptorKind::Terminal
        }
        b"/dev/console" => DescriptorKind::Terminal,
        _ => DescriptorKind::Other,
    }
}

/// Whether it is a timer of `timerfd_create(2)`, so that a read of it waits for a time.
pub fn is_timer(pid: u32, descriptor: u32) -> bool {
    kind(pid, descriptor) == DescriptorKind::Timer
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
        let (reader, _writer) = std::io::pipe().expect("two more");
        assert_eq!(kind(pid, number(&reader)), DescriptorKind::Pipe);
        let (socket, _other) = std::os::unix::net::UnixStream::pair().expect("two more");
        assert_eq!(kind(pid, number(&socket)), DescriptorKind::Other);
        for (link, kind) in [
            ("anon_inode:[eventfd]", DescriptorKind::Event),
            ("anon_inode:inotify", DescriptorKind::Event),
            ("/dev/pts/4", DescriptorKind::Terminal),
            ("/dev/tty1", DescriptorKind::Terminal),
            ("/dev/console", DescriptorKind::Terminal),
            ("/srv/dev/pts/4", DescriptorKind::Other),
            ("/tmp/pipe:[5]", DescriptorKind::Other),
        ] {
            assert_eq!(of_link(link.as_bytes()), kind, "{link}");
        }
    }
}
