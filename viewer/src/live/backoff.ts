// SPDX-License-Identifier: MIT OR Apache-2.0

// How long to wait before the next try: longer after each failure, and never the same for all
// pages that lost the same server.

const FIRST_MS = 500;
const LONGEST_MS = 30_000;
/** The part by which a wait is longer or shorter by chance. */
const SPREAD = 0.2;

export class Backoff {
  private ms = FIRST_MS;

  constructor(private random: () => number = Math.random) {}

  /** The next wait, in milliseconds. */
  next(): number {
    const wait = this.ms * (1 - SPREAD + 2 * SPREAD * this.random());
    this.ms = Math.min(LONGEST_MS, this.ms * 2);
    return wait;
  }

  /** Something worked: the next wait is the shortest one again. */
  reset(): void {
    this.ms = FIRST_MS;
  }
}

/** Resolves after a time, or as soon as the signal is given. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(end, ms);
    function end() {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    }
    signal.addEventListener("abort", end);
  });
}
