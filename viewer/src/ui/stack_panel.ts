// SPDX-License-Identifier: MIT OR Apache-2.0

// The selected stack as a list: each frame with its place and source line, and how much of the
// window ran below it and at its line. Hovering a frame sets the threshold of the session.

import { duration, percent } from "../model/format.ts";
import { pathOf, rowEnd } from "../model/trace.ts";
import { LIBRARY, NO_NODE } from "../model/tree.ts";
import type { SelectedSample } from "../session/selection.ts";
import type { Session } from "../session/session.ts";
import { type Action, actionButtons, canAct } from "./actions.ts";
import { processCpu, stateWords, trackCpu } from "./cpu_time.ts";
import { byId, fill, h, handled, refill } from "./dom.ts";

/** How many frames at either end a deep stack shows. */
const MOST = 400;

export class StackPanel {
  private panel = byId("stack");
  private scrolled = 0;

  constructor(
    private session: Session,
    private act: (action: Action) => void,
  ) {
    session.on(["selection", "tree", "window"], () => this.render());
    session.on(["frame"], () => this.mark());
    // Remembered here, because reading it while rendering would force another layout.
    this.panel.onscroll = () => (this.scrolled = this.panel.scrollTop);
    this.panel.onmouseleave = () => session.selection.setThreshold(0);
    this.render();
  }

  private render(): void {
    const { session, panel } = this;
    const { sample } = session.selection;
    const { tree } = session.derived;
    if (!sample) {
      fill(
        panel,
        h(
          "div",
          { class: "empty" },
          "Click a sample to see its stack here. The frames that other samples share with it turn orange.",
        ),
      );
      return;
    }
    const node = tree.nodeOf[sample.stack];
    const path = node === NO_NODE ? [] : pathOf(tree.parent, node);
    const items = path.map((at, level) => this.item(at, level, path.length));
    const cut = path.length - 2 * MOST;
    if (cut > 0) items.splice(MOST, cut, h("li", {}, `… ${cut} more frames`));
    const list = h("ol", { "aria-label": "Frames, outermost first" }, ...items);
    const { scrolled } = this;
    refill(
      panel,
      this.head(sample, path.length),
      path.length === 0
        ? h("div", { class: "empty" }, "The filters hide every frame of this stack. Press Ctrl-Z to undo.")
        : list,
    );
    if (scrolled > 0) panel.scrollTop = scrolled;
    this.mark();
  }

  /** Marks the chosen frame. The list stays as it is: the pointer may be pressed on it. */
  private mark(): void {
    const { session, panel } = this;
    for (const button of panel.querySelectorAll<HTMLElement>("li button")) {
      const current = Number(button.dataset.frame) === session.selection.frame;
      button.setAttribute("aria-current", String(current));
      button.parentElement?.classList.toggle("current", current);
    }
    for (const button of panel.querySelectorAll<HTMLButtonElement>(".actions [data-key]:not([data-key=pin])"))
      button.disabled = !canAct(session);
  }

  private head(sample: SelectedSample, depth: number): HTMLElement {
    const { session } = this;
    const { trace, symbols } = session;
    const track = trace.tracks[sample.track];
    const when = session.clock(track.start[sample.row]);
    const lasted = duration(session.us(rowEnd(track, sample.row) - track.start[sample.row]));
    const ofThread = trackCpu(session, sample.track);
    const ofProcess = session.tracksOf(track.process).length > 1 ? processCpu(session, track.process) : "";
    const cpu = [ofThread && `thread ${ofThread}`, ofProcess && `process ${ofProcess}`].filter(Boolean).join(" · ");
    const isPinned = session.selection.pinned > 0;
    return h(
      "div",
      { class: "about" },
      h("h2", {}, `${symbols.track(sample.track)} · ${symbols.process(track.process)}`),
      h("p", {}, `${when} · ${lasted} · ${stateWords(trace, sample.track, sample.row)} · depth\u00a0${depth}`),
      cpu && h("p", {}, cpu),
      h(
        "div",
        { class: "actions", role: "toolbar", "aria-label": "Actions on the frame" },
        ...actionButtons(session, this.act),
        h(
          "button",
          {
            "data-key": "pin",
            "aria-pressed": isPinned,
            title:
              "Pin this stack, then click another: what samples share with the pinned one turns green (p, or Shift-click)",
            onclick: () => session.selection.pin(isPinned ? 0 : sample.stack),
          },
          "Pin",
        ),
      ),
    );
  }

  private item(node: number, level: number, depth: number): HTMLLIElement {
    const { session } = this;
    const { symbols } = session;
    const { tree } = session.derived;
    const frame = tree.frame[node];
    const { below, line } = this.shares(node);
    const bar = (className: string, part: number) => {
      const inner = h("i");
      inner.style.width = `${Math.min(100, part * 100)}%`;
      return h("span", { class: className }, inner);
    };
    const source = symbols.source(frame);
    const shared = session.selection.threshold === 0 || level < session.selection.threshold;
    const button = h(
      "button",
      {
        "data-key": `level${level}`,
        "data-frame": frame,
        title: symbols.fullPlace(frame),
        onclick: () => session.selection.chooseFrame(frame),
        onfocus: () => session.selection.setThreshold(level + 1),
        onblur: () => session.selection.setThreshold(0),
        onmouseenter: () => session.selection.setThreshold(level + 1),
        onkeydown: (event: KeyboardEvent) => this.key(event, level, depth),
      },
      h("span", { class: "func" }, symbols.func(frame)),
      h("span", { class: "place" }, frame === LIBRARY ? "" : symbols.place(frame)),
      source ? h("code", {}, source) : null,
      h(
        "span",
        {
          class: "bars",
          title: `${percent(below)} of the window ran below this function; ${percent(line)} at this line`,
        },
        h("span", {}, `${percent(below)} below`),
        bar("bar", below),
        h("span", {}, `${percent(line)} at line`),
        bar("bar line", line),
      ),
    );
    return h("li", { class: shared ? "shared" : "" }, button);
  }

  /** The shares of the window under the same callers: below the function, and at its line. */
  private shares(node: number): { below: number; line: number } {
    const { session } = this;
    const { total } = session.derived.weights;
    if (total === 0) return { below: 0, line: 0 };
    const line = session.derived.byTree.total[node] / total;
    const other = session.derived.functionNode(node);
    return { below: other === NO_NODE ? line : session.derived.byFunction.total[other] / total, line };
  }

  private key(event: KeyboardEvent, level: number, depth: number): void {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step === 0) return;
    const next = Math.max(0, Math.min(depth - 1, level + step));
    this.panel.querySelector<HTMLElement>(`[data-key=level${next}]`)?.focus();
    handled(event);
  }
}
