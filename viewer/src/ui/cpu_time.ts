// SPDX-License-Identifier: MIT OR Apache-2.0

// CPU time in words: what samples saw of a thread or process, next to what the kernel counted.
// Leaves out what is not known.

import { duration } from "../model/format.ts";
import { STATE_NAMES } from "../model/state.ts";
import { type CpuTime, rowEnd, rowSystem, rowWeight, type Trace } from "../model/trace.ts";
import type { Session } from "../session/session.ts";

/** Formats a time and the part of it spent in the kernel, both in microseconds. */
export function withSystem(us: number, system: number): string {
  return system >= 1 ? `${duration(us)}, ${duration(system)} in the kernel` : duration(us);
}

/** Formats the CPU time that samples saw, in microseconds, next to what the kernel counted. */
export function cpuWords(seen: number, seenSystem: number, cpu: CpuTime | null): string {
  if (!cpu)
    return seenSystem >= 1 ? `${duration(seen)} seen, ${duration(seenSystem)} in the kernel` : `${duration(seen)} seen`;
  const { user, system } = cpu;
  return `${duration(user + system)} of CPU, ${duration(seen)} seen (${duration(user)} user, ${duration(system)} system)`;
}

/** The CPU time of a thread over the whole trace; empty where only its row lengths are known. */
export function trackCpu(session: Session, number: number): string {
  const { cpu, running, system, weights } = session.trace.tracks[number];
  if (!cpu && weights.counts.length === 0) return "";
  return cpuWords(session.us(running), session.us(system), cpu);
}

/** The CPU time of a process over the whole trace, from all its threads that were seen. */
export function processCpu(session: Session, process: number): string {
  const tracks = session.tracksOf(process).map((number) => session.trace.tracks[number]);
  const { cpu } = session.trace.processes[process];
  if (!cpu && tracks.every(({ weights }) => weights.counts.length === 0)) return "";
  const sum = (values: number[]) => session.us(values.reduce((total, value) => total + value, 0));
  return cpuWords(sum(tracks.map(({ running }) => running)), sum(tracks.map(({ system }) => system)), cpu);
}

/** The state of a row, and what the row counts for where that is not its length. */
export function stateWords(trace: Trace, number: number, row: number): string {
  const track = trace.tracks[number];
  const state = STATE_NAMES[track.state[row]];
  const weight = rowWeight(track, row);
  const system = rowSystem(track, row);
  if (system === 0 && Math.abs(weight - (rowEnd(track, row) - track.start[row])) <= 1) return state;
  return `${state} ${withSystem(weight * trace.tickUs, system * trace.tickUs)}`;
}
