// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the kernel knows about an off-CPU thread, as it travels with a sample. User space
//! derives the thread's state from it.

use bytemuck::{Pod, Zeroable};

use crate::life::InterpreterLife;
use crate::memory::UserMemory;
use crate::process::{GilPlace, ProcessConfig, ProcessKey};
use crate::window::Window;

/// How a sample was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Origin {
    /// By a tick of the CPU that the thread was running on.
    OnCpu = 0,
    /// By a scan of the threads that are off CPU.
    OffCpu = 1,
    /// By such a scan, of a thread that has not run since its last sample: only the
    /// reason for its wait is new, and no frames come with it.
    OffCpuSameStack = 2,
    /// Without looking at the thread: the record only reports for how long scans found
    /// it waiting before.
    Unchanged = 3,
}

impl Origin {
    /// Reads an origin off the wire; `None` for a number that no origin has.
    pub fn from_wire(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::OnCpu),
            1 => Some(Self::OffCpu),
            2 => Some(Self::OffCpuSameStack),
            3 => Some(Self::Unchanged),
            _ => None,
        }
    }
}

/// The thread is not in a system call: it was interrupted, by a page fault for example.
pub const NO_SYSCALL: i32 = -1;

/// Why a thread is off CPU; zeros for one that is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct WaitFacts {
    /// An [`Origin`].
    pub origin: u32,
    /// `task_struct.__state`: 0 is runnable, 1 interruptible sleep, 2
    /// uninterruptible, 4 stopped, 8 traced (`include/linux/sched.h`).
    pub task_state: u32,
    /// The number of the system call that the thread is in (x86_64), or [`NO_SYSCALL`].
    pub syscall: i32,
    /// 1 where a tick found the thread in the kernel, in a system call or a page fault; 0
    /// in user mode, and for an off-CPU thread.
    pub in_kernel: u32,
    /// The argument of the system call that [`telling_argument`] selects: a futex, a
    /// number of descriptors, or a descriptor.
    pub argument: u64,
    /// Address of the `_gil_runtime_state` of the thread's interpreter; 0 when
    /// there is none, or none is known.
    pub gil: u64,
    /// The time that this sample of a scan represents, in nanoseconds; 0 for the first
    /// scan, and for a tick, which represents the period of the recording.
    pub weight: u64,
    /// The time for which scans have found the thread asleep since its record before this
    /// one, in nanoseconds. It belongs to what the thread waited for then.
    pub unchanged: u64,
    /// The time for which scans have found it waiting for a CPU since then, in
    /// nanoseconds.
    pub queued: u64,
}

impl WaitFacts {
    /// The facts of a running thread.
    pub const RUNNING: Self = Self {
        origin: Origin::OnCpu as u32,
        task_state: 0,
        syscall: 0,
        in_kernel: 0,
        argument: 0,
        gil: 0,
        weight: 0,
        unchanged: 0,
        queued: 0,
    };
}

/// `poll` on x86_64 (`arch/x86/entry/syscalls/syscall_64.tbl`).
const POLL: i32 = 7;
/// `ppoll`.
const PPOLL: i32 = 271;

/// Returns the one of the first two arguments of a system call that tells what it waits
/// for: of `poll` and `ppoll` the second, the number of descriptors; of all others the
/// first.
#[inline(always)]
pub fn telling_argument(syscall: i32, first: u64, second: u64) -> u64 {
    if syscall == POLL || syscall == PPOLL {
        // An `unsigned int`: the upper half of the register may hold anything.
        second & 0xffff_ffff
    } else {
        first
    }
}

/// Returns the address of the GIL of the interpreter that the thread state in `state`
/// belongs to; 0 when it is not known or cannot be read.
#[inline(always)]
pub fn gil_address<M: UserMemory>(memory: &M, config: &ProcessConfig, state: &Window) -> u64 {
    let GilPlace { offset, is_pointer } = config.gil;
    if offset == 0 {
        return 0;
    }
    if is_pointer == 0 {
        return config.runtime.wrapping_add(u64::from(offset));
    }
    let interpreter = state.u64_at(config.layout.thread.interp);
    memory
        .read_u64(interpreter.wrapping_add(u64::from(offset)))
        .unwrap_or(0)
}

/// How long a [`KnownGil`] is believed, in nanoseconds. Another interpreter may be where
/// an ended one was.
const BELIEVED: u64 = 1_000_000_000;

/// Where the GIL is of the interpreter whose thread was sampled last.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct KnownGil {
    process: ProcessKey,
    interpreter: u64,
    /// The interpreter's life: one that has ended may have had another GIL.
    life: InterpreterLife,
    gil: u64,
    /// When `gil` was read, in nanoseconds.
    time: u64,
}

impl KnownGil {
    /// Returns [`gil_address`] without reading it again for every thread of a scan. `now`
    /// is in nanoseconds.
    #[inline(always)]
    pub fn address<M: UserMemory>(
        &mut self,
        memory: &M,
        config: &ProcessConfig,
        state: &Window,
        life: InterpreterLife,
        now: u64,
    ) -> u64 {
        let interpreter = state.u64_at(config.layout.thread.interp);
        let is_same =
            self.process == config.key && self.interpreter == interpreter && self.life == life;
        if !is_same || now.wrapping_sub(self.time) > BELIEVED || self.gil == 0 {
            *self = Self {
                process: config.key,
                interpreter,
                life,
                gil: gil_address(memory, config, state),
                time: now,
            };
        }
        self.gil
    }
}

const _: () = assert!(size_of::<WaitFacts>() == 56);

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;
    use crate::test_memory::{BASE, TestMemory, config};

    #[test]
    fn wire_numbers_are_those_of_the_origins() {
        for origin in [
            Origin::OnCpu,
            Origin::OffCpu,
            Origin::OffCpuSameStack,
            Origin::Unchanged,
        ] {
            assert_eq!(Origin::from_wire(origin as u32), Some(origin));
        }
        assert_eq!(Origin::from_wire(4), None);
    }

    #[test]
    fn polls_tell_by_how_many_they_poll() {
        assert_eq!(telling_argument(POLL, 0x7000, 1 << 32), 0);
        assert_eq!(telling_argument(PPOLL, 0, 3), 3);
        assert_eq!(telling_argument(202, 0x7000, 128), 0x7000);
    }

    #[test]
    fn the_gil_is_in_the_runtime_or_behind_a_pointer() {
        let mut config = config();
        let mut memory = TestMemory::new(0x200);
        memory.set(BASE, config.layout.thread.interp, BASE + 0x100);
        memory.set(BASE + 0x100, 16, 0x1234);
        let mut state = Window::zeroed();
        let size = config.layout.thread.read_size;
        state.load(&memory, BASE, size).expect("it is there");
        assert_eq!(gil_address(&memory, &config, &state), 0);
        config.gil = GilPlace {
            offset: 16,
            is_pointer: 0,
        };
        assert_eq!(gil_address(&memory, &config, &state), config.runtime + 16);
        config.gil.is_pointer = 1;
        assert_eq!(gil_address(&memory, &config, &state), 0x1234);
        config.gil.offset = 1 << 20;
        assert_eq!(gil_address(&memory, &config, &state), 0);
    }

    #[test]
    fn a_gil_is_remembered_for_a_while_and_for_one_interpreter() {
        let mut config = config();
        config.gil = GilPlace {
            offset: 16,
            is_pointer: 1,
        };
        let interp = config.layout.thread.interp;
        let mut memory = TestMemory::new(0x200);
        memory.set(BASE, interp, BASE + 0x100);
        memory.set(BASE + 0x40, interp, BASE + 0x180);
        memory.set(BASE + 0x100, 16, 0x1234);
        memory.set(BASE + 0x180, 16, 0x5678);
        let mut known = KnownGil {
            process: ProcessKey(0),
            interpreter: 0,
            life: InterpreterLife(0),
            gil: 0,
            time: 0,
        };
        let life = Cell::new(InterpreterLife(1));
        let mut at = |memory: &TestMemory, config: &ProcessConfig, state, now| {
            let mut window = Window::zeroed();
            let size = config.layout.thread.read_size;
            window.load(memory, state, size).expect("it is there");
            known.address(memory, config, &window, life.get(), now)
        };
        assert_eq!(at(&memory, &config, BASE, 5), 0x1234);
        memory.set(BASE + 0x100, 16, 0x4321);
        assert_eq!(at(&memory, &config, BASE, 5 + BELIEVED), 0x1234);
        assert_eq!(at(&memory, &config, BASE, 6 + BELIEVED), 0x4321);
        assert_eq!(at(&memory, &config, BASE + 0x40, 6 + BELIEVED), 0x5678);
        memory.set(BASE + 0x180, 16, 0x8765);
        config.key.0 += 2;
        assert_eq!(at(&memory, &config, BASE + 0x40, 6 + BELIEVED), 0x8765);
        memory.set(BASE + 0x180, 16, 0x5678);
        assert_eq!(at(&memory, &config, BASE + 0x40, 6 + BELIEVED), 0x8765);
        life.set(InterpreterLife(2));
        assert_eq!(at(&memory, &config, BASE + 0x40, 6 + BELIEVED), 0x5678);
    }
}
