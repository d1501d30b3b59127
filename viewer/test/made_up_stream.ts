// SPDX-License-Identifier: MIT OR Apache-2.0

// A container of a service that nobody recorded, as it grows: a segment every two seconds, in
// which stacks and threads can be new.

import { MAGIC } from "../src/model/blocks.ts";
import { State } from "../src/model/state.ts";
import { block, column, json, text, varint } from "./container_writer.ts";

/** Milliseconds of one segment, and of one sample. */
const SEGMENT_MS = 2000;
const SAMPLE_MS = 100;

export interface StreamOptions {
  processes?: number;
  /** Threads of each process, of which the first `busy` run all the time. */
  threads?: number;
  busy?: number;
  /** Unix time of the first row, in seconds. */
  startS?: number;
  host?: string;
}

export class MadeUpStream {
  private strings = new Map<string, number>([["", 0]]);
  private frames = new Map<string, number>();
  private stacks = new Map<string, number>();
  private fresh = { strings: [] as number[], frames: [] as number[], stacks: [] as number[] };
  private counts = { strings: 0, frames: 0, stacks: 0 };
  private numbers = new Map<number, number>();
  private processes = new Set<number>();
  private segments = 0;
  private settings: Required<StreamOptions>;

  constructor(options: StreamOptions = {}) {
    this.settings = { processes: 2, threads: 3, busy: 1, startS: 1_800_000_000, host: "made-up", ...options };
  }

  /** Milliseconds up to which the rows of the segments so far go. */
  get endMs(): number {
    return this.segments * SEGMENT_MS;
  }

  header(): Uint8Array {
    const document = {
      hz: 1000 / SAMPLE_MS,
      mode: "wall",
      host: this.settings.host,
      kernel: "6.1",
      start_ns: "1000",
      unix_start_us: this.settings.startS * 1e6,
      program: "pyebpf",
      command: [],
    };
    return joined([Uint8Array.of(...MAGIC, 1, 0, 0, 0), block(1, json(document))]);
  }

  /** The next segment. */
  segment(): Uint8Array {
    const { processes, threads } = this.settings;
    const number = this.segments++;
    const newProcesses: number[] = [];
    const newTracks: number[] = [];
    let [processCount, trackCount] = [0, 0];
    const runs: number[] = [];
    const weights: number[] = [];
    let runCount = 0;
    for (let process = 0; process < processes; process++) {
      if (!this.processes.has(process)) {
        this.processes.add(process);
        processCount++;
        const pid = 800 + process;
        newProcesses.push(...varint(process), ...varint(pid), ...varint(pid * 10));
        newProcesses.push(...text(`worker-${process}`), ...text(`python worker.py ${process}`), ...text("3.12.1"));
      }
      for (let thread = 0; thread < threads; thread++) {
        // The last thread of a process begins with the third segment.
        if (thread > 0 && thread === threads - 1 && number < 2) continue;
        const track = process * threads + thread;
        const rows = this.rowsOf(process, thread, number);
        if (rows.length === 0) continue;
        const index = this.numberOf(track, newTracks, process, thread);
        if (index.isNew) trackCount++;
        runCount++;
        runs.push(...varint(index.number), ...varint(rows.length), ...varint(rows[0].us));
        runs.push(...column(rows.slice(1).map((row, at) => row.us - rows[at].us)));
        let base = 0;
        const codes = rows.map(({ stack }) => {
          if (stack === 0) return 0;
          const off = stack - base;
          base = stack;
          return 1 + (off >= 0 ? off * 2 : -off * 2 - 1);
        });
        runs.push(...column(codes), ...varint(rows.length), ...rows.flatMap(({ state }) => [state, 1]));
        weights.push(...varint(SAMPLE_MS * 1e6));
        weights.push(...column(rows.map(({ samples }) => samples)), ...column(rows.map(({ system }) => system)));
      }
    }
    const { fresh, counts } = this;
    const data = [
      ...varint(this.endMs * 1000),
      ...[...varint(counts.strings), ...fresh.strings],
      ...[...varint(counts.frames), ...fresh.frames],
      ...[...varint(counts.stacks), ...fresh.stacks],
      ...[...varint(processCount), ...newProcesses],
      ...[...varint(trackCount), ...newTracks],
      ...varint(runCount),
    ];
    this.fresh = { strings: [], frames: [], stacks: [] };
    this.counts = { strings: 0, frames: 0, stacks: 0 };
    return block(2, [...data, ...runs, 0, ...varint(runCount), ...weights]);
  }

  private numberOf(track: number, out: number[], process: number, thread: number): { number: number; isNew: boolean } {
    const known = this.numbers.get(track);
    if (known !== undefined) return { number: known, isNew: false };
    const number = this.numbers.size;
    this.numbers.set(track, number);
    const tid = 5000 + track;
    const name = thread === 0 ? "MainThread" : `thread-${thread}`;
    out.push(...varint(number), ...varint(process), ...varint(tid), ...varint(tid * 3), 1, ...text(name));
    return { number, isNew: true };
  }

  private rowsOf(process: number, thread: number, segment: number) {
    const rows: { us: number; stack: number; state: number; samples: number; system: number }[] = [];
    const isBusy = thread < this.settings.busy;
    const base = ["_bootstrap", "run", `serve_${process % 5}`];
    for (let at = 0; at < SEGMENT_MS / SAMPLE_MS; at++) {
      const us = (segment * SEGMENT_MS + at * SAMPLE_MS) * 1000;
      const step = segment * 20 + at + thread * 3 + process;
      if (!isBusy) {
        // A row in the first segment, and one each time that it wakes up for a moment.
        if (segment === 0 && at === 0)
          rows.push({ us, stack: this.stack([...base, "wait"]), state: State.io, samples: 1, system: 0 });
        else if (step % 97 === 0) {
          rows.push({ us, stack: this.stack([...base, "wake"]), state: State.running, samples: 1, system: 1 });
          rows.push({ us: us + 50_000, stack: this.stack([...base, "wait"]), state: State.io, samples: 1, system: 0 });
        } else if (
          at === 0 &&
          segment >= 2 &&
          rows.length === 0 &&
          !this.numbers.has(process * this.settings.threads + thread)
        ) {
          rows.push({ us, stack: this.stack([...base, "wait"]), state: State.lock, samples: 1, system: 0 });
        }
        continue;
      }
      if (step % 17 === 16) {
        rows.push({ us, stack: this.stack([...base, "wait"]), state: State.io, samples: 1, system: 0 });
        continue;
      }
      const path = [...base, "handle", ["parse", "query", "render"][step % 3]];
      if (step % 4 === 0) path.push("encode", `step_${step % 7}`);
      // A function that nobody called before.
      if (step % 50 === 0) path.push(`late_${Math.floor(step / 50) % 40}`);
      rows.push({ us, stack: this.stack(path), state: State.running, samples: 1, system: step % 5 === 0 ? 1 : 0 });
    }
    return rows;
  }

  private stack(functions: string[]): number {
    let parent = 0;
    let key = "";
    for (const name of functions) {
      key = `${key}/${name}`;
      let number = this.stacks.get(key);
      if (number === undefined) {
        const frame = this.frame(name);
        number = this.stacks.size + 1;
        this.stacks.set(key, number);
        this.fresh.stacks.push(...varint(number - parent), ...varint(frame));
        this.counts.stacks++;
      }
      parent = number;
    }
    return parent;
  }

  private frame(name: string): number {
    let number = this.frames.get(name);
    if (number === undefined) {
      const library = name.startsWith("_") || name === "run";
      const file = this.string(library ? "/usr/lib/python3.12/threading.py" : "/srv/worker.py");
      const func = this.string(name);
      number = this.frames.size;
      this.frames.set(name, number);
      const line = 10 + number;
      this.fresh.frames.push(...varint(file), ...varint(func), ...varint(line), ...varint(this.string(`${name}()`)));
      this.counts.frames++;
    }
    return number;
  }

  private string(value: string): number {
    let number = this.strings.get(value);
    if (number === undefined) {
      number = this.strings.size;
      this.strings.set(value, number);
      this.fresh.strings.push(...text(value));
      this.counts.strings++;
    }
    return number;
  }
}

export function joined(parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
