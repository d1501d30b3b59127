// SPDX-License-Identifier: MIT OR Apache-2.0

// Reads the CPU time that the kernel counted from a container's account blocks. Skips their
// other counters.

import type { TraceBuilder } from "./builder.ts";
import { damaged, within } from "./limits.ts";
import type { CpuTime } from "./trace.ts";
import { ByteReader } from "./varint.ts";

/** The most counter names that one block may define. */
const MAXIMUM_NAMES = 1024;
/** The names of the counters that hold a process's CPU time. */
const ALL = "kernel_cpu_us";
const SYSTEM = "kernel_system_us";

/** The CPU time among the counters of a process; null where there is none. */
export function cpuAmong(counts: Record<string, number>): CpuTime | null {
  const all = counts[ALL] ?? 0;
  const system = Math.min(counts[SYSTEM] ?? 0, all);
  return all > 0 ? { user: all - system, system } : null;
}

/** Reads an account block. Its values for a process or thread replace those of earlier blocks. */
export function readAccount(data: Uint8Array, builder: TraceBuilder): void {
  const reader = new ByteReader(data);
  reader.number();
  const names: string[] = [];
  for (let left = reader.count(); left > 0; left--) {
    within(names.length, MAXIMUM_NAMES, "counters");
    names.push(reader.text());
  }
  counters(reader, names);
  for (let left = reader.count(); left > 0; left--) {
    const process = builder.processes[reader.small()];
    if (!process) throw damaged("an account belongs to a process that is not there");
    process.cpu = cpuAmong(counters(reader, names)) ?? process.cpu;
  }
  for (let left = reader.count(); left > 0; left--) {
    reader.number();
    reader.number();
  }
  // Older recordings end here.
  for (let left = reader.isAtEnd() ? 0 : reader.count(); left > 0; left--) {
    builder.setCpu(reader.small(), { user: reader.number(), system: reader.number() });
  }
}

function counters(reader: ByteReader, names: string[]): Record<string, number> {
  const counts: Record<string, number> = Object.create(null);
  for (let left = reader.count(); left > 0; left--) {
    const name = names[reader.number()];
    if (name === undefined) throw damaged("a counter has a name that is not there");
    counts[name] = reader.number();
  }
  return counts;
}
