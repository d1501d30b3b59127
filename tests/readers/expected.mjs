// SPDX-License-Identifier: MIT OR Apache-2.0

// What a trace holds, out of its timeline JSON: the one format that is simple
// enough to be read here with nothing but a JSON parser.

import fs from "node:fs";

const microseconds = (seconds) => Math.round(seconds * 1e6);

// A process by its name and, where it lives in a namespace or container of its
// own, its place there.
function title({ process, namespace_pid, container }) {
  const pid = namespace_pid && `pid ${namespace_pid} inside`;
  const place = [pid, container].filter(Boolean).join(" ");
  return place ? `${process} (${place})` : process;
}

// The threads of a file in the order of threads; of each its segments in the
// order of time, gaps left out. Times are microseconds since the start.
export function threads(file) {
  const rows = JSON.parse(fs.readFileSync(file, "utf8"));
  const sentinel = rows.pop();
  const about = sentinel[4];
  const end = microseconds(sentinel[0]) - about.start_us;
  const at = (row) => (row < rows.length ? microseconds(rows[row][0]) - about.start_us : end);
  const all = about.threads.map((thread) => {
    const segments = [];
    for (let row = thread.rows[0]; row < thread.rows[1]; row++) {
      const stack = rows[row][3].map(([file, line, name]) => ({ name, file, line }));
      const stop = row + 1 < thread.rows[1] ? at(row + 1) : end;
      const cell = about.cols.state[row];
      const [first, ...changes] = Array.isArray(cell) ? cell : [cell];
      const pieces = [[0, first], ...changes];
      pieces.forEach(([offset, state], position) => {
        const from = at(row) + offset;
        const to = position + 1 < pieces.length ? at(row) + pieces[position + 1][0] : stop;
        if (to > from && stack.length) {
          segments.push({ from, to, stack, state: about.states[state] });
        }
      });
    }
    return { ...thread, program: thread.process, process: title(thread), segments };
  });
  return { end, threads: all, several: new Set(all.map((of) => of.pid)).size > 1 };
}

// The name of the innermost frame that stands for a state, if any does.
export const waiting = (state) =>
  state === "running" || state === "none" ? null : `[${state}]`;

// The names of a segment's frames, with its state.
export function names(segment) {
  const state = waiting(segment.state);
  const frames = segment.stack.map((frame) => frame.name);
  return state ? [...frames, state] : frames;
}

// Neighbours with the same names become one.
export function merged(segments) {
  const out = [];
  for (const { from, to, names } of segments) {
    const last = out[out.length - 1];
    if (last && last.to === from && last.names.join("\0") === names.join("\0")) last.to = to;
    else out.push({ from, to, names });
  }
  return out;
}

// Sums by a key, as an object with its keys in order.
export function sums(entries) {
  const map = new Map();
  for (const [key, value] of entries) map.set(key, (map.get(key) ?? 0) + value);
  return Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
}
