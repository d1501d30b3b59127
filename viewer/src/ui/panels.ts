// SPDX-License-Identifier: MIT OR Apache-2.0

// The tabs above the lower half of the page, and the view that they choose.

import { inverted } from "../model/aggregate.ts";
import { NO_NODE } from "../model/tree.ts";
import type { Session } from "../session/session.ts";
import type { PanelName } from "../session/settings.ts";
import { CompareView } from "./compare_view.ts";
import { byId, fill, h, handled } from "./dom.ts";
import { FlameView } from "./flame_view.ts";
import { HeatView } from "./heat_view.ts";
import { SandwichView } from "./sandwich_view.ts";
import { TopTable } from "./top_table.ts";

export const PANELS: { name: PanelName; label: string }[] = [
  { name: "stack", label: "Stack" },
  { name: "flame", label: "Flame graph" },
  { name: "heavy", label: "Left-heavy" },
  { name: "sandwich", label: "Sandwich" },
  { name: "top", label: "Top table" },
  { name: "heat", label: "Heat map" },
  { name: "compare", label: "Compare" },
];

export class Panels {
  private tabs = byId("tabs");
  private pane = byId("pane");
  private flame: FlameView;
  private top: TopTable;
  private sandwich: SandwichView;
  private heat: HeatView;
  private compare: CompareView;

  constructor(
    private session: Session,
    onOpenSecond: () => void,
  ) {
    const toSandwich = (frame: number) => {
      session.selection.chooseFrame(frame);
      this.show("sandwich");
    };
    this.flame = new FlameView(session);
    this.top = new TopTable(session, toSandwich);
    this.sandwich = new SandwichView(session);
    this.heat = new HeatView(session);
    this.compare = new CompareView(session, onOpenSecond);
    session.on(["window", "tree", "panel", "look", "search"], () => this.render());
    session.on(["selection"], () => this.onSelection());
    session.on(["frame"], () => this.onFrame());
    session.on(["view"], () => session.settings.panel === "heat" && this.heat.render());
    this.makeTabs();
    this.render();
  }

  show(panel: PanelName): void {
    this.session.settings.show(panel);
    this.session.flush();
  }

  private render(): void {
    const { session } = this;
    this.markTab();
    const { panel } = session.settings;
    byId("panels").classList.toggle("stack", panel === "stack");
    const element = this.elementOf(panel);
    // Put on the page again, an element would be scrolled to its top.
    if (this.pane.firstElementChild !== element) fill(this.pane, element);
    this.pane.setAttribute("aria-labelledby", `tab-${panel}`);
    this.renderView();
  }

  private elementOf(panel: PanelName): HTMLElement {
    switch (panel) {
      case "stack":
      case "flame":
      case "heavy":
        return this.flame.element;
      case "sandwich":
        return this.sandwich.element;
      case "top":
        return this.top.element;
      case "heat":
        return this.heat.element;
      case "compare":
        return this.compare.element;
    }
  }

  private renderView(): void {
    const { session } = this;
    switch (session.settings.panel) {
      case "stack":
      case "flame":
      case "heavy": {
        const heavy = session.settings.panel === "heavy";
        const turned = session.settings.inverted;
        const tree = turned ? inverted(session.derived.byFunction, session.classes) : session.derived.byFunction;
        const marked = turned ? undefined : this.onSelectedPath();
        const label = `${heavy ? "Left-heavy flame graph" : "Flame graph"} of the window${turned ? ", from the innermost frames out" : ""}`;
        this.flame.show(tree, { order: heavy ? "heavy" : "name", upwards: !heavy, label, marked });
        return;
      }
      case "sandwich":
        this.sandwich.render();
        return;
      case "top":
        this.top.render();
        return;
      case "heat":
        this.heat.render();
        return;
      case "compare":
        this.compare.render();
        return;
    }
  }

  /** Which nodes are on the selected stack; undefined without a selection. */
  private onSelectedPath(): ((node: number) => boolean) | undefined {
    const { sample } = this.session.selection;
    const { functions } = this.session.derived;
    if (!sample) return undefined;
    const path = new Set<number>();
    let at = functions.nodeOf[sample.stack];
    for (; at !== NO_NODE && at > 0; at = functions.parent[at]) path.add(at);
    return (node) => path.has(node);
  }

  private onSelection(): void {
    const { panel } = this.session.settings;
    if (panel === "flame" || panel === "heavy" || panel === "stack" || panel === "sandwich") this.renderView();
  }

  private onFrame(): void {
    const { panel } = this.session.settings;
    if (panel === "sandwich") this.renderView();
    else if (panel === "top") this.top.mark();
    else if (panel !== "heat" && panel !== "compare") this.flame.paint();
  }

  private makeTabs(): void {
    fill(
      this.tabs,
      ...PANELS.map(({ name, label }, at) =>
        h(
          "button",
          {
            role: "tab",
            id: `tab-${name}`,
            "aria-controls": "pane",
            title: `${label} (${at + 1})`,
            onclick: () => this.show(name),
            onkeydown: (event: KeyboardEvent) => this.key(event, at),
          },
          label,
        ),
      ),
    );
  }

  private markTab(): void {
    for (const { name } of PANELS) {
      const tab = byId(`tab-${name}`);
      const chosen = name === this.session.settings.panel;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
    }
  }

  private key(event: KeyboardEvent, at: number): void {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    handled(event);
    this.show(PANELS[(at + step + PANELS.length) % PANELS.length].name);
    byId(`tab-${this.session.settings.panel}`).focus();
  }
}
