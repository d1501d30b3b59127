// SPDX-License-Identifier: MIT OR Apache-2.0

// What the server says of itself, of processes, marks and recordings, checked value by value:
// what has another type than it should is left out.

import { plainNumber, plainText } from "../model/container.ts";
import { safeText } from "../model/safe_text.ts";

/** The most items of any list that are kept. */
const MOST = 5000;

export interface Mark {
  readonly id: number;
  readonly name: string;
  readonly cause: string;
  readonly atUs: number;
  readonly fromUs: number;
  readonly toUs: number;
  readonly details: string;
}

export interface Recording {
  readonly id: number;
  readonly name: string;
  readonly hz: number;
  readonly fromUs: number;
  /** 0 while it runs. */
  readonly toUs: number;
  readonly isRunning: boolean;
}

export interface Status {
  readonly host: string;
  readonly mode: string;
  readonly hz: number;
  readonly nowUs: number;
  readonly keptFromUs: number;
  /** `running`, `restarting` or `stopped`. */
  readonly recorder: string;
  readonly cpuPercent: number;
  readonly rssBytes: number;
  readonly diskBytes: number;
  readonly recordings: readonly Recording[];
  readonly marks: readonly Mark[];
  readonly problems: readonly string[];
}

export interface Process {
  readonly pid: number;
  readonly name: string;
  readonly about: string;
  readonly cpuPercent: number;
  readonly ended: boolean;
}

type Fields = Record<string, unknown>;

const fields = (value: unknown): Fields => (typeof value === "object" && value !== null ? (value as Fields) : {});
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value.slice(0, MOST) : []);
const text = (value: unknown): string => safeText(plainText(value).slice(0, 500));

export function markOf(value: unknown): Mark {
  const { id, name, cause, at_us, from_us, to_us, details } = fields(value);
  const atUs = plainNumber(at_us);
  return {
    id: plainNumber(id),
    name: text(name),
    cause: text(cause),
    atUs,
    fromUs: plainNumber(from_us) || atUs,
    toUs: plainNumber(to_us) || atUs,
    details: text(details),
  };
}

export function recordingOf(value: unknown): Recording {
  const { id, name, hz, from_us, to_us, state } = fields(value);
  return {
    id: plainNumber(id),
    name: text(name),
    hz: plainNumber(hz),
    fromUs: plainNumber(from_us),
    toUs: plainNumber(to_us),
    isRunning: state === "running",
  };
}

export function statusOf(value: unknown): Status {
  const status = fields(value);
  const recorder = fields(status.recorder);
  const disk = fields(status.disk);
  return {
    host: text(status.host),
    mode: text(status.mode),
    hz: plainNumber(status.hz),
    nowUs: plainNumber(status.now_us),
    keptFromUs: plainNumber(status.kept_from_us),
    recorder: text(recorder.state),
    cpuPercent: plainNumber(recorder.cpu_percent),
    rssBytes: plainNumber(recorder.rss_bytes),
    diskBytes: plainNumber(disk.bytes),
    recordings: list(status.recordings).map(recordingOf),
    marks: list(status.marks).map(markOf),
    problems: list(status.problems).map(text).filter(Boolean),
  };
}

export function processesOf(value: unknown): Process[] {
  return list(fields(value).processes).map((one) => {
    const { pid, name, cmdline, python, container, threads, cpu_percent, ended } = fields(one);
    const count = plainNumber(threads);
    const about = [
      text(python) && `Python ${text(python)}`,
      count > 0 && `${count} ${count === 1 ? "thread" : "threads"}`,
      text(container),
      text(cmdline),
    ];
    return {
      pid: plainNumber(pid),
      name: text(name) || "process",
      about: about.filter(Boolean).join(" · "),
      cpuPercent: plainNumber(cpu_percent),
      ended: ended === true,
    };
  });
}
