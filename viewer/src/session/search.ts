// SPDX-License-Identifier: MIT OR Apache-2.0

// The search, and the frames and stacks that it found.

import { matchFrames, matchStacks, parseQuery, type Query } from "../model/search.ts";
import type { Trace } from "../model/trace.ts";
import type { Changes } from "./changes.ts";

const NOTHING: Uint8Array = new Uint8Array(0);

export class Search {
  private query = { text: "", expression: false };
  private parsed: Query = null;
  private problem = "";
  private frames = NOTHING;
  private stacks = NOTHING;

  constructor(
    private trace: Trace,
    private changes: Changes,
  ) {}

  get text(): string {
    return this.query.text;
  }

  /** Whether the text is a regular expression. */
  get expression(): boolean {
    return this.query.expression;
  }

  /** Why the text is no query; empty if it is one. */
  get error(): string {
    return this.problem;
  }

  /** 1 for each frame that was found; empty without a query. */
  get hitFrames(): Uint8Array {
    return this.frames;
  }

  /** 1 for each stack with such a frame; empty without a query. */
  get hitStacks(): Uint8Array {
    return this.stacks;
  }

  find(text: string, expression = this.query.expression): void {
    this.query = { text, expression };
    const query = parseQuery(text, expression);
    this.problem = query && "error" in query ? query.error : "";
    this.parsed = this.problem ? null : query;
    this.frames = NOTHING;
    this.stacks = NOTHING;
    this.grow();
    this.changes.mark("search");
  }

  /** Searches what was added to the trace. */
  grow(): void {
    const { trace, parsed } = this;
    if (!parsed || this.stacks.length === trace.stacks.parent.length) return;
    this.frames = matchFrames(trace, parsed, this.frames);
    this.stacks = matchStacks(trace, this.frames, this.stacks);
  }
}
