// SPDX-License-Identifier: MIT OR Apache-2.0

// Gives equal strings, frames, stacks, processes and threads one number each, for formats that
// repeat them in full.

import { TraceBuilder } from "./builder.ts";

export class SymbolTable {
  readonly builder = new TraceBuilder();
  private strings = new Map<string, number>([["", 0]]);
  private frames = new Map<string, number>();
  private stacks = new PairTable();
  private processes = new Map<string, number>();
  private tracks = new Map<string, number>();

  string(text: string): number {
    let number = this.strings.get(text);
    if (number === undefined) {
      number = this.builder.pushString(text);
      this.strings.set(text, number);
    }
    return number;
  }

  frame(file: string, func: string, line: number, source: string): number {
    const parts = [this.string(file), this.string(func), line, this.string(source)] as const;
    const key = parts.join();
    let number = this.frames.get(key);
    if (number === undefined) {
      number = this.builder.pushFrame(...parts);
      this.frames.set(key, number);
    }
    return number;
  }

  stack(parent: number, frame: number): number {
    const known = this.stacks.find(parent, frame);
    if (known >= 0) return known;
    const number = this.builder.pushStack(parent, frame);
    this.stacks.add(parent, frame, number);
    return number;
  }

  process(pid: number, name: string, more: string, cmdline = "", python = ""): number {
    const key = `${pid} ${more} ${name}`;
    let number = this.processes.get(key);
    if (number === undefined) {
      number = this.builder.addProcess({ pid, name, cmdline, python, place: "", side: 0, cpu: null });
      this.processes.set(key, number);
    }
    return number;
  }

  track(process: number, tid: number, ident: number, name: string): number {
    const key = `${process} ${tid} ${ident} ${name}`;
    let number = this.tracks.get(key);
    if (number === undefined) {
      number = this.builder.addTrack(process, tid, ident, name);
      this.tracks.set(key, number);
    }
    return number;
  }
}

/** Maps pairs of numbers to numbers: an open-addressing hash table without objects. */
export class PairTable {
  private size = 0;
  private first: Uint32Array;
  private second: Uint32Array;
  /** The number plus one; 0 for a free slot. */
  private value: Uint32Array;

  /** `capacity` is a power of two; the table doubles when it is half full. */
  constructor(capacity = 1 << 10) {
    this.first = new Uint32Array(capacity);
    this.second = new Uint32Array(capacity);
    this.value = new Uint32Array(capacity);
  }

  private slot(a: number, b: number): number {
    const mask = this.value.length - 1;
    let hash = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b);
    hash ^= hash >>> 15;
    hash = Math.imul(hash, 0x2c1b3c6d);
    let at = (hash ^ (hash >>> 13)) & mask;
    while (this.value[at] !== 0 && (this.first[at] !== a || this.second[at] !== b)) at = (at + 1) & mask;
    return at;
  }

  /** The number of a pair; -1 if it has none. */
  find(a: number, b: number): number {
    return this.value[this.slot(a, b)] - 1;
  }

  add(a: number, b: number, number: number): void {
    if (this.size * 2 >= this.value.length) this.grow();
    const at = this.slot(a, b);
    if (this.value[at] === 0) this.size++;
    this.first[at] = a;
    this.second[at] = b;
    this.value[at] = number + 1;
  }

  private grow(): void {
    const larger = new PairTable(this.value.length * 2);
    for (let at = 0; at < this.value.length; at++) {
      if (this.value[at] !== 0) larger.add(this.first[at], this.second[at], this.value[at] - 1);
    }
    this.first = larger.first;
    this.second = larger.second;
    this.value = larger.value;
  }
}
