// SPDX-License-Identifier: MIT OR Apache-2.0

// Cuts the bytes of a container into blocks, as they come. The format is specified in
// sampler-trace/src/container/mod.rs.

import { crc32 } from "./checksum.ts";
import { MAXIMUM_BLOCK, TraceError } from "./limits.ts";

/** The bytes that every container begins with. */
export const MAGIC = [0x89, 0x70, 0x79, 0x65, 0x62, 0x70, 0x66, 0x0a];
const VERSION = 1;
/** Bytes before the first block, and before the data of each block. */
const START = 12;
const HEAD = 16;
export const KIND = { header: 1, segment: 2, summary: 3, index: 4, account: 5 };

export interface Block {
  kind: number;
  encoding: number;
  raw: number;
  stored: Uint8Array;
}

/** The blocks of a container, up to its index, or up to the first block that is damaged. */
export class BlockReader {
  private bytes: Uint8Array = new Uint8Array(0);
  /** The bytes before this place are in blocks that were returned. */
  private from = 0;
  private length = 0;
  private isOurs = false;
  private dropped = 0;
  private isAtEnd = false;
  private isDamaged = false;

  /** How many bytes of the container are in blocks that were returned. */
  get at(): number {
    return this.dropped + this.from;
  }

  /** Whether the next block is damaged. */
  get damaged(): boolean {
    return this.isDamaged;
  }

  /** Takes the next bytes. Blocks that were returned before must not be used any more. */
  push(bytes: Uint8Array): void {
    const left = this.length - this.from;
    const length = left + bytes.length;
    const rest = this.bytes.subarray(this.from, this.length);
    this.dropped += this.from;
    this.from = 0;
    this.length = length;
    if (left === 0) {
      // A whole file is read where it is.
      this.bytes = bytes;
      this.isOurs = false;
      return;
    }
    if (this.isOurs && length <= this.bytes.length) this.bytes.set(rest);
    else {
      // With room, so that a block that comes in many pieces is copied a few times only.
      this.bytes = new Uint8Array(length * 2);
      this.bytes.set(rest);
      this.isOurs = true;
    }
    this.bytes.set(bytes, left);
  }

  /** The next block; null if it is not there yet, or if there is none. */
  next(): Block | null {
    if (this.isAtEnd || this.isDamaged || !this.isStarted()) return null;
    const { from } = this;
    if (from + HEAD > this.length) return null;
    const view = this.view();
    const stored = view.getUint32(from + 4, true);
    const raw = view.getUint32(from + 8, true);
    if (stored > MAXIMUM_BLOCK || raw > MAXIMUM_BLOCK) {
      this.isDamaged = true;
      return null;
    }
    const end = from + HEAD + stored;
    if (end > this.length) return null;
    const data = this.bytes.subarray(from + HEAD, end);
    const sum = crc32(data, crc32(this.bytes.subarray(from, from + 12)));
    if (sum !== view.getUint32(from + 12, true)) {
      this.isDamaged = true;
      return null;
    }
    this.from = end;
    const kind = this.bytes[from];
    this.isAtEnd = kind === KIND.index;
    return { kind, encoding: this.bytes[from + 1], raw, stored: data };
  }

  /** Whether the bytes before the first block were there and are those of a container. */
  private isStarted(): boolean {
    if (this.at > 0) return true;
    if (this.length < START) return false;
    if (!MAGIC.every((byte, at) => this.bytes[at] === byte)) throw new TraceError("not a trace: it is no container");
    const version = this.view().getUint32(8, true);
    if (version !== VERSION) {
      throw new TraceError(`the file has version ${version} of the format; this page reads ${VERSION}`);
    }
    this.from = START;
    return true;
  }

  private view(): DataView {
    return new DataView(this.bytes.buffer, this.bytes.byteOffset, this.length);
  }
}
