//! One thread of a process as `/proc` shows it: its state, how often it left a
//! CPU, the system call that it is in. It refuses to judge what it waits for.

use super::identity::{ProcessError, malformed, read_file};

/// Most bytes read of a file about a thread; the longest, `status`, has some 1500.
const MAX_FILE: u64 = 64 * 1024;

/// What `/proc/PID/task/TID/status` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskStatus {
    /// The kernel's name of the thread, at most 15 bytes.
    pub comm: [u8; 16],
    /// How it is, as a letter: see [`TaskStatus::task_state`].
    pub letter: u8,
    /// Its number in the innermost pid namespace that it lives in.
    pub namespace_tid: u32,
    /// How often it left a CPU, by its own will or not. While the thread is off
    /// CPU and this stands still, it has not run.
    pub switches: u64,
}

impl TaskStatus {
    /// Reads how the thread `tid` of the process `pid` is now.
    ///
    /// # Errors
    /// [`ProcessError`] when it is gone or may not be looked at.
    pub fn read(pid: u32, tid: u32) -> Result<Self, ProcessError> {
        let name = format!("task/{tid}/status");
        let status = read_file(pid, &name, MAX_FILE)?;
        parse_status(&status, tid).ok_or_else(|| malformed(pid, &name))
    }

    /// `task_struct.__state` (`include/linux/sched.h`) as the letter says it
    /// (`task_state_array`, fs/proc/array.c): 0 for one that runs or could. A
    /// letter that the kernel may add later counts as its own bit, 0x4000_0000.
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

    /// Whether it waits or is about to. One that is `R` runs, or could.
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
    /// It is off CPU, and in none: it was interrupted, by a page fault for one.
    None,
    /// This one.
    Call {
        /// Its number.
        number: i32,
        /// Its first argument.
        argument: u64,
    },
}

impl SystemCall {
    /// Reads what the thread `tid` of the process `pid` is in now.
    ///
    /// # Errors
    /// [`ProcessError`] when it is gone or may not be looked at: needs the rights
    /// of a debugger, and a kernel with `CONFIG_HAVE_ARCH_TRACEHOOK`.
    pub fn read(pid: u32, tid: u32) -> Result<Self, ProcessError> {
        let name = format!("task/{tid}/syscall");
        let line = read_file(pid, &name, MAX_FILE)?;
        parse_system_call(&line).ok_or_else(|| malformed(pid, &name))
    }
}

/// See proc_pid_status(5). Kernels before 4.1 have no `NSpid`.
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

/// The kernel writes a line break as `\n` and a backslash as `\\` there.
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

/// See proc_pid_syscall(5): `running`, or `-1 SP PC`, or a number, six arguments
/// in hexadecimal, SP and PC.
fn parse_system_call(line: &[u8]) -> Option<SystemCall> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace();
    match words.next()? {
        "running" => Some(SystemCall::Running),
        "-1" => Some(SystemCall::None),
        call => Some(SystemCall::Call {
            number: call.parse().ok()?,
            argument: u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?,
        }),
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
