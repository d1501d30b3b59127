//! What the kernel knows of a thread that is off CPU, as it travels with a
//! sample. It refuses to judge it: user space tells the thread's state from it.

use bytemuck::{Pod, Zeroable};

use crate::memory::UserMemory;
use crate::process::{GilPlace, ProcessConfig, ProcessKey};
use crate::window::Window;

/// Which of the two ways a sample was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Origin {
    /// By a tick of the CPU that the thread was running on.
    OnCpu = 0,
    /// By a pass over the threads that are off CPU.
    OffCpu = 1,
    /// By such a pass, of a thread that has not run since its last sample: only
    /// why it waits is new, and no frames come with it.
    OffCpuSameStack = 2,
}

impl Origin {
    /// Reads an origin off the wire; `None` for a number none has.
    pub fn from_wire(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::OnCpu),
            1 => Some(Self::OffCpu),
            2 => Some(Self::OffCpuSameStack),
            _ => None,
        }
    }
}

/// No system call: the thread was interrupted, by a page fault for example.
pub const NO_SYSCALL: i32 = -1;

/// Why a thread is off CPU; zeros for one that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct WaitFacts {
    /// An [`Origin`].
    pub origin: u32,
    /// `task_struct.__state`: 0 is runnable, 1 interruptible sleep, 2
    /// uninterruptible, 4 stopped, 8 traced (`include/linux/sched.h`).
    pub task_state: u32,
    /// The number of the system call that it is in (x86_64), or [`NO_SYSCALL`].
    pub syscall: i32,
    /// Padding.
    pub reserved: u32,
    /// The call's first argument: the futex, or a number of descriptors.
    pub argument: u64,
    /// Address of the `_gil_runtime_state` of the thread's interpreter; 0 when
    /// there is none, or none is known.
    pub gil: u64,
}

impl WaitFacts {
    /// Of a thread that runs.
    pub const RUNNING: Self = Self {
        origin: Origin::OnCpu as u32,
        task_state: 0,
        syscall: 0,
        reserved: 0,
        argument: 0,
        gil: 0,
    };
}

/// Address of the GIL of the interpreter that the thread state copied to `state`
/// belongs to; 0 when it cannot be read.
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

/// How long a [`KnownGil`] is believed, in nanoseconds. The place of another
/// interpreter may be one's that has ended.
const BELIEVED: u64 = 1_000_000_000;

/// Where the GIL of the interpreter was whose thread was looked at last.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct KnownGil {
    process: ProcessKey,
    interpreter: u64,
    gil: u64,
    /// When it was read.
    time: u64,
}

impl KnownGil {
    /// [`gil_address`] at `now`, in nanoseconds; without reading it again for every
    /// thread of a pass.
    #[inline(always)]
    pub fn address<M: UserMemory>(
        &mut self,
        memory: &M,
        config: &ProcessConfig,
        state: &Window,
        now: u64,
    ) -> u64 {
        let interpreter = state.u64_at(config.layout.thread.interp);
        let is_same = self.process == config.key && self.interpreter == interpreter;
        if !is_same || now.wrapping_sub(self.time) > BELIEVED || self.gil == 0 {
            *self = Self {
                process: config.key,
                interpreter,
                gil: gil_address(memory, config, state),
                time: now,
            };
        }
        self.gil
    }
}

const _: () = assert!(size_of::<WaitFacts>() == 32);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_memory::{BASE, TestMemory, config};

    #[test]
    fn wire_numbers_are_those_of_the_origins() {
        for origin in [Origin::OnCpu, Origin::OffCpu, Origin::OffCpuSameStack] {
            assert_eq!(Origin::from_wire(origin as u32), Some(origin));
        }
        assert_eq!(Origin::from_wire(3), None);
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
            gil: 0,
            time: 0,
        };
        let mut at = |memory: &TestMemory, config: &ProcessConfig, state, now| {
            let mut window = Window::zeroed();
            let size = config.layout.thread.read_size;
            window.load(memory, state, size).expect("it is there");
            known.address(memory, config, &window, now)
        };
        assert_eq!(at(&memory, &config, BASE, 5), 0x1234);
        memory.set(BASE + 0x100, 16, 0x4321);
        assert_eq!(at(&memory, &config, BASE, 5 + BELIEVED), 0x1234);
        assert_eq!(at(&memory, &config, BASE, 6 + BELIEVED), 0x4321);
        assert_eq!(at(&memory, &config, BASE + 0x40, 6 + BELIEVED), 0x5678);
        memory.set(BASE + 0x180, 16, 0x8765);
        config.key.0 += 2;
        assert_eq!(at(&memory, &config, BASE + 0x40, 6 + BELIEVED), 0x8765);
    }
}
