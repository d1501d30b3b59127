//! The kernel side of pyebpf: entry points only. What a program does when it
//! has found its target is in `capture`, and how a stack is walked in
//! `sampler_common::walk`.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod capture;
mod lifecycle;
mod maps;
mod memory;
mod namespace;
mod off_cpu;
mod on_cpu;
mod on_cpu_by_calls;
mod task;

/// Programs that use GPL-only helpers must say so (`kernel/bpf/verifier.c`).
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    // The verifier refuses a program that could get here.
    loop {}
}
