// SPDX-License-Identifier: MIT OR Apache-2.0

//! Receives the kernel's events of CPUs that go online and offline.
//!
//! The kernel announces devices to everyone who listens, and CPUs are a few among
//! thousands. A filter on the socket lets only those devices through that go online or
//! offline, so that nothing else wakes the listener.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _};

/// Listens for events of CPUs.
pub struct CpuEvents(File);

/// What happened to a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuEvent {
    /// This CPU went online: it runs programs from now on.
    Online(u32),
    /// This CPU went offline.
    Offline(u32),
    /// Some events were lost, because there were too many.
    Lost,
}

/// The first four bytes of the two kinds of messages (`kobject_uevent_env`,
/// lib/kobject_uevent.c), as the filter reads them.
const ONLINE: u32 = u32::from_be_bytes(*b"onli");
const OFFLINE: u32 = u32::from_be_bytes(*b"offl");
/// The multicast group that gets events from the kernel itself.
const KERNEL: u32 = 1;
/// What precedes the number of a CPU in a message.
const PLACE: &str = "/devices/system/cpu/cpu";

impl CpuEvents {
    /// Starts to listen. Needs no privilege.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn listen() -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: the call takes no pointers.
        let socket = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_KOBJECT_UEVENT) };
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just opened the descriptor, and nothing else owns it.
        let events = Self(unsafe { File::from_raw_fd(socket) });
        events.filter()?;
        // SAFETY: an address of zeros is a valid one, with no fields set.
        let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        address.nl_groups = KERNEL;
        // SAFETY: the address is valid and has the size that is given.
        let result = unsafe {
            libc::bind(
                events.0.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_nl>() as libc::socklen_t,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(events)
    }

    fn filter(&self) -> io::Result<()> {
        let load_word = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
        let is_equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
        let give = (libc::BPF_RET | libc::BPF_K) as u16;
        let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
        let mut steps = [
            step(load_word, 0, 0, 0),
            step(is_equal, 1, 0, ONLINE),
            step(is_equal, 0, 1, OFFLINE),
            step(give, 0, 0, u32::MAX),
            step(give, 0, 0, 0),
        ];
        let filter = libc::sock_fprog {
            len: steps.len() as u16,
            filter: steps.as_mut_ptr(),
        };
        // SAFETY: the filter is valid and has the size that is given; the kernel copies
        // it.
        let result = unsafe {
            libc::setsockopt(
                self.0.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_FILTER,
                (&raw const filter).cast(),
                size_of::<libc::sock_fprog>() as libc::socklen_t,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Returns the next event, if there is one.
    pub fn take(&mut self) -> Option<CpuEvent> {
        let mut message = [0; 2048];
        loop {
            match self.0.read(&mut message) {
                Ok(length) => {
                    if let Some(event) = event(message.get(..length)?) {
                        return Some(event);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    return Some(CpuEvent::Lost);
                }
                Err(_) => return None,
            }
        }
    }
}

impl AsFd for CpuEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Parses a message such as `online@/devices/system/cpu/cpu7`, which ends at a zero byte.
fn event(message: &[u8]) -> Option<CpuEvent> {
    let first = message.split(|byte| *byte == 0).next()?;
    let (action, place) = std::str::from_utf8(first).ok()?.split_once('@')?;
    let cpu = place.strip_prefix(PLACE)?.parse().ok()?;
    match action {
        "online" => Some(CpuEvent::Online(cpu)),
        "offline" => Some(CpuEvent::Offline(cpu)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cpus_count() {
        let online = b"online@/devices/system/cpu/cpu12\0ACTION=online\0SEQNUM=7\0";
        assert_eq!(event(online), Some(CpuEvent::Online(12)));
        let offline = b"offline@/devices/system/cpu/cpu0\0ACTION=offline\0";
        assert_eq!(event(offline), Some(CpuEvent::Offline(0)));
        for other in [
            &b"online@/devices/system/memory/memory12\0"[..],
            b"online@/devices/system/cpu/cpufreq\0",
            b"add@/devices/system/cpu/cpu1\0",
            b"online@/devices/system/cpu/cpu99999999999\0",
            b"online",
            b"\xff@\0",
            b"",
        ] {
            assert_eq!(event(other), None, "{other:?}");
        }
    }

    #[test]
    fn nothing_is_told_while_nothing_happens() {
        let mut events = CpuEvents::listen().expect("everyone may listen");
        assert_eq!(events.take(), None);
    }
}
