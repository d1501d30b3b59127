// SPDX-License-Identifier: MIT OR Apache-2.0

// A function between its callers and its callees, each as a flame graph.

import { callees, callers, functionAt, systemOf } from "../model/aggregate.ts";
import { percent } from "../model/format.ts";
import type { Session } from "../session/session.ts";
import { currentFrame } from "./actions.ts";
import { withSystem } from "./cpu_time.ts";
import { fill, h } from "./dom.ts";
import { FlameView } from "./flame_view.ts";

export class SandwichView {
  readonly element = h("div", { class: "canvasbox" });
  private tools = h("div", { class: "tools" });
  private above: FlameView;
  private below: FlameView;

  constructor(private session: Session) {
    this.above = new FlameView(session);
    this.below = new FlameView(session);
  }

  render(): void {
    const { session } = this;
    const frame = currentFrame(session);
    if (frame < 0) {
      fill(
        this.element,
        h("div", { class: "empty" }, "Select a frame first: click one in the stack, a flame graph or the table."),
      );
      return;
    }
    const func = functionAt(session.classes, frame);
    const into = callers(session.derived.byFunction, session.classes, func);
    const from = callees(session.derived.byFunction, session.classes, func);
    const whole = session.derived.weights.total;
    const name = session.symbols.func(frame);
    const about = `${name} ${session.symbols.place(frame, false)} · ${percent(whole > 0 ? from.total[0] / whole : 0)} of the window · ${withSystem(session.us(from.total[0]), session.us(systemOf(from, 0)))}`;
    const marked = (tree: typeof into) => (node: number) => tree.depth[node] === 1;
    this.above.show(into, { order: "heavy", upwards: true, label: `Callers of ${name}`, marked: marked(into) });
    this.below.show(from, { order: "heavy", upwards: false, label: `Callees of ${name}`, marked: marked(from) });
    if (this.element.childElementCount !== 3) {
      this.element.classList.add("column");
      fill(this.element, this.tools, this.above.element, this.below.element);
    }
    fill(this.tools, h("strong", {}, about), h("span", {}, "callers above, callees below"));
  }
}
