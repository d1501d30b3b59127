// SPDX-License-Identifier: MIT OR Apache-2.0

// The tree behind everything on screen: the stacks of a trace, with frames compared by line or
// by function, after the transforms.

import { growing16, growing32 } from "./columns.ts";
import { PairTable } from "./symbol_table.ts";

/** What makes two frames the same: their line, or only their function. */
export type Exactness = "line" | "function";

/** The node of a stack that the transforms left out. */
export const NO_NODE = 0xffffffff;

/** Node 0 is the root, without a frame. A parent comes before its children. */
export interface Tree {
  parent: Uint32Array;
  /** A frame that represents the node; `LIBRARY` for collapsed library frames. */
  frame: Uint32Array;
  depth: Uint16Array;
  /** The node of each stack, or `NO_NODE`. */
  nodeOf: Uint32Array;
}

/** Takes the place of a frame number for collapsed library frames. */
export const LIBRARY = 0xfffffffe;

/** A change to the tree that the user asked for. */
export type Transform =
  | { kind: "focus"; func: string; file: string }
  | { kind: "merge" | "drop"; func: string; file: string }
  | { kind: "subtree"; path: { func: string; file: string }[] }
  | { kind: "collapse" | "recursion" | "mine" };

/** A tree under construction, in which a node has one child for each class. */
export class TreeGrower {
  private known = new PairTable();
  readonly parent = growing32();
  readonly frame = growing32();
  readonly depth = growing16();

  constructor() {
    this.parent.push(0);
    this.frame.push(NO_NODE);
    this.depth.push(0);
  }

  /** Returns the child of `parent` with this class; adds it if there is none. */
  child(parent: number, cls: number, frame: number): number {
    const known = this.known.find(parent, cls);
    if (known >= 0) return known;
    const number = this.parent.length;
    this.parent.push(parent);
    this.frame.push(frame);
    this.depth.push(this.depth.data[parent] + 1);
    this.known.add(parent, cls, number);
    return number;
  }
}

/** The tree that grew so far. */
export function treeOf({ parent, frame, depth }: TreeGrower, nodeOf: Uint32Array): Tree {
  return { parent: parent.view(), frame: frame.view(), depth: depth.view(), nodeOf };
}
