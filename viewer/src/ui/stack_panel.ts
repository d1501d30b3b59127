// The selected stack as a list: each frame with its place and source line, and
// how much of the window ran below it and at its line. It refuses to know the
// picture: hovering a frame only sets a threshold.

import { STATE_NAMES } from "../model/state.ts";
import { pathOf, rowEnd } from "../model/trace.ts";
import { LIBRARY, NO_NODE } from "../model/tree.ts";
import { type Action, actionButtons } from "./actions.ts";
import { byId, fill, focusedIn, h, handled } from "./dom.ts";
import { duration, percent } from "./format.ts";
import type { Session } from "./session.ts";

/** A deeper stack shows this many frames at either end. */
const MOST = 400;

export class StackPanel {
  private panel = byId("stack");
  private scrolled = 0;

  constructor(
    private session: Session,
    private act: (action: Action) => void,
  ) {
    session.on(["selection", "tree", "window", "frame"], () => this.render());
    // To ask for it in between would lay out the page once more.
    this.panel.onscroll = () => (this.scrolled = this.panel.scrollTop);
    this.panel.onmouseleave = () => session.setThreshold(0);
    this.render();
  }

  private render(): void {
    const { session, panel } = this;
    const { selection, tree } = session;
    if (!selection) {
      fill(panel, h("div", { class: "empty" }, "Click a sample. Its stack shows here, and in all others the part that they share with it turns orange."));
      return;
    }
    const node = tree.nodeOf[selection.stack];
    const path = node === NO_NODE ? [] : pathOf(tree.parent, node);
    const focused = focusedIn(panel)?.dataset.level;
    const items = path.map((at, level) => this.item(at, level, path.length));
    const cut = path.length - 2 * MOST;
    if (cut > 0) items.splice(MOST, cut, h("li", {}, `… ${cut} more frames`));
    const list = h("ol", { "aria-label": "Frames, outermost first" }, ...items);
    const { scrolled } = this;
    fill(panel, this.head(path.length), path.length === 0 ? h("div", { class: "empty" }, "No frame of this stack is left by the filters. Undo with Ctrl-Z.") : list);
    if (scrolled > 0) panel.scrollTop = scrolled;
    if (focused) panel.querySelector<HTMLElement>(`[data-level="${focused}"]`)?.focus({ preventScroll: true });
  }

  private head(depth: number): HTMLElement {
    const { session } = this;
    const selection = session.selection!;
    const { trace, symbols } = session;
    const track = trace.tracks[selection.track];
    const when = session.clock(track.start[selection.row]);
    const lasted = duration(session.us(rowEnd(track, selection.row) - track.start[selection.row]));
    const { pinned } = session;
    const isPinned = pinned > 0;
    return h(
      "div",
      { class: "about" },
      h("h2", {}, `${symbols.track(selection.track)} · ${symbols.process(track.process)}`),
      h("p", {}, `${when} · ${lasted} · ${STATE_NAMES[track.state[selection.row]]} · depth ${depth}`),
      h(
        "div",
        { class: "actions", role: "toolbar", "aria-label": "Actions on the frame" },
        ...actionButtons(session, this.act),
        h("button", { "aria-pressed": isPinned, title: "Pin this stack and click another: its base shows in green (p, or Shift-click)", onclick: () => session.pin(isPinned ? 0 : selection.stack) }, "Pin"),
      ),
    );
  }

  private item(node: number, level: number, depth: number): HTMLLIElement {
    const { session } = this;
    const { symbols, tree } = session;
    const frame = tree.frame[node];
    const { below, line } = this.shares(node);
    const current = frame === session.frame;
    const bar = (className: string, part: number) => {
      const inner = h("i");
      inner.style.width = `${Math.min(100, part * 100)}%`;
      return h("span", { class: className }, inner);
    };
    const source = symbols.source(frame);
    const shared = session.threshold === 0 || level < session.threshold;
    const button = h(
      "button",
      {
        "data-level": level,
        "aria-current": current,
        title: symbols.fullPlace(frame),
        onclick: () => session.chooseFrame(frame),
        onfocus: () => session.setThreshold(level + 1),
        onblur: () => session.setThreshold(0),
        onmouseenter: () => session.setThreshold(level + 1),
        onkeydown: (event: KeyboardEvent) => this.key(event, level, depth),
      },
      h("span", { class: "func" }, symbols.func(frame)),
      h("span", { class: "place" }, frame === LIBRARY ? "" : symbols.place(frame)),
      source ? h("code", {}, source) : null,
      h(
        "span",
        { class: "bars", title: `${percent(below)} of the window ran below this function; ${percent(line)} at this line` },
        h("span", {}, `${percent(below)} below`),
        bar("bar", below),
        h("span", {}, `${percent(line)} at line`),
        bar("bar line", line),
      ),
    );
    return h("li", { class: [shared && "shared", current && "current"].filter(Boolean).join(" ") }, button);
  }

  /** The parts of the window under the same callers: below the function, and at its line. */
  private shares(node: number): { below: number; line: number } {
    const { session } = this;
    const { total } = session.weights;
    if (total === 0) return { below: 0, line: 0 };
    const line = session.byTree.total[node] / total;
    const other = session.functionNode(node);
    return { below: other === NO_NODE ? line : session.byFunction.total[other] / total, line };
  }

  private key(event: KeyboardEvent, level: number, depth: number): void {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step === 0) return;
    const next = Math.max(0, Math.min(depth - 1, level + step));
    this.panel.querySelector<HTMLElement>(`[data-level="${next}"]`)?.focus();
    handled(event);
  }
}
