// What the panels add up: the window, the states in it as switches, and the
// transforms as crumbs. It refuses to add anything up itself.

import { ALL_STATES, STATE_NAMES, STATES } from "../model/state.ts";
import { safeText } from "../model/safe_text.ts";
import type { Transform } from "../model/tree.ts";
import { byId, fill, h } from "./dom.ts";
import { duration, percent } from "./format.ts";
import { look } from "./look.ts";
import type { Session } from "./session.ts";

const SVG = "http://www.w3.org/2000/svg";

export class WindowBar {
  private bar = byId("window");

  constructor(private session: Session) {
    session.on(["view"], () => this.follow());
    session.on(["window", "tree", "look", "selection"], () => this.render());
    this.render();
  }

  /** While the picture moves, a new text is enough: the rest follows when it rests. */
  private follow(): void {
    this.bar.querySelector(".what")!.textContent = this.text();
  }

  private text(): string {
    const { session } = this;
    const { from, to } = session.window;
    const what = session.range ? "Range" : "Visible";
    const tracks = session.countedTracks().length;
    return `${what}: ${session.clock(from)} – ${session.clock(to)} · ${duration(session.us(to - from))} · ${tracks} ${tracks === 1 ? "thread" : "threads"}`;
  }

  private render(): void {
    const { session } = this;
    const { from, to } = session.window;
    fill(
      this.bar,
      h("span", { class: "what" }, this.text()),
      session.range && h("button", { class: "chip", title: "Back to all that is visible (Esc)", onclick: () => session.setRange(null) }, "× range"),
      session.range && h("button", { class: "chip", title: "Zoom to the range (Enter in the timeline with a range, or z)", onclick: () => session.setView(from, to) }, "Zoom to it"),
      ...this.states(),
      this.crumbs(),
    );
  }

  private states(): HTMLElement[] {
    const { session } = this;
    const { ofState } = session.weights;
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
          "data-state": state,
          "aria-pressed": states !== ALL_STATES && on,
          title: `Only ${STATE_NAMES[state]}: click again for all`,
          onclick: () => session.toggleState(state),
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
    if (session.transforms.length === 0) return null;
    return h(
      "span",
      { class: "crumbs", role: "group", "aria-label": "Transforms" },
      ...session.transforms.map((transform, at) =>
        h("button", { class: "chip on", title: "Remove (Ctrl-Z takes back the last)", onclick: () => session.removeTransform(at) }, `${nameOf(transform)} ×`),
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
