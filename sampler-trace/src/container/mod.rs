// SPDX-License-Identifier: MIT OR Apache-2.0

//! The `.pyebpf` container: a recording writes it while it runs, and what was written can
//! be read even when the file was cut off.
//!
//! # The bytes of a `.pyebpf` file, version 1
//!
//! All fixed-width integers are little-endian. `varint` is an unsigned LEB128 number
//! (seven bits a byte, low ones first) of at most 8 bytes and at most 2^53 - 1. `text` is
//! a varint with its length in bytes, at most 8192, followed by that many bytes of UTF-8.
//!
//! ```text
//! file   = magic version block*  [trailer]
//! magic  = 8 bytes: 89 70 79 65 62 70 66 0A   ("\x89pyebpf\n")
//! version= u32: 1. A reader refuses any other.
//!
//! block  = kind u8 | encoding u8 | reserved u16 | stored u32 | raw u32 | checksum u32 | data
//!   kind      1 header, 2 segment, 3 summary, 4 index, 5 account; a reader skips
//!             others
//!   encoding  0 data as it is, 1 data is a zlib stream (RFC 1950), which
//!             `new DecompressionStream("deflate")` reads
//!   reserved  0
//!   stored    bytes of `data` in the file, at most 64 MiB
//!   raw       bytes of `data` after decoding, at most 64 MiB
//!   checksum  CRC-32 (IEEE) of the 12 bytes before it and of the stored data
//!
//! trailer = offset u64 | 8 bytes "pyebpfIX": where the index block begins.
//!           The last 16 bytes of a finished file.
//! ```
//!
//! The first block is the header. Segments follow, one every few seconds of a recording,
//! and between them accounts. The summary, the index and the trailer are there only when
//! the recording was ended, not killed. A block that is cut off or whose checksum is
//! wrong ends the file: everything before it is valid.
//!
//! ## Header: JSON
//!
//! `{"hz":10, "mode":"cpu", "host":"…", "kernel":"…", "start_ns":"5123000",
//! "unix_start_us":1352241181539376, "program":"pyebpf 0.1.0", "command":["…"]}`
//!
//! `hz` is 0 when it is not known; `mode` is `cpu`, `wall` or `cpu,wall`. `start_ns` is
//! the time zero of this file on the kernel's monotonic clock, a whole number of
//! microseconds; it is a string because it can pass 2^53. `unix_start_us` is the same
//! moment in Unix time. **All times below are microseconds since it.**
//!
//! Two fields may be missing, in older files always. `boot` names the run of the kernel whose
//! clock `start_ns` is on (`/proc/sys/kernel/random/boot_id`). `carries_on` is true in a
//! *chunk*: a file that goes on where an earlier one of the same recording ended. It begins
//! with the last row of each thread, and needs no other file to be read.
//!
//! ## Segment
//!
//! What is new since the previous segment, then rows. Every number below is a varint
//! unless it says `text`. Strings, frames and stacks are numbered in the order of
//! definition over the whole file.
//!
//! ```text
//! complete_until                the rows are complete up to here: where the
//!                               last row of each track ends if no other follows
//! count, then each string:      text               number 1, 2, …; 0 is ""
//! count, then each frame:       file function line source      number 0, 1, …
//!                               (strings; line 0: not known)
//! count, then each stack:       distance frame     number 1, 2, …; 0 is empty
//!                               parent = own number - distance, distance >= 1
//! count, then each process:     number pid start_time_ticks name:text
//!                               cmdline:text python:text
//! count, then each track:       number process tid ident_low ident_high name:text
//!                               ident = ident_high * 2^32 + ident_low
//! count, then each run of rows of one track:
//!   track
//!   rows                        how many, >= 1
//!   first                       time of the first
//!   bytes, then `rows - 1` varints: time since the row before
//!   bytes, then `rows` varints: 0 for the empty stack, else 1 + z, where z is
//!                               the zigzag (0, -1, 1, -2 … as 0, 1, 2, 3 …) of
//!                               the stack's number minus that of the last
//!                               non-empty one in this run, 0 before the first
//!   count, then each state run: state length         covering all rows; or
//!                               count 0: running, and none for the empty stack
//! count, then each place of a process that this segment defines:
//!                               process namespace_pid container:text cgroup:text
//! count, the number of runs, then for each run, in their order:
//!   unit                        nanoseconds that one sample of it stands for; 0 if
//!                               no row of it has a sample, and then nothing follows
//!   bytes, then `rows` varints: how many samples a row has
//!   bytes, then `rows` varints: how many of them found the thread in the kernel
//! count, then each owner of a process that this segment defines:
//!                               process uid
//! ```
//!
//! A process or track that comes again under its number replaces what was known of it:
//! the last definition holds for the whole file. A track can have several runs in a
//! segment, in time order. A row lasts until the track's next one. The times of a track
//! do not decrease; a reader raises a time that does. A row that equals the track's
//! previous row continues it, and their samples add up. A reader ignores bytes after the
//! last owner. Places, weights and owners may be missing: they were added after version 1
//! was in use, and a reader that does not know them ignores them. A process without a place
//! lives on the host itself; `namespace_pid` is its pid in the innermost pid namespace, 0
//! where that is the same. The owner of a process is its effective user id; that of a process
//! without one is not known.
//!
//! In a sum, a row counts for its samples times the unit, not for its length: it is drawn
//! over ticks at which its thread did not run. Each scan adds a sample to the row of a
//! waiting thread. Such a row can have samples but no length, because they became known only
//! when the thread ran again. In a track with samples, the waiting rows without any share,
//! by their lengths, what the samples leave of the track's life. The rows of a track
//! without any sample count for their lengths.
//!
//! States: 0 none, 1 running, 2 runnable, 3 waiting for the GIL, 4 lock,
//! 5 I/O, 6 sleeping, 7 stopped, 8 page fault, 9 waiting.
//!
//! The JSON of header and summary has at most 4 MiB each.
//!
//! ## Summary: JSON
//!
//! `{"end_us":20000000, "counts":{"taken":200, …}, "processes":[]}`. `end_us` is when the
//! recording ended. Older files have the counters of each process here:
//! `{"process":0, "counts":{…}}`, where `process` is its number.
//!
//! ## Account
//!
//! The counters as of some moment; a recording that was ended has them as of its end.
//! What a block says about a process replaces what earlier blocks said about it. The
//! counters of the whole recording and the changes of the rate are all repeated each
//! time. While a recording goes on, samples that are still on their way are in no counter.
//!
//! ```text
//! until                         the moment
//! count, then each name: text   number 0, 1, … in this block, at most 1024
//! count, then each counter of the whole recording: name value
//! count, then each process:     number, count, then each counter: name value
//! count, then each change of the rate:
//!   time period                 from then on one sample every `period` nanoseconds
//! count, then each thread:      track, then the microseconds of CPU time that the
//!                               kernel counted for it in user mode and in the kernel
//! ```
//!
//! The threads may be missing: they were added later. What a block says about a thread
//! replaces what earlier blocks said about it.
//!
//! In a chunk, counters and CPU times count from its start, those of processes and threads
//! that went on before included. A rate other than that of the header is a change at its
//! start. The sum over all chunks is thus the account of the whole recording; of `behind_us`,
//! `passes_from_user_space` and `walked_without_loop` it is the maximum.
//!
//! ## Index
//!
//! ```text
//! count, then each segment:     distance of its offset in the file from that of
//!                               the segment before (from 0), complete_until, rows
//! ```

pub mod account;
pub(crate) mod block;
pub mod condense;
pub(crate) mod contents;
pub(crate) mod decode;
mod encode;
pub mod error;
pub mod follow;
#[cfg(test)]
mod hostile_tests;
pub mod index;
pub mod info;
pub mod load;
pub mod reader;
mod run;
pub mod writer;

/// The bytes that every container begins with.
pub const MAGIC: [u8; 8] = *b"\x89pyebpf\n";
/// The version of the layout that this program writes and reads.
pub const VERSION: u32 = 1;
