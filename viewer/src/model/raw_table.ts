// SPDX-License-Identifier: MIT OR Apache-2.0

// Gives pieces of a file that are equal byte by byte the same number, so that a frame that
// occurs a million times is decoded once.

const NONE = 0xffffffff;

export class RawTable {
  private arena = new Uint8Array(1 << 16);
  private used = 0;
  private from: number[] = [];
  private lengths: number[] = [];
  private hashes: number[] = [];
  private slots = new Uint32Array(1 << 12).fill(NONE);

  /** The number of a piece, and whether it is new. Numbers count up from 0. */
  number(bytes: Uint8Array, from: number, to: number): { number: number; isNew: boolean } {
    let hash = 0x811c9dc5;
    for (let at = from; at < to; at++) hash = Math.imul(hash ^ bytes[at], 0x01000193);
    hash >>>= 0;
    const mask = this.slots.length - 1;
    let slot = (hash ^ (hash >>> 15)) & mask;
    for (; this.slots[slot] !== NONE; slot = (slot + 1) & mask) {
      const number = this.slots[slot];
      if (this.hashes[number] === hash && this.equals(number, bytes, from, to)) return { number, isNew: false };
    }
    const number = this.from.length;
    this.slots[slot] = number;
    this.keep(bytes, from, to);
    this.hashes.push(hash);
    if (number * 2 > this.slots.length) this.grow();
    return { number, isNew: true };
  }

  private equals(number: number, bytes: Uint8Array, from: number, to: number): boolean {
    const length = to - from;
    if (this.lengths[number] !== length) return false;
    const { arena } = this;
    const other = this.from[number];
    for (let at = 0; at < length; at++) if (arena[other + at] !== bytes[from + at]) return false;
    return true;
  }

  private keep(bytes: Uint8Array, from: number, to: number): void {
    const length = to - from;
    if (this.used + length > this.arena.length) {
      const larger = new Uint8Array(Math.max(this.arena.length * 2, this.used + length));
      larger.set(this.arena);
      this.arena = larger;
    }
    this.arena.set(bytes.subarray(from, to), this.used);
    this.from.push(this.used);
    this.lengths.push(length);
    this.used += length;
  }

  private grow(): void {
    const slots = new Uint32Array(this.slots.length * 2).fill(NONE);
    const mask = slots.length - 1;
    this.hashes.forEach((hash, number) => {
      let slot = (hash ^ (hash >>> 15)) & mask;
      while (slots[slot] !== NONE) slot = (slot + 1) & mask;
      slots[slot] = number;
    });
    this.slots = slots;
  }
}
