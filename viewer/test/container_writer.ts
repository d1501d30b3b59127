// SPDX-License-Identifier: MIT OR Apache-2.0

// Writes small containers in the format of sampler-trace/src/container/mod.rs, for tests of what
// the page reads from them.

import { MAGIC } from "../src/model/blocks.ts";
import { crc32 } from "../src/model/checksum.ts";

/** A row of a thread. Its stack is `work` of `/srv/app.py`, or empty. */
export interface WrittenRow {
  us: number;
  stack: 0 | 1;
  state: number;
  samples?: number;
  system?: number;
}

export interface WrittenRun {
  /** Nanoseconds that one sample stands for; 0 for no samples. */
  period: number;
  rows: WrittenRow[];
  track?: number;
}

export interface Written {
  mode: string;
  endUs: number;
  /** The runs of each segment. The first segment defines everything else. */
  segments: WrittenRun[][];
  /** If false, writes no weights, as in files from before rows had them. */
  weights?: boolean;
  /** Counters of the process, and the kernel's CPU times of threads: track, user, system. */
  account?: { process: Record<string, number>; tracks: number[][] };
}

export function container(written: Written): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(...MAGIC, 1, 0, 0, 0)];
  const header = {
    hz: 10,
    mode: written.mode,
    host: "h",
    kernel: "",
    start_ns: "0",
    unix_start_us: 1,
    program: "",
    command: [],
  };
  parts.push(block(1, json(header)));
  for (const [at, runs] of written.segments.entries()) parts.push(block(2, segment(runs, at === 0, written)));
  if (written.account) parts.push(block(5, account(written.account, written.endUs)));
  parts.push(block(3, json({ end_us: written.endUs, counts: {} })));
  const bytes: number[] = [];
  for (const part of parts) for (const byte of part) bytes.push(byte);
  return Uint8Array.from(bytes);
}

export function json(value: unknown): number[] {
  return [...new TextEncoder().encode(JSON.stringify(value))];
}

/** A block whose data is not packed. */
export function block(kind: number, data: number[]): Uint8Array {
  const bytes = new Uint8Array(16 + data.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = kind;
  view.setUint32(4, data.length, true);
  view.setUint32(8, data.length, true);
  bytes.set(data, 16);
  view.setUint32(12, crc32(bytes.subarray(16), crc32(bytes.subarray(0, 12))), true);
  return bytes;
}

export function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

export const text = (value: string) => {
  const bytes = new TextEncoder().encode(value);
  return [...varint(bytes.length), ...bytes];
};
export const column = (numbers: number[]) => {
  const bytes = numbers.flatMap(varint);
  return [...varint(bytes.length), ...bytes];
};

function segment(runs: WrittenRun[], first: boolean, written: Written): number[] {
  const tracks = 1 + Math.max(0, ...written.segments.flat().map((run) => run.track ?? 0));
  const thread = (number: number) => [...varint(number), 0, ...varint(7 + number), 9, 0, ...text(`thread ${number}`)];
  const definitions = first
    ? [
        [2, ...text("/srv/app.py"), ...text("work")],
        [1, 1, 2, 3, 0],
        [1, 1, 0],
        [1, 0, 7, 0, ...text("app"), ...text(""), ...text("")],
        [...varint(tracks), ...Array.from({ length: tracks }, (_, number) => thread(number)).flat()],
      ]
    : [[0], [0], [0], [0], [0]];
  const out = [...varint(written.endUs), ...definitions.flat(), ...varint(runs.length)];
  for (const { rows, track } of runs) {
    out.push(...varint(track ?? 0), ...varint(rows.length), ...varint(rows[0].us));
    out.push(...column(rows.slice(1).map((row, at) => row.us - rows[at].us)));
    let base = 0;
    const codes = rows.map(({ stack }) => {
      if (stack === 0) return 0;
      const code = 1 + 2 * (stack - base);
      base = stack;
      return code;
    });
    out.push(...column(codes), ...varint(rows.length), ...rows.flatMap((row) => [row.state, 1]));
  }
  if (written.weights === false) return out;
  out.push(0, ...varint(runs.length));
  for (const { period, rows } of runs) {
    out.push(...varint(period));
    if (period === 0) continue;
    out.push(...column(rows.map((row) => row.samples ?? 0)), ...column(rows.map((row) => row.system ?? 0)));
  }
  return out;
}

function account({ process, tracks }: NonNullable<Written["account"]>, endUs: number): number[] {
  const names = Object.keys(process);
  return [
    ...varint(endUs),
    ...varint(names.length),
    ...names.flatMap(text),
    0,
    ...[
      1,
      0,
      ...varint(names.length),
      ...names.flatMap((name, number) => [...varint(number), ...varint(process[name])]),
    ],
    ...[1, 5, 100],
    ...varint(tracks.length),
    ...tracks.flat().flatMap(varint),
  ];
}
