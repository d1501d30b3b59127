// SPDX-License-Identifier: MIT OR Apache-2.0

// Collects the samples in the rows of one thread, in as few bytes as their numbers need.

import type { Counts } from "./trace.ts";

const KINDS = [Uint8Array, Uint16Array, Uint32Array, Float64Array];
/** The largest number that each kind of array holds. */
const MOST = [255, 65535, 2 ** 32 - 1, Infinity];
/** The only kind that holds fractions. */
const LAST = KINDS.length - 1;

/** A number for each row, in the narrowest kind of array that holds all of them. */
class NarrowColumn {
  private kind = 0;
  private data: Counts = new Uint8Array(0);

  /** Adds to the number of a row. A column too short for it grows to `capacity` rows. */
  add(row: number, number: number, capacity: number): void {
    if (row >= this.data.length) this.copy(capacity);
    const sum = this.data[row] + number;
    if (sum > MOST[this.kind] || (this.kind < LAST && !Number.isInteger(sum))) {
      this.kind = Number.isInteger(sum) ? MOST.findIndex((most) => sum <= most) : LAST;
      this.copy(this.data.length);
    }
    this.data[row] = sum;
  }

  private copy(length: number): void {
    const { data } = this;
    this.data = new KINDS[this.kind](length);
    this.data.set(data.subarray(0, length));
  }

  /** The numbers of `rows` rows so far, with memory for `capacity`; empty where nothing was added. */
  view(rows: number, capacity: number): Counts {
    if (this.data.length > 0 && this.data.length < rows) this.copy(capacity);
    return this.data.subarray(0, rows);
  }

  /** Returns the numbers of `rows` rows; an empty array where nothing was added. */
  take(rows: number): Counts {
    if (this.data.length > 0 && this.data.length !== rows) this.copy(rows);
    const { data } = this;
    this.data = new Uint8Array(0);
    return data;
  }
}

export class RowSamples {
  private counts = new NarrowColumn();
  private systems = new NarrowColumn();
  /** Nanoseconds that one count stands for; 0 until samples are added. */
  private unit = 0;

  /**
   * Adds `count` samples to a row. Each stands for `period` nanoseconds; `system` of them found
   * the thread in the kernel. Columns too short for the row grow to `capacity` rows.
   */
  add(row: number, period: number, count: number, system: number, capacity: number): void {
    if (count <= 0 || period <= 0) return;
    if (this.unit === 0) this.unit = period;
    const scale = period / this.unit;
    this.counts.add(row, count * scale, capacity);
    if (system > 0) this.systems.add(row, system * scale, capacity);
  }

  /** Like [`take`], of what is known so far. More can be added. */
  view(rows: number, capacity: number, tickNs: number): { unit: number; counts: Counts; systems: Counts } {
    const { counts, systems, unit } = this;
    return { unit: unit / tickNs, counts: counts.view(rows, capacity), systems: systems.view(rows, capacity) };
  }

  /** Returns the samples of `rows` rows; `unit` is in ticks of `tickNs` nanoseconds. */
  take(rows: number, tickNs: number): { unit: number; counts: Counts; systems: Counts } {
    return { unit: this.unit / tickNs, counts: this.counts.take(rows), systems: this.systems.take(rows) };
  }
}
