// SPDX-License-Identifier: MIT OR Apache-2.0

// Reads traces in a worker, so that the page stays responsive.

import { readContainer } from "../model/container.ts";
import { TraceError } from "../model/limits.ts";
import { fromBase64, openTrace } from "../model/open.ts";
import type { Trace } from "../model/trace.ts";
import type { Answer, Request } from "./messages.ts";

const post = (answer: Answer, transfer: Transferable[] = []) =>
  (self as unknown as { postMessage(message: unknown, transfer: Transferable[]): void }).postMessage(answer, transfer);

/** Starts to answer the page's requests. */
export function serve(): void {
  self.onmessage = ({ data }: MessageEvent<Request>) => void answer(data);
}

async function answer(data: Request): Promise<void> {
  let last = 0;
  const report = (progress: number) => {
    if (progress - last < 0.02) return;
    last = progress;
    post({ progress });
  };
  try {
    const { file, base64 } = data;
    const trace = file ? await openTrace(file, report) : await readContainer(fromBase64(base64 ?? ""), report);
    if (trace.tracks.length === 0) throw new TraceError("the trace has no row with a stack: nothing was sampled");
    post({ trace }, buffersOf(trace));
  } catch (error) {
    const known = error instanceof TraceError;
    post({
      error: known ? error.message : `the file cannot be read: ${error instanceof Error ? error.message : error}`,
    });
  }
}

function buffersOf(trace: Trace): Transferable[] {
  const buffers = new Set<ArrayBufferLike>();
  const add = (columns: object) => {
    for (const column of Object.values(columns)) if (ArrayBuffer.isView(column)) buffers.add(column.buffer);
  };
  add(trace.frames);
  add(trace.stacks);
  add(trace.whole ?? {});
  for (const track of trace.tracks) {
    add(track);
    track.levels.forEach(add);
  }
  return [...buffers] as ArrayBuffer[];
}
