// SPDX-License-Identifier: MIT OR Apache-2.0

// The transforms of the tree that the user asked for, and their undo.

import type { Transform } from "../model/tree.ts";
import type { Changes } from "./changes.ts";

export class Transforms {
  private applied: readonly Transform[] = [];
  private earlier: (readonly Transform[])[] = [];

  constructor(private changes: Changes) {}

  /** In the order in which they apply. */
  get list(): readonly Transform[] {
    return this.applied;
  }

  has(kind: Transform["kind"]): boolean {
    return this.applied.some((transform) => transform.kind === kind);
  }

  /** Adds a transform; `undo` removes it again. */
  add(transform: Transform): void {
    this.earlier.push(this.applied);
    this.replace([...this.applied, transform]);
  }

  /** Removes the transform at an index; `undo` brings it back. */
  remove(at: number): void {
    this.earlier.push(this.applied);
    this.replace(this.applied.filter((_, number) => number !== at));
  }

  toggle(kind: "mine" | "collapse" | "recursion"): void {
    const at = this.applied.findIndex((transform) => transform.kind === kind);
    if (at < 0) this.add({ kind });
    else this.remove(at);
  }

  /** Takes back the last `add` or `remove`; returns whether there was one. */
  undo(): boolean {
    const before = this.earlier.pop();
    if (!before) return false;
    this.replace(before);
    return true;
  }

  /** Sets all transforms; `undo` does not take this back. */
  replace(transforms: readonly Transform[]): void {
    this.applied = transforms;
    this.changes.mark("layout", "tree");
  }
}
