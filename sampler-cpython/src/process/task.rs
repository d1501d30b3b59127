// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads one thread of a process from `/proc`: its state, how often it left a CPU, and
//! the system call that it is in.

use sampler_common::wait::telling_argument;

use crate::process::proc_file::{ProcessError, malformed, read_file};
use crate::process::status::value;

/// The most bytes read of a file about a thread; the longest, `status`, has some 1500.
const MAX_FILE: u64 = 64 * 1024;

/// Returns the process that the thread `tid` belongs to, which may be its main thread;
/// `None` when there is no such thread.
pub fn process_of(tid: u32) -> Option<u32> {
    // `/proc` has a directory for every thread, though it lists only processes.
    let status = read_file(tid, "status", MAX_FILE).ok()?;
    number(value(&status, "Tgid")?)?.try_into().ok()
}

/// The fields of `/proc/PID/task/TID/status` that are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskStatus {
    /// The kernel's name of the thread, at most 15 bytes and then zeros.
    pub comm: [u8; 16],
    /// Its state, as a letter: see [`TaskStatus::task_state`].
    pub letter: u8,
    /// Its number in the innermost pid namespace that it lives in.
    pub namespace_tid: u32,
    /// How often it left a CPU, voluntarily or not. While the thread is off CPU and this
    /// number does not change, it has not run.
    pub switches: u64,
}

impl TaskStatus {
    /// Reads the status of the thread `tid` of the process `pid`.
    ///
    /// # Errors
    /// [`ProcessError`] when the thread is gone or cannot be read.
    pub fn read(pid: u32, tid: u32) -> Result<Self, ProcessError> {
        let name = format!("task/{tid}/status");
        let status = read_file(pid, &name, MAX_FILE)?;
        parse_status(&status, tid).ok_or_else(|| malformed(pid, &name))
    }

    /// Returns `task_struct.__state` (`include/linux/sched.h`) for the letter
    /// (`task_state_array`, fs/proc/array.c): 0 for a thread that runs or is runnable. A
    /// letter that the kernel may add later becomes a bit of its own, 0x4000_0000.
    pub fn task_state(&self) -> u32 {
        match self.letter {
            b'R' => 0,
            b'S' => 0x1,
            b'D' => 0x2,
            b'T' => 0x4,
            b't' => 0x8,
            b'P' => 0x40,
            b'I' => 0x402,
            _ => 0x4000_0000,
        }
    }

    /// Whether it waits or is about to. A thread in state `R` runs or is runnable.
    pub fn is_waiting(&self) -> bool {
        self.letter != b'R'
    }

    /// Whether it has ended, and only its number is left.
    pub fn has_ended(&self) -> bool {
        matches!(self.letter, b'Z' | b'X' | b'x')
    }
}

/// The system call that a thread is in, from `/proc/PID/task/TID/syscall`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemCall {
    /// It runs, or is about to.
    Running,
    /// It is off CPU but in no system call: it was interrupted, for example by a page
    /// fault.
    None,
    /// It is in this system call.
    Call {
        /// Its number.
        number: i32,
        /// The argument that [`telling_argument`] names.
        argument: u64,
    },
}

impl SystemCall {
    /// Reads which system call the thread `tid` of the process `pid` is in now.
    ///
    /// # Errors
    /// [`ProcessError`] when the thread is gone or cannot be read: this needs a
    /// debugger's rights, and a kernel with `CONFIG_HAVE_ARCH_TRACEHOOK`.
    pub fn read(pid: u32, tid: u32) -> Result<Self, ProcessError> {
        let name = format!("task/{tid}/syscall");
        let line = read_file(pid, &name, MAX_FILE)?;
        parse_system_call(&line).ok_or_else(|| malformed(pid, &name))
    }
}

/// Parses the file (proc_pid_status(5)). Kernels before 4.1 have no `NSpid`.
fn parse_status(status: &[u8], tid: u32) -> Option<TaskStatus> {
    let mut comm = [0; 16];
    let mut letter = None;
    let mut namespace_tid = tid;
    let mut switches: Option<u64> = None;
    for line in status.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(label), Some(value)) = (parts.next(), parts.next()) else {
            continue;
        };
        let value = value.trim_ascii();
        match label {
            b"Name" => comm = unescaped(value),
            b"State" => letter = value.first().copied(),
            b"NSpid" => {
                let last = value.rsplit(|byte| *byte == b'\t').next();
                namespace_tid = number(last?)?.try_into().ok()?;
            }
            b"voluntary_ctxt_switches" | b"nonvoluntary_ctxt_switches" => {
                switches = Some(switches.unwrap_or(0).wrapping_add(number(value)?));
            }
            _ => {}
        }
    }
    Some(TaskStatus {
        comm,
        letter: letter?,
        namespace_tid,
        switches: switches?,
    })
}

/// Undoes the kernel's escapes: `\n` for a line break, `\\` for a backslash.
fn unescaped(name: &[u8]) -> [u8; 16] {
    let mut plain = [0; 16];
    let mut rest = name.iter();
    for place in plain.iter_mut().take(15) {
        *place = match rest.next() {
            Some(b'\\') => match rest.next() {
                Some(b'n') => b'\n',
                other => other.copied().unwrap_or(b'\\'),
            },
            Some(byte) => *byte,
            None => break,
        };
    }
    plain
}

/// Parses the file (proc_pid_syscall(5)): `running`, or `-1 SP PC`, or a number, six
/// arguments in hexadecimal, SP and PC.
fn parse_system_call(line: &[u8]) -> Option<SystemCall> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace();
    match words.next()? {
        "running" => Some(SystemCall::Running),
        "-1" => Some(SystemCall::None),
        call => {
            let number = call.parse().ok()?;
            let mut argument = || {
                let digits = words.next()?.strip_prefix("0x")?;
                u64::from_str_radix(digits, 16).ok()
            };
            let (first, second) = (argument()?, argument()?);
            Some(SystemCall::Call {
                number,
                argument: telling_argument(number, first, second),
            })
        }
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_thread_that_asks() {
        let pid = std::process::id();
        let tid = nix::unistd::gettid().as_raw().cast_unsigned();
        let status = TaskStatus::read(pid, tid).expect("we may look at ourselves");
        assert_eq!((status.letter, status.task_state()), (b'R', 0));
        assert!(!status.is_waiting() && !status.has_ended());
        assert!(status.namespace_tid > 0);
        match SystemCall::read(pid, tid).expect("we may look at ourselves") {
            SystemCall::Call { number, .. } => assert_eq!(i64::from(number), libc::SYS_read),
            other => panic!("we are in read, not in {other:?}"),
        }
        let nobody = TaskStatus::read(pid, u32::MAX);
        assert!(matches!(nobody, Err(ProcessError::Gone { .. })));
    }

    #[test]
    fn a_thread_is_of_a_process() {
        let pid = std::process::id();
        let tid = nix::unistd::gettid().as_raw().cast_unsigned();
        assert_ne!(tid, pid, "tests run in threads");
        assert_eq!([tid, pid].map(process_of), [Some(pid); 2]);
        assert_eq!(process_of(u32::MAX), None);
    }

    #[test]
    fn reads_every_field() {
        let text = b"Name:\ta\\nb\\\\c\nUmask:\t0022\nState:\tD (disk sleep)\nTgid:\t7\n\
            NSpid:\t812\t33\t5\nvoluntary_ctxt_switches:\t40\nnonvoluntary_ctxt_switches:\t2\n";
        let status = parse_status(text, 812).expect("a good file");
        assert_eq!(&status.comm[..6], b"a\nb\\c\0");
        assert_eq!((status.letter, status.task_state()), (b'D', 2));
        assert_eq!((status.namespace_tid, status.switches), (5, 42));
        assert!(status.is_waiting());
    }

    #[test]
    fn refuses_what_says_too_little() {
        for text in [
            &b""[..],
            b"State:\tS\n",
            b"voluntary_ctxt_switches:\t1\n",
            b"State:\tS\nvoluntary_ctxt_switches:\t-1\n",
            b"State:\tS\nvoluntary_ctxt_switches:\t1\nNSpid:\t1\tx\n",
        ] {
            assert_eq!(parse_status(text, 1), None);
        }
        // Before Linux 4.1.
        let old = parse_status(b"State:\tS\nvoluntary_ctxt_switches:\t1\n", 7);
        assert_eq!(old.map(|it| it.namespace_tid), Some(7));
    }

    #[test]
    fn reads_system_calls() {
        let call = |text: &str| parse_system_call(text.as_bytes());
        assert_eq!(call("running\n"), Some(SystemCall::Running));
        assert_eq!(
            call("-1 0x7ffd00000000 0x7f0000000000\n"),
            Some(SystemCall::None)
        );
        assert_eq!(
            call("202 0x7f12 0x80 0x0 0x0 0x0 0x0 0x7ffd 0x7f00\n"),
            Some(SystemCall::Call {
                number: 202,
                argument: 0x7f12
            })
        );
        for text in ["", "x", "202", "202 7f12", "202 0xfffffffffffffffff"] {
            assert_eq!(call(text), None, "{text}");
        }
    }
}
