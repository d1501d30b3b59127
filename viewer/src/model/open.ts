// SPDX-License-Identifier: MIT OR Apache-2.0

// Opens a trace of any format, recognised by its first bytes, never by its name.

import { MAGIC } from "./blocks.ts";
import { readContainer } from "./container.ts";
import { readFolded } from "./folded.ts";
import { damaged, TraceError } from "./limits.ts";
import { TimelineReader } from "./timeline_json.ts";
import type { Trace } from "./trace.ts";

type Report = (part: number) => void;

/** The most bytes that are unpacked from gzip: 2 GiB. */
const MAXIMUM_UNPACKED = 2 ** 31;
/** The most bytes of a page or of folded stacks, which are read as one string: 256 MiB. */
const LARGEST_TEXT = 256 << 20;

/** Reads a trace of any format; `report` gets the progress, 0 to 1. */
export async function openTrace(file: Blob, report: Report = () => {}): Promise<Trace> {
  const start = new Uint8Array(await file.slice(0, 4096).arrayBuffer());
  if (start[0] === 0x1f && start[1] === 0x8b) return openTrace(await gunzip(file), report);
  if (start[0] === 0x28 && start[1] === 0xb5 && start[2] === 0x2f && start[3] === 0xfd) {
    throw new TraceError("packed by zstd: unpack it with zstd -d");
  }
  if (MAGIC.every((byte, at) => start[at] === byte)) {
    return readContainer(new Uint8Array(await file.arrayBuffer()), report);
  }
  const text = new TextDecoder().decode(start).trimStart();
  if (text.startsWith("<!doctype html")) return openPage(file, report);
  // Skips a byte order mark, which decoding to a string drops by itself.
  if (LIST.test(text)) return openTimeline(start[0] === 0xef ? file.slice(3) : file, report);
  if (text.startsWith("{")) {
    throw new TraceError("not a timeline: a JSON object, not a list");
  }
  if (start.includes(0) || file.size > LARGEST_TEXT) {
    throw new TraceError("not a trace: no .pyebpf, no timeline JSON, no folded stacks");
  }
  return readFolded(await file.text());
}

/**
 * How a JSON list begins, such as a timeline. Folded stacks can begin with a bracket too, in a
 * frame such as `[unknown]` or `[[vdso]]`.
 */
const LIST = /^\[\s*([{"\]]|[\d.]+\s*,|\[\s*[-\]\d]|(\[\s*)?$)/;

async function gunzip(file: Blob): Promise<Blob> {
  const parts: BlobPart[] = [];
  let size = 0;
  const packed = file.stream().pipeThrough(new DecompressionStream("gzip"));
  const reader = packed.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts);
    size += value.length;
    if (size > MAXIMUM_UNPACKED) throw new TraceError("it unpacks to more than 2 GiB");
    parts.push(value);
  }
}

async function openTimeline(file: Blob, report: Report): Promise<Trace> {
  const reader = new TimelineReader();
  const stream = file.stream().getReader();
  let read = 0;
  for (;;) {
    const { done, value } = await stream.read();
    if (done) return reader.finish();
    reader.push(value);
    read += value.length;
    report(read / file.size);
  }
}

/** Reads the trace embedded in a page of pyebpf's own. */
async function openPage(file: Blob, report: Report): Promise<Trace> {
  if (file.size > LARGEST_TEXT) throw new TraceError("too large a page: open it by itself");
  const page = await file.text();
  const mark = ' id="trace">';
  const from = page.lastIndexOf(mark);
  const to = page.indexOf("<", from);
  if (from < 0 || to < 0) throw new TraceError("not a trace: this page has none in it");
  return readContainer(fromBase64(page.slice(from + mark.length, to)), report);
}

/** Decodes base64; ignores white space. */
export function fromBase64(text: string): Uint8Array {
  const native = (Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array }).fromBase64;
  try {
    if (native) return native(text);
    const clean = text.replace(/\s+/g, "");
    const padding = clean.endsWith("==") ? 2 : clean.endsWith("=") ? 1 : 0;
    const bytes = new Uint8Array((clean.length / 4) * 3 - padding);
    // In pieces: one string of all bytes would need twice the memory of the trace.
    const piece = 1 << 16;
    for (let from = 0, at = 0; from < clean.length; from += piece) {
      const part = atob(clean.slice(from, from + piece));
      for (let byte = 0; byte < part.length; byte++) bytes[at++] = part.charCodeAt(byte);
    }
    return bytes;
  } catch {
    throw damaged("the page's trace is no base64");
  }
}
