// Which kind of trace a file is, told by its first bytes, never by its name. It
// refuses to know the kinds any further.

import { MAGIC, readContainer } from "./container.ts";
import { readFolded } from "./folded.ts";
import { damaged, TraceError } from "./limits.ts";
import { TimelineReader } from "./timeline_json.ts";
import type { Trace } from "./trace.ts";

type Report = (part: number) => void;

/** What is unpacked from gzip at most, in bytes. */
const MAXIMUM_UNPACKED = 2 ** 31;
/** Larger ones would have to become one string. */
const LARGEST_TEXT = 256 << 20;

/** Reads a trace of any kind. */
export async function openTrace(file: Blob, report: Report = () => {}): Promise<Trace> {
  const start = new Uint8Array(await file.slice(0, 4096).arrayBuffer());
  if (start[0] === 0x1f && start[1] === 0x8b) return openTrace(await gunzip(file), report);
  if (start[0] === 0x28 && start[1] === 0xb5 && start[2] === 0x2f && start[3] === 0xfd) {
    throw new TraceError("the file is packed by zstd, which browsers cannot unpack: zstd -d FILE");
  }
  if (MAGIC.every((byte, at) => start[at] === byte)) {
    return readContainer(new Uint8Array(await file.arrayBuffer()), report);
  }
  const text = new TextDecoder().decode(start).trimStart();
  if (text.startsWith("<!doctype html")) return openPage(file, report);
  if (text.startsWith("[")) return openTimeline(file, report);
  if (text.startsWith("{")) {
    throw new TraceError("not a trace this page reads: a timeline is a JSON list, this is an object");
  }
  if (start.includes(0) || file.size > LARGEST_TEXT) {
    throw new TraceError("not a trace: neither a .pyebpf container, a timeline JSON, nor folded stacks");
  }
  return readFolded(await file.text());
}

async function gunzip(file: Blob): Promise<Blob> {
  const parts: BlobPart[] = [];
  let size = 0;
  const packed = file.stream().pipeThrough(new DecompressionStream("gzip"));
  const reader = packed.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts);
    size += value.length;
    if (size > MAXIMUM_UNPACKED) throw new TraceError("the file unpacks to more than 2 GiB");
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

/** A page of ours with a trace in it. */
async function openPage(file: Blob, report: Report): Promise<Trace> {
  if (file.size > LARGEST_TEXT) throw new TraceError("the page is too large to be read: open it by itself");
  const page = await file.text();
  const mark = ' id="trace">';
  const from = page.lastIndexOf(mark);
  const to = page.indexOf("<", from);
  if (from < 0 || to < 0) throw new TraceError("not a trace: this page has none in it");
  return readContainer(fromBase64(page.slice(from + mark.length, to)), report);
}

/** The bytes of a base64 text; white space counts for nothing. */
export function fromBase64(text: string): Uint8Array {
  const native = (Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array }).fromBase64;
  try {
    if (native) return native(text);
    const clean = text.replace(/\s+/g, "");
    const padding = clean.endsWith("==") ? 2 : clean.endsWith("=") ? 1 : 0;
    const bytes = new Uint8Array((clean.length / 4) * 3 - padding);
    // In pieces: a string of all bytes would be twice the trace.
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
