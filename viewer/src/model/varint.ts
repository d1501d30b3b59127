// SPDX-License-Identifier: MIT OR Apache-2.0

// Reads the numbers and texts of a container.

import { damaged, MAXIMUM_STRING } from "./limits.ts";

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** Reads numbers and texts one after another from some bytes. */
export class ByteReader {
  at = 0;

  constructor(readonly bytes: Uint8Array) {}

  /** Reads an unsigned LEB128 number of at most eight bytes and below 2^53. */
  number(): number {
    const { bytes } = this;
    let byte = bytes[this.at++];
    if (byte < 128) return byte;
    let value = byte & 127;
    let scale = 128;
    for (let count = 1; count < 8; count++) {
      byte = bytes[this.at++];
      if (byte === undefined) break;
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 128;
    }
    throw damaged("a number is cut off or too large");
  }

  /** Reads a number that fits into 32 bits. */
  small(): number {
    const value = this.number();
    if (value > 0xffffffff) throw damaged("a number is too large");
    return value;
  }

  /** Reads the length of a list whose items each take at least one byte. */
  count(): number {
    const value = this.number();
    if (value > this.bytes.length - this.at) {
      throw damaged("a list is longer than the bytes it has");
    }
    return value;
  }

  text(): string {
    const length = this.number();
    const end = this.at + length;
    if (length > MAXIMUM_STRING || end > this.bytes.length) {
      throw damaged("a text is cut off or too long");
    }
    const part = this.bytes.subarray(this.at, end);
    this.at = end;
    try {
      return UTF8.decode(part);
    } catch {
      throw damaged("a text is not UTF-8");
    }
  }

  isAtEnd(): boolean {
    return this.at === this.bytes.length;
  }

  /** Reads a column, its length and then that many bytes; returns a reader of these bytes. */
  column(): ByteReader {
    const length = this.count();
    const column = new ByteReader(this.bytes.subarray(this.at, this.at + length));
    this.at += length;
    return column;
  }
}
