// SPDX-License-Identifier: MIT OR Apache-2.0

// The tree behind everything on screen: the stacks of a trace, with frames compared by line or
// by function, after the transforms.

import { PairTable } from "./symbol_table.ts";
import type { Trace } from "./trace.ts";

/** What makes two frames the same: their line, or only their function. */
export type Exactness = "line" | "function";

/** The node of a stack that the transforms left out. */
export const NO_NODE = 0xffffffff;

/** The function and the line of each frame, as numbers to compare. The numbers are dense. */
export interface FrameClasses {
  /** The number of each frame's function. */
  functionOf: Uint32Array;
  /** The first frame of each function. */
  functionFrame: Uint32Array;
  /** The number of each frame's file, function and line together. */
  lineOf: Uint32Array;
  lineFrame: Uint32Array;
  /** 1 for a frame of the standard library or of an installed package. */
  library: Uint8Array;
}

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

const LIBRARY_FILE = /(^|[\\/])(site-packages|dist-packages|lib\/python\d[.\d]*|python\d+\.zip)([\\/]|$)|^<frozen /;

/** Whether a file belongs to the standard library or an installed package. */
export function isLibrary(file: string): boolean {
  return LIBRARY_FILE.test(file);
}

export function classify(trace: Trace): FrameClasses {
  const { file, func, line } = trace.frames;
  const count = file.length;
  const classes = {
    functionOf: new Uint32Array(count),
    lineOf: new Uint32Array(count),
    library: new Uint8Array(count),
  };
  const functionFrame: number[] = [];
  const lineFrame: number[] = [];
  const functions = new PairTable();
  const lines = new PairTable();
  const libraryFile = new Map<number, boolean>();
  for (let frame = 0; frame < count; frame++) {
    let number = functions.find(file[frame], func[frame]);
    if (number < 0) {
      number = functionFrame.push(frame) - 1;
      functions.add(file[frame], func[frame], number);
    }
    classes.functionOf[frame] = number;
    let exact = lines.find(number, line[frame]);
    if (exact < 0) {
      exact = lineFrame.push(frame) - 1;
      lines.add(number, line[frame], exact);
    }
    classes.lineOf[frame] = exact;
    let library = libraryFile.get(file[frame]);
    if (library === undefined) {
      library = isLibrary(trace.strings[file[frame]]);
      libraryFile.set(file[frame], library);
    }
    classes.library[frame] = Number(library);
  }
  return {
    ...classes,
    functionFrame: Uint32Array.from(functionFrame),
    lineFrame: Uint32Array.from(lineFrame),
  };
}

/** A tree under construction, in which a node has one child for each class. */
export class TreeGrower {
  private known = new PairTable();
  parent: number[] = [0];
  frame: number[] = [NO_NODE];
  depth: number[] = [0];

  /** Returns the child of `parent` with this class; adds it if there is none. */
  child(parent: number, cls: number, frame: number): number {
    const known = this.known.find(parent, cls);
    if (known >= 0) return known;
    const number = this.parent.length;
    this.parent.push(parent);
    this.frame.push(frame);
    this.depth.push(this.depth[parent] + 1);
    this.known.add(parent, cls, number);
    return number;
  }
}

export function buildTree(
  trace: Trace,
  classes: FrameClasses,
  exactness: Exactness,
  transforms: readonly Transform[],
): Tree {
  const { parent, frame } = trace.stacks;
  const classOf = exactness === "line" ? classes.lineOf : classes.functionOf;
  const representative = exactness === "line" ? classes.lineFrame : classes.functionFrame;
  const grower = new TreeGrower();
  const nodeOf = new Uint32Array(parent.length);
  for (let stack = 1; stack < parent.length; stack++) {
    const cls = classOf[frame[stack]];
    nodeOf[stack] = grower.child(nodeOf[parent[stack]], cls, representative[cls]);
  }
  let tree = treeOf(grower, nodeOf);
  for (const transform of transforms) tree = apply(tree, trace, classes, classOf, transform);
  return tree;
}

function treeOf(grower: TreeGrower, nodeOf: Uint32Array): Tree {
  return {
    parent: Uint32Array.from(grower.parent),
    frame: Uint32Array.from(grower.frame),
    depth: Uint16Array.from(grower.depth),
    nodeOf,
  };
}

function apply(tree: Tree, trace: Trace, classes: FrameClasses, classOf: Uint32Array, transform: Transform): Tree {
  const { parent, frame } = tree;
  const size = parent.length;
  const grower = new TreeGrower();
  const out = new Uint32Array(size);
  const keep = (node: number, below: number) =>
    frame[node] === LIBRARY
      ? grower.child(below, LIBRARY, LIBRARY)
      : grower.child(below, classOf[frame[node]], frame[node]);
  const functionOf = (node: number) => (frame[node] >= LIBRARY ? -1 : classes.functionOf[frame[node]]);
  const library = (node: number) => frame[node] === LIBRARY || classes.library[frame[node]] === 1;
  switch (transform.kind) {
    case "focus":
    case "subtree": {
      const isFocus = transform.kind === "focus";
      const targets = isFocus ? functionsNamed(trace, classes, transform) : nodesOnPath(tree, trace, transform.path);
      const isTarget = (node: number) => targets.has(isFocus ? functionOf(node) : node);
      out[0] = NO_NODE;
      for (let node = 1; node < size; node++) {
        const above = out[parent[node]];
        if (above !== NO_NODE) out[node] = keep(node, above);
        else out[node] = isTarget(node) ? keep(node, 0) : NO_NODE;
      }
      break;
    }
    case "merge": {
      const targets = functionsNamed(trace, classes, transform);
      for (let node = 1; node < size; node++) {
        const above = out[parent[node]];
        out[node] = targets.has(functionOf(node)) ? above : keep(node, above);
      }
      break;
    }
    case "drop": {
      const targets = functionsNamed(trace, classes, transform);
      for (let node = 1; node < size; node++) {
        const above = out[parent[node]];
        out[node] = above === NO_NODE || targets.has(functionOf(node)) ? NO_NODE : keep(node, above);
      }
      break;
    }
    case "mine":
      for (let node = 1; node < size; node++) {
        out[node] = library(node) ? out[parent[node]] : keep(node, out[parent[node]]);
      }
      break;
    case "collapse":
      for (let node = 1; node < size; node++) {
        const above = parent[node];
        if (!library(node)) out[node] = keep(node, out[above]);
        else if (above !== 0 && library(above)) out[node] = out[above];
        else out[node] = grower.child(out[above], LIBRARY, LIBRARY);
      }
      break;
    case "recursion":
      for (let node = 1; node < size; node++) {
        const above = parent[node];
        const again = above !== 0 && functionOf(node) >= 0 && functionOf(node) === functionOf(above);
        out[node] = again ? out[above] : keep(node, out[above]);
      }
      break;
  }
  const nodeOf = tree.nodeOf.map((node) => (node === NO_NODE ? NO_NODE : out[node]));
  return treeOf(grower, nodeOf);
}

/** The numbers of the functions with this name and file. */
export function functionsNamed(
  trace: Trace,
  classes: FrameClasses,
  wanted: { func: string; file: string },
): Set<number> {
  const found = new Set<number>();
  classes.functionFrame.forEach((frame, number) => {
    const { func, file } = trace.frames;
    if (trace.strings[func[frame]] === wanted.func && trace.strings[file[frame]] === wanted.file) {
      found.add(number);
    }
  });
  return found;
}

/** All nodes whose path from the root has exactly these functions. */
function nodesOnPath(tree: Tree, trace: Trace, path: { func: string; file: string }[]): Set<number> {
  const { func, file } = trace.frames;
  const matched = new Set([0]);
  const ends = new Set<number>();
  for (let node = 1; node < tree.parent.length; node++) {
    if (!matched.has(tree.parent[node])) continue;
    const frame = tree.frame[node];
    const step = path[tree.depth[node] - 1];
    if (!step || frame === LIBRARY) continue;
    if (trace.strings[func[frame]] !== step.func || trace.strings[file[frame]] !== step.file) continue;
    if (tree.depth[node] === path.length) ends.add(node);
    else matched.add(node);
  }
  return ends;
}
