// SPDX-License-Identifier: MIT OR Apache-2.0

// Reads a .pyebpf container, up to where it was cut off or damaged. The format is specified in
// sampler-trace/src/container/mod.rs.

import { readAccount } from "./account.ts";
import { type Block, BlockReader, KIND } from "./blocks.ts";
import { TraceBuilder } from "./builder.ts";
import { inflate, inflateLarge } from "./inflate.ts";
import { damaged, MAXIMUM_INFLATED, TraceError } from "./limits.ts";
import { STATES, State } from "./state.ts";
import type { Torn, Trace, TraceInfo } from "./trace.ts";
import { ByteReader } from "./varint.ts";

/** From this many bytes on, the browser unpacks faster than `inflate`, despite a slower start. */
const LARGE = 1 << 18;
/** How many blocks, from the next one on, are unpacked in advance if they are large. */
const AHEAD = 3;
/** The most bytes of a header or summary. */
const MAXIMUM_JSON = 4 << 20;

export async function readContainer(bytes: Uint8Array, report: (part: number) => void = () => {}): Promise<Trace> {
  const reader = new BlockReader();
  reader.push(bytes);
  const blocks: Block[] = [];
  for (let block = reader.next(); block; block = reader.next()) blocks.push(block);
  const container = new ContainerDecoder();
  let isOpen = false;
  // The browser unpacks large blocks while the ones before them are decoded.
  const large: Promise<Uint8Array>[] = [];
  for (const [next, block] of blocks.entries()) {
    for (let ahead = next; ahead < Math.min(blocks.length, next + AHEAD); ahead++) {
      if (ahead in large || !isLarge(blocks[ahead])) continue;
      large[ahead] = unpacked(blocks[ahead]);
      // A failure is handled when the block's turn comes; this avoids an unhandled rejection.
      large[ahead].catch(() => {});
    }
    container.decode(block, next in large ? await large[next] : null);
    delete large[next];
    isOpen = true;
    if (next % 8 === 0) report(next / blocks.length);
  }
  if (!isOpen) throw new TraceError("the file was cut off before its header");
  return container.finish(reader.at, report);
}

/** Whether the browser unpacks a block faster than `inflate` does. */
export function isLarge({ kind, encoding, raw }: Block): boolean {
  return kind === KIND.segment && encoding === 1 && raw >= LARGE;
}

/** Has the browser unpack a large block. */
export function unpacked({ stored, raw }: Block): Promise<Uint8Array> {
  return inflateLarge(stored, raw);
}

/** Decodes the blocks of a container, one after the other. */
export class ContainerDecoder {
  private segments: SegmentDecoder;
  private header: TraceInfo | null = null;
  private summary: Summary | null = null;
  private inflated = 0;

  constructor(readonly builder = new TraceBuilder()) {
    this.segments = new SegmentDecoder(builder);
  }

  /** How the recording was made; null before its first block. */
  get info(): TraceInfo | null {
    return this.header;
  }

  /** Up to where the rows are complete, in microseconds since the start. */
  get completeUntil(): number {
    return this.segments.completeUntil;
  }

  /** Decodes the next block; `data` is what it holds, if it was unpacked before. */
  decode(block: Block, data: Uint8Array | null = null): void {
    if (!this.header) {
      if (block.kind !== KIND.header) throw new TraceError("the file was cut off before its header");
      this.header = headerOf(json(block));
      return;
    }
    if (block.kind === KIND.summary) this.summary = summaryOf(json(block));
    if (block.kind !== KIND.segment && block.kind !== KIND.account) return;
    this.inflated += block.raw;
    if (this.inflated > MAXIMUM_INFLATED) throw new TraceError("the file unpacks to more than 2 GiB");
    if (block.kind === KIND.account) readAccount(dataOf(block), this.builder);
    else this.segments.decode(data ?? dataOf(block));
  }

  /** The trace of a container that ends after `cutAt` bytes, or is cut off there. */
  finish(cutAt: number, report?: (part: number) => void): Trace {
    const { builder, summary, header, completeUntil } = this;
    if (!header) throw new TraceError("the file was cut off before its header");
    const torn: Torn | null = summary
      ? null
      : { reason: `the recording was cut off at byte ${cutAt}; everything before it is here` };
    builder.counts = summary?.counts ?? {};
    return builder.finish(header, summary?.endUs ?? completeUntil, torn, report);
  }
}

function dataOf(block: Block): Uint8Array {
  if (block.encoding === 0) return block.stored;
  if (block.encoding !== 1) throw new TraceError("a block is packed in an unknown way");
  return inflate(block.stored, block.raw);
}

function json(block: Block): Record<string, unknown> {
  if (block.raw > MAXIMUM_JSON) throw new TraceError("the header or summary is too long");
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(dataOf(block)));
  } catch (error) {
    if (error instanceof TraceError) throw error;
    throw damaged("the header or summary is no JSON");
  }
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

interface Summary {
  endUs: number;
  counts: Record<string, number>;
}

/** A number from an untrusted document; 0 unless it is from 0 to the largest safe integer. */
export function plainNumber(value: unknown): number {
  return typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : 0;
}

export function plainText(value: unknown): string {
  return typeof value === "string" ? value.slice(0, 8192) : "";
}

export function plainCounts(value: unknown): Record<string, number> {
  const counts: Record<string, number> = Object.create(null);
  if (typeof value !== "object" || value === null) return counts;
  for (const [name, count] of Object.entries(value).slice(0, 1000)) counts[name] = plainNumber(count);
  return counts;
}

/** How the recording was made, from a header or from the sentinel of a timeline. */
export function infoOf(document: Record<string, unknown>, unixStartUs: number): TraceInfo {
  const { command } = document;
  return {
    hz: plainNumber(document.hz),
    mode: plainText(document.mode),
    host: plainText(document.host),
    kernel: plainText(document.kernel),
    program: plainText(document.program),
    command: Array.isArray(command) ? command.slice(0, 1000).map(plainText) : [],
    unixStartUs,
  };
}

function headerOf(document: Record<string, unknown>): TraceInfo {
  return infoOf(document, plainNumber(document.unix_start_us));
}

function summaryOf(document: Record<string, unknown>): Summary {
  return { endUs: plainNumber(document.end_us), counts: plainCounts(document.counts) };
}

/** Decodes the data of segments into tables and rows. */
class SegmentDecoder {
  completeUntil = 0;

  constructor(private builder: TraceBuilder) {}

  decode(data: Uint8Array): void {
    const { builder } = this;
    const reader = new ByteReader(data);
    this.completeUntil = Math.max(this.completeUntil, reader.number());
    for (let left = reader.count(); left > 0; left--) builder.pushString(reader.text());
    for (let left = reader.count(); left > 0; left--) {
      builder.pushFrame(reader.small(), reader.small(), reader.small(), reader.small());
    }
    for (let left = reader.count(); left > 0; left--) {
      const distance = reader.small();
      const own = builder.stackCount;
      if (distance < 1 || distance > own) {
        throw damaged("a stack is called by a later one");
      }
      builder.pushStack(own - distance, reader.small());
    }
    for (let left = reader.count(); left > 0; left--) this.process(reader);
    for (let left = reader.count(); left > 0; left--) this.track(reader);
    const runs: Run[] = [];
    for (let left = reader.count(); left > 0; left--) runs.push(new Run(reader));
    // Older recordings end here, or after the places.
    for (let left = reader.isAtEnd() ? 0 : reader.count(); left > 0; left--) this.place(reader);
    const hasWeights = !reader.isAtEnd() && reader.number() === runs.length;
    for (const run of runs) run.push(builder, hasWeights ? new RunWeights(reader) : null);
  }

  private process(reader: ByteReader): void {
    const number = reader.small();
    const pid = reader.small();
    reader.number();
    const process = {
      pid,
      name: reader.text(),
      cmdline: reader.text(),
      python: reader.text(),
      place: "",
      side: 0,
      cpu: null,
    };
    const known = this.builder.processes.length;
    if (number < known) this.builder.processes[number] = { ...process, cpu: this.builder.processes[number].cpu };
    else if (number === known) this.builder.addProcess(process);
    else throw damaged("a process has a number out of order");
  }

  private place(reader: ByteReader): void {
    const process = this.builder.processes[reader.small()];
    const pid = reader.small();
    const container = reader.text();
    const place = container || reader.text();
    if (container) reader.text();
    if (process) process.place = pid ? `${place} (pid ${pid})` : place;
  }

  private track(reader: ByteReader): void {
    const number = reader.small();
    const process = reader.small();
    const tid = reader.small();
    const low = reader.small();
    const ident = reader.small() * 2 ** 32 + low;
    const name = reader.text();
    const known = this.builder.trackCount;
    if (number < known) this.builder.renameTrack(number, name);
    else if (number === known) this.builder.addTrack(process, tid, ident, name);
    else throw damaged("a thread has a number out of order");
  }
}

/** A run of rows of one track. The constructor locates its columns; `push` decodes them. */
class Run {
  private track: number;
  private rows: number;
  private first: number;
  private times: ByteReader;
  private stacks: ByteReader;
  private states: StateRuns;

  constructor(reader: ByteReader) {
    this.track = reader.small();
    this.rows = reader.number();
    this.first = reader.number();
    this.times = reader.column();
    this.stacks = reader.column();
    // Each row takes at least one byte, so there cannot be more rows than bytes.
    if (this.rows < 1 || this.rows > this.stacks.bytes.length) {
      throw damaged("a run of rows is not as long as it says");
    }
    this.states = new StateRuns(reader);
  }

  /** Passes the rows to the builder, with their samples where these are known. */
  push(builder: TraceBuilder, weights: RunWeights | null): void {
    const { track, rows, times, stacks, states } = this;
    if (track >= builder.trackCount) {
      throw damaged("a row belongs to a thread that is not there");
    }
    builder.reserveRows(track, rows);
    let time = this.first;
    let base = 0;
    for (let row = 0; row < rows; row++) {
      if (row > 0) time += times.number();
      // A shortcut: nearly all take one byte.
      let code = stacks.bytes[stacks.at];
      if (code < 128) stacks.at++;
      else code = stacks.number();
      let stack = 0;
      if (code > 0) {
        // One more than a zigzag number: odd codes go forward, even ones back.
        base += code % 2 === 1 ? (code - 1) / 2 : -code / 2;
        if (base < 0) throw damaged("a stack has a negative number");
        stack = base;
      }
      builder.pushRow(track, time, stack, states.next(stack));
      weights?.give(builder, track);
    }
  }
}

/** The samples of one run's rows. */
class RunWeights {
  /** Nanoseconds that one sample stands for; 0 where no row has any. */
  private period: number;
  private counts: ByteReader | null = null;
  private systems: ByteReader | null = null;

  constructor(reader: ByteReader) {
    this.period = reader.number();
    if (this.period === 0) return;
    this.counts = reader.column();
    this.systems = reader.column();
  }

  /** Adds the samples of the run's next row to the last row of a track. */
  give(builder: TraceBuilder, track: number): void {
    const { counts, systems } = this;
    if (!counts || !systems) return;
    // A shortcut: nearly all take one byte.
    let count = counts.bytes[counts.at];
    if (count < 128) counts.at++;
    else count = counts.number();
    let system = systems.bytes[systems.at];
    if (system < 128) systems.at++;
    else system = systems.number();
    if (system > count) throw damaged("a row was longer in the kernel than it ran");
    if (count > 0) builder.weigh(track, this.period, count, system);
  }
}

/** The states of one run's rows, as pairs of a state and how many rows have it. */
class StateRuns {
  private runs: number[] = [];
  private at = 0;

  constructor(reader: ByteReader) {
    for (let left = reader.count(); left > 0; left--) this.runs.push(reader.number(), reader.number());
  }

  next(stack: number): number {
    const { runs } = this;
    if (runs.length === 0) return stack === 0 ? State.none : State.running;
    while (runs[this.at + 1] === 0) this.at += 2;
    const state = runs[this.at];
    if (state === undefined || state >= STATES) {
      throw damaged("a row has no state that is known");
    }
    runs[this.at + 1]--;
    return state;
  }
}
