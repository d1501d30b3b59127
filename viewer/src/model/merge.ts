// SPDX-License-Identifier: MIT OR Apache-2.0

// Merges two traces into one. Both start at time 0 of one clock, and equal stacks get the same
// number, so that a common base lights up across both.

import { growing16, growing32 } from "./columns.ts";
import { PairTable } from "./symbol_table.ts";
import type { Level, Trace, Track } from "./trace.ts";

export function mergeTraces(first: Trace, second: Trace): Trace {
  const tickUs = Math.max(first.tickUs, second.tickUs);
  const one =
    first.tickUs === tickUs ? first.tracks : first.tracks.map((track) => coarser(track, tickUs / first.tickUs));
  const strings = first.strings.slice();
  const known = new Map(strings.map((text, number) => [text, number]));
  const stringOf = second.strings.map((text) => {
    let number = known.get(text);
    if (number === undefined) {
      number = strings.push(text) - 1;
      known.set(text, number);
    }
    return number;
  });
  const { frames, frameOf } = mergeFrames(first, second, stringOf);
  const { stacks, stackOf } = mergeStacks(first, second, frameOf);
  const scale = tickUs / second.tickUs;
  const offset = first.processes.length;
  const two = second.tracks.map((track) => ({
    ...coarser(track, scale),
    process: track.process + offset,
    stack: track.stack.map((stack) => stackOf[stack]),
    levels: track.levels.map((level) => ({
      ...scaledLevel(level, scale),
      stack: level.stack.map((stack) => stackOf[stack]),
    })),
  }));
  const endOf = (trace: Trace) => Math.floor((trace.end * trace.tickUs) / tickUs);
  return {
    info: first.info,
    strings,
    frames,
    stacks,
    processes: [
      ...first.processes.map((process) => ({ ...process, side: 0 })),
      ...second.processes.map((process) => ({ ...process, side: 1 })),
    ],
    tracks: [...one, ...two],
    tickUs,
    end: Math.max(endOf(first), endOf(second), 1),
    hasStates: first.hasStates || second.hasStates,
    hasSystem: first.hasSystem || second.hasSystem,
    torn: first.torn ?? second.torn,
    counts: first.counts,
    rows: first.rows + second.rows,
  };
}

function scaledLevel(level: Level, scale: number): Level {
  if (scale === 1) return level;
  return { ...level, lasted: level.lasted.map((time) => time / scale), busy: level.busy.map((time) => time / scale) };
}

function coarser(track: Track, scale: number): Track {
  if (scale === 1) return { ...track };
  return {
    ...track,
    start: track.start.map((time) => time / scale),
    end: Math.floor(track.end / scale),
    busy: track.busy / scale,
    running: track.running / scale,
    system: track.system / scale,
    weights: { ...track.weights, unit: track.weights.unit / scale },
    levels: track.levels.map((level) => scaledLevel(level, scale)),
  };
}

function mergeFrames(first: Trace, second: Trace, stringOf: number[]) {
  const merged = [growing32(), growing32(), growing32(), growing32()];
  const known = new Map<string, number>();
  const push = (parts: number[]) => {
    for (const [at, column] of merged.entries()) column.push(parts[at]);
    const number = merged[0].length - 1;
    const key = parts.join();
    if (!known.has(key)) known.set(key, number);
    return number;
  };
  const { file, func, line, source } = first.frames;
  // Every frame of the first trace keeps its number, even if it equals another.
  for (const frame of file.keys()) push([file[frame], func[frame], line[frame], source[frame]]);
  const other = second.frames;
  const frameOf = Uint32Array.from(other.file, (_, frame) => {
    const parts = [
      stringOf[other.file[frame]],
      stringOf[other.func[frame]],
      other.line[frame],
      stringOf[other.source[frame]],
    ];
    return known.get(parts.join()) ?? push(parts);
  });
  const [files, funcs, lines, sources] = merged.map((column) => column.take());
  return { frames: { file: files, func: funcs, line: lines, source: sources }, frameOf };
}

function mergeStacks(first: Trace, second: Trace, frameOf: Uint32Array) {
  const parent = growing32();
  const frame = growing32();
  const depth = growing16();
  const known = new PairTable();
  const { stacks } = first;
  for (let stack = 0; stack < stacks.parent.length; stack++) {
    parent.push(stacks.parent[stack]);
    frame.push(stacks.frame[stack]);
    depth.push(stacks.depth[stack]);
    if (stack > 0) known.add(stacks.parent[stack], stacks.frame[stack], stack);
  }
  const other = second.stacks;
  const stackOf = new Uint32Array(other.parent.length);
  for (let stack = 1; stack < stackOf.length; stack++) {
    const above = stackOf[other.parent[stack]];
    const at = frameOf[other.frame[stack]];
    let number = known.find(above, at);
    if (number < 0) {
      number = parent.length;
      parent.push(above);
      frame.push(at);
      depth.push(other.depth[stack]);
      known.add(above, at, number);
    }
    stackOf[stack] = number;
  }
  return { stacks: { parent: parent.take(), frame: frame.take(), depth: depth.take() }, stackOf };
}
