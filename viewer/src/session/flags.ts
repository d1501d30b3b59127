// SPDX-License-Identifier: MIT OR Apache-2.0

// The marks and recordings of the server that the trace comes from, for the ruler.

import type { Changes } from "./changes.ts";

/** A moment or a piece of time with a name; times are Unix times in microseconds. */
export interface Flag {
  readonly kind: "mark" | "recording";
  readonly id: number;
  readonly name: string;
  readonly atUs: number;
  readonly fromUs: number;
  /** Infinite while it goes on. */
  readonly toUs: number;
}

export class Flags {
  private flags: readonly Flag[] = [];

  constructor(private changes: Changes) {}

  get list(): readonly Flag[] {
    return this.flags;
  }

  set(flags: readonly Flag[]): void {
    this.flags = flags;
    this.changes.mark("flags");
  }
}
