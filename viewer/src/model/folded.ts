// SPDX-License-Identifier: MIT OR Apache-2.0

// Reads folded stacks, `a;b;c 12` a line, as flame graph tools write them. They have no times:
// each line becomes one row as long as its weight, in the order of the file.

import { TraceError } from "./limits.ts";
import { State } from "./state.ts";
import { SymbolTable } from "./symbol_table.ts";
import type { Trace } from "./trace.ts";

/** A row lasts this many microseconds for each unit of its weight. */
const UNIT_US = 10_000;

/** Parses `func (file.py:12)`, `func (file.py)`, or only a name. */
function frameOf(text: string): { func: string; file: string; line: number } {
  const match = /^(.*) \(([^()]*?)(?::(\d{1,9}))?\)$/.exec(text);
  if (!match) return { func: text, file: "", line: 0 };
  return { func: match[1], file: match[2], line: Number(match[3] ?? 0) };
}

/** The frames that mark a process and a thread: `process 1234:"name"`, `thread (12): name`. */
const PROCESS = /^process (\d{1,9})(?::\s*"?(.*?)"?)?$/;
const THREAD = /^thread \(?(?:0x)?([0-9a-fA-F]{1,16})\)?:?\s*"?(.*?)"?$/;

export function readFolded(text: string): Trace {
  const table = new SymbolTable();
  const ends: number[] = [];
  let lines = 0;
  // Lines with a second number before the weight. A single function name may end in a number,
  // but if every line has one, the file holds two profiles.
  let twice = 0;
  for (let from = 0; from < text.length; ) {
    let to = text.indexOf("\n", from);
    if (to < 0) to = text.length;
    const line = text.slice(from, to).trim();
    from = to + 1;
    // Comments, including Austin's metadata: `# mode: wall`.
    if (line === "" || /^#(?!\S)/.test(line)) continue;
    const match = /^(.*\S)\s+(\d+(?:\.\d+)?)$/.exec(line);
    if (!match) {
      if (from > text.length) continue; // The last line was cut off.
      throw new TraceError(`not a trace: line ${lines + 1} is no folded stack "a;b;c 12"`);
    }
    lines++;
    if (/\s[\d.]+$/.test(match[1])) twice++;
    const names = match[1].split(";");
    const process = PROCESS.exec(names[0]);
    if (process) names.shift();
    const thread = THREAD.exec(names[0] ?? "");
    if (thread) names.shift();
    const processNumber = table.process(Number(process?.[1] ?? 0), process?.[2] ?? "", "");
    const track = table.track(processNumber, 0, 0, thread ? thread[2] || thread[1] : "stacks");
    let stack = 0;
    for (const name of names) {
      const { func, file, line: number } = frameOf(name);
      stack = table.stack(stack, table.frame(file, func, number, ""));
    }
    const start = ends[track] ?? 0;
    table.builder.pushRow(track, start, stack, State.running);
    ends[track] = start + Number(match[2]) * UNIT_US;
  }
  if (twice === lines) {
    throw new TraceError(lines ? "differential stacks: two profiles at once" : "not a trace: it has no line");
  }
  let end = 0;
  ends.forEach((to, track) => {
    table.builder.pushRow(track, to, 0, State.none);
    end = Math.max(end, to);
  });
  const info = { hz: 0, mode: "folded", host: "", kernel: "", program: "", command: [], unixStartUs: 0 };
  return table.builder.finish(info, end, null);
}
