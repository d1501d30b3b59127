// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! The kernel side of pyebpf. The entry points are in `on_cpu`, `on_cpu_by_calls`,
//! `off_cpu`, `on_return`, `lifecycle` and `signals`; `capture` takes a sample, and
//! `sampler_common::walk` walks a stack.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod absence;
mod capture;
mod counts;
mod kernel_fields;
mod lifecycle;
mod log;
mod maps;
mod memory;
mod namespace;
mod off_cpu;
mod on_cpu;
mod on_cpu_by_calls;
mod on_return;
mod signals;
mod task;
mod unchanged;
mod waiting;

/// Programs that use GPL-only helpers must say so (`kernel/bpf/verifier.c`).
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    // The verifier rejects a program that could get here.
    loop {}
}
