// SPDX-License-Identifier: MIT OR Apache-2.0

// The window as a table of functions or lines, with their self and total times.

import { functionAt, type TableRow, tableOf } from "../model/aggregate.ts";
import { duration, percent } from "../model/format.ts";
import { LIBRARY } from "../model/tree.ts";
import type { Session } from "../session/session.ts";
import { withSystem } from "./cpu_time.ts";
import { h, refill } from "./dom.ts";

const MOST = 300;

type Column = "self" | "total" | "system" | "name";

export class TopTable {
  readonly element = h("div", { class: "canvasbox" });
  private sort: Column = "self";
  private filter = "";
  /** The rows that are shown: each frame with its element. */
  private shown: { frame: number; element: HTMLElement }[] = [];

  constructor(
    private session: Session,
    private onSandwich: (frame: number) => void,
  ) {}

  render(): void {
    const { session } = this;
    const lines = session.settings.lines;
    const tree = lines ? session.derived.byTree : session.derived.byFunction;
    const exact = lines && session.settings.exactness === "line";
    const keyOf = (frame: number) =>
      exact && frame !== LIBRARY ? session.classes.lineOf[frame] : functionAt(session.classes, frame);
    const name = (row: TableRow) => session.symbols.func(row.frame);
    let rows = tableOf(tree, keyOf);
    const wanted = this.filter.toLowerCase();
    if (wanted)
      rows = rows.filter((row) => `${name(row)} ${session.symbols.file(row.frame)}`.toLowerCase().includes(wanted));
    if (this.sort === "total") rows.sort((a, b) => b.total - a.total);
    if (this.sort === "system") rows.sort((a, b) => b.systemSelf - a.systemSelf);
    if (this.sort === "name") rows.sort((a, b) => name(a).localeCompare(name(b)));
    const whole = session.derived.weights.total;
    const cut = rows.length - MOST;
    const filter = h("input", {
      type: "search",
      "data-key": "filter",
      "aria-label": "Filter the table",
      placeholder: "filter",
      value: this.filter,
    });
    filter.addEventListener("input", () => {
      this.filter = filter.value;
      const caret = filter.selectionStart;
      this.render();
      this.element.querySelector<HTMLInputElement>("input[type=search]")?.setSelectionRange(caret, caret);
    });
    const toggle = h(
      "button",
      {
        "data-key": "lines",
        "aria-pressed": lines,
        title: "One row per line instead of per function",
        onclick: () => {
          session.settings.toggleLines();
          this.render();
        },
      },
      "Lines",
    );
    const scrolled = this.element.scrollTop;
    this.shown = rows.slice(0, MOST).map((row) => ({ frame: row.frame, element: this.row(row, whole, exact) }));
    refill(
      this.element,
      h(
        "div",
        { class: "tools" },
        filter,
        toggle,
        h(
          "span",
          {},
          `${rows.length} ${exact ? "lines" : "functions"} in ${duration(session.us(whole))}${cut > 0 ? `, the first ${MOST} shown` : ""}`,
        ),
      ),
      rows.length === 0
        ? h("div", { class: "empty" }, "Nothing ran in this window with these settings.")
        : h(
            "table",
            {},
            h(
              "thead",
              {},
              h(
                "tr",
                {},
                this.head("self", "Self"),
                this.head("total", "Total"),
                this.hasSystem && this.head("system", "Kernel"),
                this.head("name", exact ? "Line" : "Function"),
              ),
            ),
            h("tbody", {}, ...this.shown.map(({ element }) => element)),
          ),
    );
    this.element.scrollTop = scrolled;
    this.mark();
  }

  /**
   * Marks the row of the chosen frame. The table stays as it is, since the second click of a
   * double click has to land on what the first one did.
   */
  mark(): void {
    for (const { frame, element } of this.shown)
      element.classList.toggle("current", frame === this.session.selection.frame);
  }

  /** Whether there is a column for the part of the self time spent in the kernel. */
  private get hasSystem(): boolean {
    return this.session.trace.hasSystem;
  }

  private head(column: Column, label: string): HTMLElement {
    const sorted = this.sort === column;
    const button = h(
      "button",
      {
        "data-key": column,
        onclick: () => {
          this.sort = column;
          this.render();
        },
      },
      `${label}${sorted ? " ▾" : ""}`,
    );
    return h(
      "th",
      {
        scope: "col",
        "data-column": column,
        class: column === "name" ? "" : "n",
        "aria-sort": sorted ? (column === "name" ? "ascending" : "descending") : null,
      },
      button,
    );
  }

  private row(row: TableRow, whole: number, exact: boolean): HTMLElement {
    const { session } = this;
    const cell = (time: number, system = 0) => {
      const inner = h("i");
      inner.style.width = `${whole > 0 ? Math.min(100, (time / whole) * 100) : 0}%`;
      return h(
        "td",
        { class: "n", title: withSystem(session.us(time), session.us(system)) },
        percent(whole > 0 ? time / whole : 0),
        h("span", { class: "mini", "aria-hidden": "true" }, inner),
      );
    };
    const choose = h(
      "button",
      {
        class: "link",
        "data-key": `frame${row.frame}`,
        title: `${session.symbols.fullPlace(row.frame)}\nDouble-click: callers and callees`,
        onclick: () => session.selection.chooseFrame(row.frame),
        ondblclick: () => this.onSandwich(row.frame),
      },
      session.symbols.func(row.frame),
    );
    const source = exact ? session.symbols.source(row.frame) : "";
    return h(
      "tr",
      {},
      cell(row.self, row.systemSelf),
      cell(row.total, row.systemTotal),
      this.hasSystem && cell(row.systemSelf),
      h(
        "td",
        {},
        choose,
        h("span", { class: "place" }, ` ${session.symbols.place(row.frame, exact)}${source ? ` · ${source}` : ""}`),
      ),
    );
  }
}
