// SPDX-License-Identifier: MIT OR Apache-2.0

// The names of frames, threads and processes, made safe to show.

import { shortFile } from "../model/format.ts";
import { safeText } from "../model/safe_text.ts";
import type { Trace } from "../model/trace.ts";
import { LIBRARY, NO_NODE } from "../model/tree.ts";

export class Symbols {
  private safe = new Map<number, string>();

  constructor(private trace: Trace) {}

  private text(string: number): string {
    let text = this.safe.get(string);
    if (text === undefined) {
      text = safeText(this.trace.strings[string]);
      this.safe.set(string, text);
    }
    return text;
  }

  func(frame: number): string {
    if (frame === LIBRARY) return "[libraries]";
    if (frame === NO_NODE) return "all";
    return this.text(this.trace.frames.func[frame]) || "(no name)";
  }

  file(frame: number): string {
    return frame >= LIBRARY ? "" : this.text(this.trace.frames.file[frame]);
  }

  line(frame: number): number {
    return frame >= LIBRARY ? 0 : this.trace.frames.line[frame];
  }

  source(frame: number): string {
    return frame >= LIBRARY ? "" : this.text(this.trace.frames.source[frame]);
  }

  /** `app.py:31`, or `app.py` where the line is unknown or not wanted. */
  place(frame: number, withLine = true): string {
    const file = shortFile(this.file(frame));
    const line = this.line(frame);
    return withLine && line > 0 ? `${file}:${line}` : file;
  }

  /** The whole path and the line, in the form that editors accept. */
  fullPlace(frame: number): string {
    const line = this.line(frame);
    return line > 0 ? `${this.file(frame)}:${line}` : this.file(frame);
  }

  /** The name and the file of a function, unescaped, for a transform. */
  identity(frame: number): { func: string; file: string } {
    const { frames, strings } = this.trace;
    return { func: strings[frames.func[frame]], file: strings[frames.file[frame]] };
  }

  track(track: number): string {
    return safeText(this.trace.tracks[track].name) || `thread ${this.trace.tracks[track].tid}`;
  }

  process(process: number): string {
    const { name, pid, side } = this.trace.processes[process];
    const text = safeText(name) || (pid > 0 ? "process" : "threads");
    const label = pid > 0 ? `${text} [${pid}]` : text;
    const sides = this.trace.processes.some((other) => other.side === 1);
    return sides ? `${side === 0 ? "A" : "B"} · ${label}` : label;
  }
}
