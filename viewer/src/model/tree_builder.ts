// SPDX-License-Identifier: MIT OR Apache-2.0

// Builds the tree of a trace, after its transforms.

import { growing32 } from "./columns.ts";
import type { FrameClasses } from "./frame_classes.ts";
import type { Trace } from "./trace.ts";
import { TransformStage } from "./transform_stage.ts";
import { type Exactness, type Transform, type Tree, TreeGrower, treeOf } from "./tree.ts";

/** The tree of a trace after some transforms. It grows with the trace. */
export class TreeBuilder {
  private grower = new TreeGrower();
  private nodeOf = growing32();
  private stages: TransformStage[];
  private last: { stacks: unknown; tree: Tree } | null = null;

  constructor(
    private trace: Trace,
    private classes: FrameClasses,
    private exactness: Exactness,
    transforms: readonly Transform[],
  ) {
    this.nodeOf.push(0);
    this.stages = transforms.map((transform) => new TransformStage(trace, classes, exactness, transform));
  }

  /** The tree of all stacks that the trace has now. The nodes of an earlier tree keep their numbers. */
  get tree(): Tree {
    const { stacks } = this.trace;
    if (this.last?.stacks === stacks) return this.last.tree;
    const { parent, frame } = stacks;
    const classOf = this.exactness === "line" ? this.classes.lineOf : this.classes.functionOf;
    const representative = this.exactness === "line" ? this.classes.lineFrame : this.classes.functionFrame;
    const { grower, nodeOf } = this;
    nodeOf.reserve(parent.length - nodeOf.length);
    for (let stack = nodeOf.length; stack < parent.length; stack++) {
      const cls = classOf[frame[stack]];
      nodeOf.push(grower.child(nodeOf.data[parent[stack]], cls, representative[cls]));
    }
    let tree = treeOf(grower, nodeOf.view());
    for (const stage of this.stages) tree = stage.apply(tree);
    this.last = { stacks, tree };
    return tree;
  }
}

export function buildTree(
  trace: Trace,
  classes: FrameClasses,
  exactness: Exactness,
  transforms: readonly Transform[],
): Tree {
  return new TreeBuilder(trace, classes, exactness, transforms).tree;
}
