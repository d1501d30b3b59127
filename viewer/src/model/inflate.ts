// SPDX-License-Identifier: MIT OR Apache-2.0

// Unpacks zlib streams (RFC 1950 and 1951), never to more bytes than were promised. The
// browser's own decompression takes a millisecond for each stream, and a recording of a day
// has tens of thousands.

import { damaged } from "./limits.ts";

const broken = () => damaged("a block cannot be unpacked");

/** The order in which a block stores the lengths of the code for code lengths. */
const LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const [LENGTH_BASE, LENGTH_BITS] = ranges(29, 3, 4, 258);
const [DISTANCE_BASE, DISTANCE_BITS] = ranges(30, 1, 2, 0);
/** Codes of up to this many bits are decoded with one look-up. */
const FAST = 9;

/** The first values and the numbers of extra bits of the length or distance symbols. */
function ranges(count: number, first: number, group: number, last: number): [Uint16Array, Uint8Array] {
  const base = new Uint16Array(count);
  const bits = new Uint8Array(count);
  let value = first;
  for (let symbol = 0; symbol < count; symbol++) {
    bits[symbol] = symbol < 2 * group ? 0 : Math.floor(symbol / group) - 1;
    base[symbol] = value;
    value += 1 << bits[symbol];
  }
  if (last > 0) {
    base[count - 1] = last;
    bits[count - 1] = 0;
  }
  return [base, bits];
}

/** A prefix code: a table for short codes, counts for long ones. Reused for every block. */
class Code {
  /** Symbol times 16 plus the length of its code; 0 where the code is longer than `FAST`. */
  private fast = new Uint16Array(1 << FAST);
  private counts = new Uint16Array(16);
  private symbols = new Uint16Array(320);

  /** Sets this to the code whose symbols have codes of these lengths. */
  set(lengths: Uint8Array): this {
    const { counts, fast, symbols } = this;
    fast.fill(0);
    counts.fill(0);
    for (let symbol = 0; symbol < lengths.length; symbol++) counts[lengths[symbol]]++;
    counts[0] = 0;
    const offsets = new Uint16Array(17);
    const next = new Uint16Array(17);
    let code = 0;
    let left = 1;
    for (let length = 1; length < 16; length++) {
      offsets[length + 1] = offsets[length] + counts[length];
      left = left * 2 - counts[length];
      if (left < 0) throw broken();
      code = (code + counts[length - 1]) << 1;
      next[length] = code;
    }
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      const length = lengths[symbol];
      if (length === 0) continue;
      symbols[offsets[length]++] = symbol;
      const own = next[length]++;
      if (length > FAST) continue;
      let reversed = 0;
      for (let bit = 0; bit < length; bit++) if ((own >> bit) & 1) reversed |= 1 << (length - 1 - bit);
      for (let at = reversed; at < 1 << FAST; at += 1 << length) fast[at] = (symbol << 4) | length;
    }
    return this;
  }

  next(input: Bits): number {
    input.need(15);
    const entry = this.fast[input.held & ((1 << FAST) - 1)];
    if (entry !== 0) {
      input.drop(entry & 15);
      return entry >> 4;
    }
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length < 16; length++) {
      code |= (input.held >>> (length - 1)) & 1;
      const count = this.counts[length];
      if (code - count < first) {
        input.drop(length);
        return this.symbols[index + code - first];
      }
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw broken();
  }
}

/** The bits of a stream, low ones first. It reads as zeros for up to eight bytes past its end. */
class Bits {
  held = 0;
  count = 0;
  at = 2;

  constructor(readonly bytes: Uint8Array) {}

  need(bits: number): void {
    while (this.count < bits) {
      this.held |= (this.bytes[this.at++] ?? 0) << this.count;
      this.count += 8;
    }
    if (this.at > this.bytes.length + 8) throw broken();
  }

  drop(bits: number): void {
    this.held >>>= bits;
    this.count -= bits;
  }

  take(bits: number): number {
    if (bits === 0) return 0;
    this.need(bits);
    const value = this.held & ((1 << bits) - 1);
    this.drop(bits);
    return value;
  }
}

let fixed: { literals: Code; distances: Code } | null = null;

function fixedCodes() {
  fixed ??= {
    literals: new Code().set(
      Uint8Array.from({ length: 288 }, (_, symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8)),
    ),
    distances: new Code().set(new Uint8Array(30).fill(5)),
  };
  return fixed;
}

const written = { lengths: new Code(), literals: new Code(), distances: new Code() };

function writtenCodes(input: Bits) {
  const literals = input.take(5) + 257;
  const distances = input.take(5) + 1;
  const count = input.take(4) + 4;
  const lengths = new Uint8Array(19);
  for (let at = 0; at < count; at++) lengths[LENGTH_ORDER[at]] = input.take(3);
  const code = written.lengths.set(lengths);
  const all = new Uint8Array(literals + distances);
  for (let at = 0; at < all.length; ) {
    const symbol = code.next(input);
    if (symbol < 16) {
      all[at++] = symbol;
      continue;
    }
    if (symbol === 16 && at === 0) throw broken();
    const value = symbol === 16 ? all[at - 1] : 0;
    const times = symbol === 16 ? 3 + input.take(2) : symbol === 17 ? 3 + input.take(3) : 11 + input.take(7);
    if (at + times > all.length) throw broken();
    all.fill(value, at, at + times);
    at += times;
  }
  written.literals.set(all.subarray(0, literals));
  written.distances.set(all.subarray(literals));
  return written;
}

/** The same as `inflate`, but the browser does it, on another core. */
export async function inflateLarge(packed: Uint8Array, size: number): Promise<Uint8Array> {
  const reader = new Blob([packed as BlobPart]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const out = new Uint8Array(size);
  for (let filled = 0; ; ) {
    const { done, value } = await reader.read().catch(() => {
      throw broken();
    });
    if (done && filled === size) return out;
    if (done || filled + value.length > size) throw broken();
    out.set(value, filled);
    filled += value.length;
  }
}

/** Unpacks a zlib stream into exactly `size` bytes; throws if it has more or fewer. */
export function inflate(packed: Uint8Array, size: number): Uint8Array {
  if (packed.length < 6 || (packed[0] & 15) !== 8 || (packed[1] & 32) !== 0) throw broken();
  const input = new Bits(packed);
  const out = new Uint8Array(size);
  let filled = 0;
  for (let last = 0; last === 0; ) {
    last = input.take(1);
    const kind = input.take(2);
    if (kind === 0) {
      input.drop(input.count & 7);
      // Puts back the whole bytes that were read ahead.
      input.at -= input.count >> 3;
      input.held = 0;
      input.count = 0;
      const { at, bytes } = input;
      const length = bytes[at] | (bytes[at + 1] << 8);
      const from = at + 4;
      if (from + length > bytes.length || filled + length > size) throw broken();
      out.set(bytes.subarray(from, from + length), filled);
      filled += length;
      input.at = from + length;
      continue;
    }
    if (kind === 3) throw broken();
    const { literals, distances } = kind === 1 ? fixedCodes() : writtenCodes(input);
    for (;;) {
      const symbol = literals.next(input);
      if (symbol < 256) {
        if (filled >= size) throw broken();
        out[filled++] = symbol;
        continue;
      }
      if (symbol === 256) break;
      if (symbol > 285) throw broken();
      const length = LENGTH_BASE[symbol - 257] + input.take(LENGTH_BITS[symbol - 257]);
      const far = distances.next(input);
      if (far > 29) throw broken();
      const distance = DISTANCE_BASE[far] + input.take(DISTANCE_BITS[far]);
      if (distance > filled || filled + length > size) throw broken();
      for (const end = filled + length; filled < end; filled++) out[filled] = out[filled - distance];
    }
  }
  if (filled !== size) throw broken();
  return out;
}
