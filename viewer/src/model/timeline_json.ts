// SPDX-License-Identifier: MIT OR Apache-2.0

// Reads a timeline JSON as its bytes arrive: pyebpf's own in either order, that of the 2012
// original, and one that was cut off. Never holds the whole text, since a browser's strings
// end at half a gigabyte.

import { cpuAmong } from "./account.ts";
import { growing32, growing64 } from "./columns.ts";
import { infoOf, plainCounts, plainNumber, plainText } from "./container.ts";
import { MAXIMUM_JSON_ROW, MAXIMUM_ROWS, MAXIMUM_TRACKS, TraceError, within } from "./limits.ts";
import { RawTable } from "./raw_table.ts";
import { STATES, State } from "./state.ts";
import { SymbolTable } from "./symbol_table.ts";
import type { Trace } from "./trace.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;
const COMMA = 0x2c;
/** A microsecond, in nanoseconds. */
const MICROSECOND = 1000;

const damaged = (what: string) => new TraceError(`not a timeline: ${what}`);

export class TimelineReader {
  private rest = new Uint8Array(0);
  private started = false;
  private closed = false;
  /** How far `rest` was scanned, and the state in which the scan stopped. */
  private scanned = 0;
  private depth = 0;
  private inText = false;

  private table = new SymbolTable();
  private frames = new RawTable();
  private frameNumbers: number[] = [];
  private heads = new RawTable();
  private headValues: { ident: number; name: string }[] = [];
  private times = growing64();
  private rowHeads = growing32();
  private stacks = growing32();
  private endUs = -1;
  private metadata: Record<string, unknown> = {};
  /** The number of each process that the sentinel names, by its `processKey`. */
  private processOf = new Map<string, number>();

  /** Reads the next bytes of the file. */
  push(chunk: Uint8Array): void {
    const bytes = new Uint8Array(this.rest.length + chunk.length);
    bytes.set(this.rest);
    bytes.set(chunk, this.rest.length);
    let from = 0;
    let at = this.scanned;
    let { depth, inText } = this;
    for (; at < bytes.length && !this.closed; at++) {
      const byte = bytes[at];
      if (inText) {
        if (byte === BACKSLASH) {
          // The escaped character may be in the next chunk.
          if (at + 1 >= bytes.length) break;
          at++;
        } else if (byte === QUOTE) inText = false;
      } else if (byte === QUOTE) inText = true;
      else if (byte === OPEN || byte === BRACE_OPEN) {
        if (depth === 0 && byte !== OPEN) throw damaged("it does not begin with a list");
        if (depth === 1) from = at;
        depth++;
        this.started = true;
      } else if (byte === CLOSE || byte === BRACE_CLOSE) {
        depth--;
        if (depth === 1) {
          this.row(bytes, from, at + 1);
          from = at + 1;
        } else if (depth === 0) this.closed = true;
      } else if (depth === 0 && byte > 0x20 && byte < 0xef) throw damaged("it does not begin with a list");
    }
    this.depth = depth;
    this.inText = inText;
    if (depth <= 1) from = Math.max(from, Math.min(at, bytes.length));
    if (bytes.length - from > MAXIMUM_JSON_ROW) throw damaged("a row has more than 64 MB");
    this.rest = bytes.slice(from);
    this.scanned = at - from;
  }

  /** Reads one whole row, `[time, ident, name, [frame…], …]`. */
  private row(bytes: Uint8Array, from: number, to: number): void {
    const row = new Elements(bytes, from, to);
    if (!row.next()) throw damaged("a row is empty");
    const time = timeAt(bytes, row.from, row.to);
    if (!row.next()) throw damaged("a row has no thread");
    const headFrom = row.from;
    if (!row.next()) throw damaged("a row has no thread name");
    const head = this.heads.number(bytes, headFrom, row.to);
    if (head.isNew) this.headValues.push(headOf(bytes, headFrom, row.to));
    if (!row.next() || bytes[row.from] !== OPEN) throw damaged("a row has no stack");
    if (Number.isNaN(this.headValues[head.number].ident)) {
      this.endUs = Math.max(this.endUs, time);
      if (row.next()) this.metadata = object(bytes, row.from, row.to);
      return;
    }
    let stack = 0;
    for (const frame = new Elements(bytes, row.from, row.to); frame.next(); ) {
      const { number, isNew } = this.frames.number(bytes, frame.from, frame.to);
      if (isNew) this.frameNumbers.push(this.frame(bytes, frame.from, frame.to));
      stack = this.table.stack(stack, this.frameNumbers[number]);
    }
    within(this.times.length, MAXIMUM_ROWS, "rows");
    this.times.push(time);
    this.rowHeads.push(head.number);
    this.stacks.push(stack);
  }

  private frame(bytes: Uint8Array, from: number, to: number): number {
    const parts = value(bytes, from, to);
    if (!Array.isArray(parts)) throw damaged("a frame is no list");
    const line = Math.min(plainNumber(parts[1]), 0xffffffff);
    return this.table.frame(plainText(parts[0]), plainText(parts[2]), Math.floor(line), plainText(parts[3]));
  }

  /** Returns the trace, once all bytes were pushed. */
  finish(report?: (part: number) => void): Trace {
    if (!this.started) throw damaged("it is empty");
    const times = this.times.take();
    if (times.length === 0 && this.endUs < 0) throw damaged("it has no row");
    let first = Infinity;
    let last = 0;
    for (const time of times) {
      if (time < first) first = time;
      if (time > last) last = time;
    }
    if (first === Infinity) first = this.endUs;
    const told = plainNumber(this.metadata.start_us);
    const start = told > 0 ? Math.min(told, first) : first;
    const end = Math.max(last, this.endUs);
    this.rows(times, start, end);
    this.processes();
    const torn = this.endUs < 0 || !this.closed;
    const reason = "the file was cut off, or has no closing row; every whole row is here";
    this.table.builder.counts = plainCounts(this.metadata.counts);
    const info = infoOf(this.metadata, start);
    return this.table.builder.finish(info, end - start, torn ? { reason } : null, report);
  }

  private rows(times: Float64Array, start: number, end: number): void {
    const { builder } = this.table;
    const stacks = this.stacks.take();
    const owners = this.owners();
    const [cells, weights, systems] = ["state", "weight", "system"].map((name) => columnOf(this.metadata, name));
    // Adds what a row, or one of its states, counts for; the columns are in microseconds.
    const weigh = (track: number, row: number, at: number) => {
      const count = Math.round(cellAt(weights[row], at));
      if (count > 0) builder.weigh(track, MICROSECOND, count, Math.min(Math.round(cellAt(systems[row], at)), count));
    };
    for (let row = 0; row < times.length; row++) {
      const stack = stacks[row];
      const cell = cells[row];
      const implied = stack === 0 ? State.none : State.running;
      const track = owners(row);
      const time = times[row] - start;
      if (!Array.isArray(cell)) {
        builder.pushRow(track, time, stack, stateOr(cell, implied));
        weigh(track, row, 0);
        continue;
      }
      builder.pushRow(track, time, stack, stateOr(cell[0], implied));
      weigh(track, row, 0);
      cell.slice(1).forEach((change, at) => {
        if (!Array.isArray(change)) return;
        const begin = Math.min(time + plainNumber(change[0]), end - start);
        builder.pushRow(track, begin, stack, stateOr(change[1], implied));
        weigh(track, row, at + 1);
      });
    }
  }

  /** The track of each row: the one that the sentinel gives, else one for each ident and name. */
  private owners(): (row: number) => number {
    const heads = this.rowHeads.take();
    const list = Array.isArray(this.metadata.threads) ? this.metadata.threads : [];
    const threads = list.map((thread) => this.toldThread(thread));
    const byHead: number[] = [];
    const fallback = (row: number) => {
      const { ident, name } = this.headValues[heads[row]];
      byHead[heads[row]] ??= this.table.track(this.table.process(0, "", ""), 0, ident, name);
      return byHead[heads[row]];
    };
    const of = (thread: ToldThread | undefined, row: number) => {
      if (!thread) return fallback(row);
      thread.track ??= this.toldTrack(thread, this.headValues[heads[row]]);
      return thread.track;
    };
    if (this.metadata.order === "time") {
      const column = columnOf(this.metadata, "thread");
      return (row) => of(threads[plainNumber(column[row] ?? NaN)], row);
    }
    let at = 0;
    return (row) => {
      while (at < threads.length && row >= threads[at].to) at++;
      const thread = threads[at];
      return of(thread && row >= thread.from ? thread : undefined, row);
    };
  }

  private toldThread(told: unknown): ToldThread {
    const thread = typeof told === "object" && told !== null ? (told as Record<string, unknown>) : {};
    const [from, to] = Array.isArray(thread.rows) ? thread.rows : [];
    return { from: plainNumber(from), to: plainNumber(to), document: thread };
  }

  private toldTrack(thread: ToldThread, head: { ident: number; name: string }): number {
    const { document } = thread;
    const process = this.table.process(
      plainNumber(document.pid),
      plainText(document.process),
      String(plainNumber(document.start_time_ticks)),
      plainText(document.cmdline),
      plainText(document.python),
    );
    this.processOf.set(processKey(document), process);
    const name = typeof document.name === "string" ? plainText(document.name) : head.name;
    const track = this.table.track(process, plainNumber(document.tid), head.ident, name);
    if (typeof document.user_us === "number") {
      this.table.builder.setCpu(track, {
        user: plainNumber(document.user_us),
        system: plainNumber(document.system_us),
      });
    }
    return track;
  }

  /** Sets the CPU time that the kernel counted for processes. */
  private processes(): void {
    const list = Array.isArray(this.metadata.processes) ? this.metadata.processes : [];
    for (const told of list.slice(0, MAXIMUM_TRACKS)) {
      const document = typeof told === "object" && told !== null ? (told as Record<string, unknown>) : {};
      const process = this.processOf.get(processKey(document));
      const cpu = cpuAmong(plainCounts(document.counts));
      if (process !== undefined && cpu) this.table.builder.processes[process].cpu = cpu;
    }
  }
}

/** What identifies a process of the sentinel: its pid and its start time. */
function processKey(document: Record<string, unknown>): string {
  return `${plainNumber(document.pid)} ${plainNumber(document.start_time_ticks)}`;
}

interface ToldThread {
  from: number;
  to: number;
  document: Record<string, unknown>;
  track?: number;
}

/** Finds the elements of a list without decoding them; `from` and `to` bound the current one. */
class Elements {
  from = 0;
  to = 0;
  private at: number;

  constructor(
    private bytes: Uint8Array,
    from: number,
    private end: number,
  ) {
    this.at = from + 1;
    if (bytes[from] !== OPEN) throw damaged("a row or a stack is no list");
  }

  next(): boolean {
    const { bytes } = this;
    const end = this.end - 1;
    let at = this.at;
    while (at < end && bytes[at] <= 0x20) at++;
    if (at >= end) return false;
    this.from = at;
    let depth = 0;
    for (; at < end; at++) {
      const byte = bytes[at];
      if (byte === QUOTE) {
        for (at++; at < end && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++;
      } else if (byte === OPEN || byte === BRACE_OPEN) depth++;
      else if (byte === CLOSE || byte === BRACE_CLOSE) depth--;
      else if (byte === COMMA && depth === 0) break;
    }
    this.to = Math.min(at, end);
    while (this.to > this.from && bytes[this.to - 1] <= 0x20) this.to--;
    this.at = at + 1;
    return true;
  }
}

/** Parses seconds into whole microseconds. */
function timeAt(bytes: Uint8Array, from: number, to: number): number {
  let seconds = 0;
  let at = from;
  for (; at < to && bytes[at] >= 0x30 && bytes[at] <= 0x39; at++) seconds = seconds * 10 + bytes[at] - 0x30;
  let micros = 0;
  if (bytes[at] === 0x2e) {
    let scale = 100_000;
    for (at++; at < to && bytes[at] >= 0x30 && bytes[at] <= 0x39; at++, scale /= 10) {
      if (scale >= 1) micros += (bytes[at] - 0x30) * scale;
    }
  }
  if (at === to && at > from) return Math.min(seconds * 1e6 + micros, Number.MAX_SAFE_INTEGER);
  const other = value(bytes, from, to);
  if (typeof other !== "number" || !(other >= 0) || other > 9e9) throw damaged("a row begins with no time");
  return Math.round(other * 1e6);
}

/** Ident and name. The closing row has null for both, which gives NaN as its ident. */
function headOf(bytes: Uint8Array, from: number, to: number): { ident: number; name: string } {
  const text = new TextDecoder().decode(bytes.subarray(from, to));
  let parts: unknown;
  try {
    parts = JSON.parse(`[${text}]`);
  } catch {
    throw damaged("a row names no thread");
  }
  const [ident, name] = parts as unknown[];
  if (ident === null && name === null) return { ident: NaN, name: "" };
  return { ident: plainNumber(Number(ident)), name: plainText(name) };
}

function value(bytes: Uint8Array, from: number, to: number): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes.subarray(from, to)));
  } catch {
    throw damaged("a row is no JSON");
  }
}

function object(bytes: Uint8Array, from: number, to: number): Record<string, unknown> {
  const parsed = value(bytes, from, to);
  return typeof parsed === "object" && parsed !== null ? (parsed as Record<string, unknown>) : {};
}

function columnOf(metadata: Record<string, unknown>, name: string): unknown[] {
  const { cols } = metadata;
  if (typeof cols !== "object" || cols === null) return [];
  const column = (cols as Record<string, unknown>)[name];
  return Array.isArray(column) ? column : [];
}

/** The number at an index of a cell, which is a list of numbers or only the first of them. */
function cellAt(cell: unknown, at: number): number {
  return plainNumber(Array.isArray(cell) ? cell[at] : at === 0 ? cell : 0);
}

function stateOr(cell: unknown, implied: number): number {
  const number = typeof cell === "number" ? cell : -1;
  return Number.isInteger(number) && number >= 0 && number < STATES ? number : implied;
}
