// SPDX-License-Identifier: MIT OR Apache-2.0

// Applies one transform to a tree.

import { growing32 } from "./columns.ts";
import { type FrameClasses, isNamed } from "./frame_classes.ts";
import type { Trace } from "./trace.ts";
import { type Exactness, LIBRARY, NO_NODE, type Transform, type Tree, TreeGrower, treeOf } from "./tree.ts";

/** One transform of a tree that grows: each node is transformed once. */
export class TransformStage {
  private grower = new TreeGrower();
  /** The node of the new tree for each node of the old one, or `NO_NODE`. */
  private out = growing32();
  private nodeOf = growing32();
  /** The functions with the name and file of the transform, and how many were looked at. */
  private targets = new Set<number>();
  private functions = 0;
  /** The nodes that begin the path of the transform. */
  private matched = new Set([0]);

  constructor(
    private trace: Trace,
    private classes: FrameClasses,
    private exactness: Exactness,
    private transform: Transform,
  ) {}

  apply(tree: Tree): Tree {
    const { grower, out, nodeOf, transform } = this;
    if ("func" in transform) this.findFunctions(transform);
    const size = tree.parent.length;
    out.reserve(size - out.length);
    const isRooted = transform.kind !== "focus" && transform.kind !== "subtree";
    if (out.length === 0) out.push(isRooted ? 0 : NO_NODE);
    for (let node = out.length; node < size; node++) out.push(this.place(tree, node));
    nodeOf.reserve(tree.nodeOf.length - nodeOf.length);
    for (let stack = nodeOf.length; stack < tree.nodeOf.length; stack++) {
      const node = tree.nodeOf[stack];
      nodeOf.push(node === NO_NODE ? NO_NODE : out.data[node]);
    }
    return treeOf(grower, nodeOf.view());
  }

  /** The node of the new tree for a node of the old one. */
  private place(tree: Tree, node: number): number {
    const { grower, transform, targets } = this;
    const above = tree.parent[node];
    const below = this.out.data[above];
    switch (transform.kind) {
      case "focus":
        if (below !== NO_NODE) return this.keep(tree, node, below);
        return targets.has(this.functionOf(tree, node)) ? this.keep(tree, node, 0) : NO_NODE;
      case "subtree": {
        const ends = this.endsPath(tree, node, transform.path);
        if (below !== NO_NODE) return this.keep(tree, node, below);
        return ends ? this.keep(tree, node, 0) : NO_NODE;
      }
      case "merge":
        return targets.has(this.functionOf(tree, node)) ? below : this.keep(tree, node, below);
      case "drop":
        if (below === NO_NODE || targets.has(this.functionOf(tree, node))) return NO_NODE;
        return this.keep(tree, node, below);
      case "mine":
        return this.isLibrary(tree, node) ? below : this.keep(tree, node, below);
      case "collapse":
        if (!this.isLibrary(tree, node)) return this.keep(tree, node, below);
        return above !== 0 && this.isLibrary(tree, above) ? below : grower.child(below, LIBRARY, LIBRARY);
      case "recursion": {
        const func = this.functionOf(tree, node);
        const again = above !== 0 && func >= 0 && func === this.functionOf(tree, above);
        return again ? below : this.keep(tree, node, below);
      }
    }
  }

  private keep({ frame }: Tree, node: number, below: number): number {
    if (frame[node] === LIBRARY) return this.grower.child(below, LIBRARY, LIBRARY);
    const classOf = this.exactness === "line" ? this.classes.lineOf : this.classes.functionOf;
    return this.grower.child(below, classOf[frame[node]], frame[node]);
  }

  private functionOf({ frame }: Tree, node: number): number {
    return frame[node] >= LIBRARY ? -1 : this.classes.functionOf[frame[node]];
  }

  private isLibrary({ frame }: Tree, node: number): boolean {
    return frame[node] === LIBRARY || this.classes.library[frame[node]] === 1;
  }

  private findFunctions(wanted: { func: string; file: string }): void {
    const { functionFrame } = this.classes;
    for (; this.functions < functionFrame.length; this.functions++) {
      if (isNamed(this.trace, functionFrame[this.functions], wanted)) this.targets.add(this.functions);
    }
  }

  /** Whether the path of a node from the root has exactly these functions. */
  private endsPath(tree: Tree, node: number, path: { func: string; file: string }[]): boolean {
    if (!this.matched.has(tree.parent[node])) return false;
    const frame = tree.frame[node];
    const step = path[tree.depth[node] - 1];
    if (!step || frame === LIBRARY || !isNamed(this.trace, frame, step)) return false;
    if (tree.depth[node] === path.length) return true;
    this.matched.add(node);
    return false;
  }
}
