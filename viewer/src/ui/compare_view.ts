// SPDX-License-Identifier: MIT OR Apache-2.0

// What changed between two traces: a table of functions and a flame graph of both, coloured by
// the change.

import { functionAt, onNodes, tableOf, type WeightedTree } from "../model/aggregate.ts";
import { percent } from "../model/format.ts";
import { weigh } from "../model/weights.ts";
import type { Session } from "../session/session.ts";
import { fill, h } from "./dom.ts";
import { FlameView } from "./flame_view.ts";

const MOST = 200;

interface Delta {
  frame: number;
  before: number;
  after: number;
}

export class CompareView {
  readonly element = h("div", { class: "canvasbox" });
  private flame: FlameView;
  private whole = false;

  constructor(
    private session: Session,
    private onOpen: () => void,
  ) {
    this.flame = new FlameView(session);
    this.element.classList.add("column");
  }

  /** The times of the window in one of the two traces, 0 or 1. */
  private side(side: number): WeightedTree {
    const { session } = this;
    const { trace, settings } = session;
    const tracks = session.derived.countedTracks.filter(
      (number) => trace.processes[trace.tracks[number].process].side === side,
    );
    const { from, to } = session.viewport.window;
    return onNodes(session.derived.functions, weigh(trace, tracks, from, to, settings.states));
  }

  render(): void {
    const { session } = this;
    if (!session.trace.processes.some((process) => process.side === 1)) {
      fill(
        this.element,
        h(
          "div",
          { class: "empty" },
          "Drop or open a second trace to see both on one time axis, and what changed. ",
          h("button", { onclick: this.onOpen }, "Open a second trace…"),
        ),
      );
      return;
    }
    const before = this.side(0);
    const after = this.side(1);
    const whole = [Math.max(before.total[0], 1e-9), Math.max(after.total[0], 1e-9)];
    const share = (node: number) => [before.total[node] / whole[0], after.total[node] / whole[1]];
    const size = before.parent.length;
    const both: WeightedTree = {
      ...before,
      self: new Float64Array(size).map((_, node) => before.self[node] / whole[0] + after.self[node] / whole[1]),
      total: new Float64Array(size).map((_, node) => share(node)[0] + share(node)[1]),
      system: null,
    };
    const change = (node: number) => {
      const [one, two] = share(node);
      return (two - one) / Math.max(one, two, 1e-9);
    };
    const about = (node: number) => {
      const [one, two] = share(node);
      return `A ${percent(one)} → B ${percent(two)} (${signed(two - one)})`;
    };
    this.flame.show(both, {
      order: "heavy",
      upwards: false,
      label: "Both traces, coloured by what changed from A to B",
      change,
      about,
    });
    const deltas = this.deltas(before, after, whole);
    const pick = h(
      "button",
      {
        "aria-pressed": this.whole,
        onclick: () => {
          this.whole = !this.whole;
          this.render();
        },
      },
      "Total time",
    );
    const tools = h(
      "div",
      { class: "tools" },
      pick,
      h("span", {}, "share of each trace's time in the window; orange: grew, blue: shrank"),
    );
    const table = h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ...["A", "B", "Change"].map((name) => h("th", { scope: "col", class: "n" }, name)),
          h("th", { scope: "col" }, "Function"),
        ),
      ),
      h("tbody", {}, ...deltas.slice(0, MOST).map((delta) => this.row(delta))),
    );
    const scroll = h("div", { class: "canvasbox" }, table);
    fill(this.element, tools, scroll, this.flame.element);
  }

  private deltas(before: WeightedTree, after: WeightedTree, whole: number[]): Delta[] {
    const { session } = this;
    const keyOf = (frame: number) => functionAt(session.classes, frame);
    const found = new Map<number, Delta>();
    [before, after].forEach((tree, side) => {
      for (const row of tableOf(tree, keyOf)) {
        let delta = found.get(row.key);
        if (!delta) {
          delta = { frame: row.frame, before: 0, after: 0 };
          found.set(row.key, delta);
        }
        const part = (this.whole ? row.total : row.self) / whole[side];
        if (side === 0) delta.before = part;
        else delta.after = part;
      }
    });
    return [...found.values()].sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before));
  }

  private row(delta: Delta): HTMLElement {
    const { session } = this;
    const difference = delta.after - delta.before;
    return h(
      "tr",
      {},
      h("td", { class: "n" }, percent(delta.before)),
      h("td", { class: "n" }, percent(delta.after)),
      h("td", { class: `n ${difference > 0 ? "up" : "down"}` }, signed(difference)),
      h(
        "td",
        {},
        h(
          "button",
          { class: "link", onclick: () => session.selection.chooseFrame(delta.frame) },
          session.symbols.func(delta.frame),
        ),
        h("span", { class: "place" }, ` ${session.symbols.place(delta.frame, false)}`),
      ),
    );
  }
}

/** Formats the change of a share, in percentage points. */
export function signed(difference: number): string {
  const points = difference * 100;
  if (Math.abs(points) < 0.05) return "±0";
  return `${points > 0 ? "+" : "−"}${Math.abs(points).toFixed(1)}`;
}
