// SPDX-License-Identifier: MIT OR Apache-2.0

// Keeps the last result of a computation for as long as its inputs stay the same.

export class Kept<T> {
  private last: { inputs: readonly unknown[]; result: T } | null = null;

  /** Takes over a result that was computed elsewhere. */
  put(inputs: readonly unknown[], result: T): void {
    this.last = { inputs, result };
  }

  /** Computes anew if an input is not identical to that of the last call. */
  of(inputs: readonly unknown[], compute: () => T): T {
    const { last } = this;
    if (last && inputs.every((input, at) => Object.is(input, last.inputs[at]))) return last.result;
    const result = compute();
    this.last = { inputs, result };
    return result;
  }
}
