// SPDX-License-Identifier: MIT OR Apache-2.0

// Typed arrays that grow.

type Column = Uint32Array | Uint16Array | Uint8Array | Float64Array;

/** An array of numbers that grows by half when it is full. */
export class Growing<T extends Column> {
  length = 0;

  constructor(
    private make: (length: number) => T,
    public data: T = make(16),
  ) {}

  push(value: number): void {
    if (this.length === this.data.length) this.reserve(1);
    this.data[this.length++] = value;
  }

  /** Makes room for `more` values after the last. */
  reserve(more: number): void {
    if (this.length + more <= this.data.length) return;
    const next = this.make(Math.max(this.length + more, Math.ceil(this.data.length * 1.5)));
    next.set(this.data);
    this.data = next;
  }

  /** The values so far, in the memory of this one: later ones are added behind them. */
  view(): T {
    return this.data.subarray(0, this.length) as T;
  }

  /** Returns the values in an array of their own, and leaves this one empty. */
  take(): T {
    const taken = this.data.slice(0, this.length) as T;
    this.data = this.make(0);
    this.length = 0;
    return taken;
  }
}

export const growing32 = () => new Growing((length) => new Uint32Array(length));
export const growing16 = () => new Growing((length) => new Uint16Array(length));
export const growing64 = () => new Growing((length) => new Float64Array(length));
