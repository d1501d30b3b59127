// SPDX-License-Identifier: MIT OR Apache-2.0

// The bar that says what the panels add up: the window, its states as switches, and the
// transforms as crumbs.

import { duration, percent } from "../model/format.ts";
import { safeText } from "../model/safe_text.ts";
import { ALL_STATES, STATE_NAMES, STATES, State } from "../model/state.ts";
import type { Transform } from "../model/tree.ts";
import type { Session } from "../session/session.ts";
import { withSystem } from "./cpu_time.ts";
import { byId, h, refill } from "./dom.ts";
import { look } from "./look.ts";

const SVG = "http://www.w3.org/2000/svg";

export class WindowBar {
  private bar = byId("window");
  private what = h("span", { class: "what" });

  constructor(private session: Session) {
    session.on(["view"], () => this.follow());
    session.on(["window", "tree", "look", "selection"], () => this.render());
    this.render();
  }

  /** Updates only the text while the picture moves; the rest follows when it stops. */
  private follow(): void {
    this.what.textContent = this.text();
  }

  private text(): string {
    const { session } = this;
    const { from, to } = session.viewport.window;
    const what = session.viewport.range ? "Range" : "Visible";
    const tracks = session.derived.countedTracks.length;
    return `${what}: ${session.clock(from)} – ${session.clock(to)} · ${duration(session.us(to - from))} · ${tracks} ${tracks === 1 ? "thread" : "threads"}`;
  }

  private render(): void {
    const { session } = this;
    const { from, to } = session.viewport.window;
    this.follow();
    refill(
      this.bar,
      this.what,
      session.viewport.range &&
        h(
          "button",
          { class: "chip", title: "Back to the visible time (Esc)", onclick: () => session.viewport.setRange(null) },
          "× range",
        ),
      session.viewport.range &&
        h(
          "button",
          {
            class: "chip",
            "data-key": "zoom",
            title: "Zoom to the range (z)",
            onclick: () => session.viewport.show(from, to),
          },
          "Zoom to range",
        ),
      ...this.states(),
      this.crumbs(),
    );
  }

  private states(): HTMLElement[] {
    const { session } = this;
    const { ofState, system } = session.derived.weights;
    const sum = ofState.reduce((total, time) => total + time, 0);
    const { states } = session.settings;
    const chips: HTMLElement[] = [];
    for (let state = 1; state < STATES; state++) {
      if (ofState[state] === 0) continue;
      const on = ((states >>> state) & 1) === 1;
      const chip = h(
        "button",
        {
          class: "chip",
          "data-key": `state${state}`,
          "data-state": state,
          "aria-pressed": states !== ALL_STATES && on,
          title: `${withSystem(session.us(ofState[state]), state === State.running ? session.us(system) : 0)}\nClick to show only ${STATE_NAMES[state]}, click again to show all`,
          onclick: () => session.settings.toggleState(state),
        },
        `${STATE_NAMES[state]} ${percent(ofState[state] / sum)}`,
      );
      chip.prepend(this.swatch(state));
      chips.push(chip);
    }
    return chips;
  }

  private swatch(state: number): SVGElement {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 14 10");
    svg.setAttribute("aria-hidden", "true");
    const rect = document.createElementNS(SVG, "rect");
    rect.setAttribute("width", "14");
    rect.setAttribute("height", "10");
    rect.setAttribute("rx", "2");
    rect.setAttribute("fill", look.palette.states[state]);
    svg.append(rect);
    return svg;
  }

  private crumbs(): HTMLElement | null {
    const { session } = this;
    if (session.transforms.list.length === 0) return null;
    return h(
      "span",
      { class: "crumbs", role: "group", "aria-label": "Transforms" },
      ...session.transforms.list.map((transform, at) =>
        h(
          "button",
          {
            class: "chip on",
            "data-key": `transform${at}`,
            title: "Remove (Ctrl-Z undoes the last)",
            onclick: () => session.transforms.remove(at),
          },
          `${nameOf(transform)} ×`,
        ),
      ),
    );
  }
}

export function nameOf(transform: Transform): string {
  switch (transform.kind) {
    case "mine":
      return "my code";
    case "collapse":
      return "libraries collapsed";
    case "recursion":
      return "recursion collapsed";
    case "subtree":
      return `subtree ${safeText(transform.path[transform.path.length - 1]?.func ?? "")}`;
    default:
      return `${transform.kind} ${safeText(transform.func)}`;
  }
}
