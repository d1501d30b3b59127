// The window as a table of functions or lines, by own time or by whole time. It
// refuses to add up: the session does.

import { functionAt, type TableRow, tableOf } from "../model/aggregate.ts";
import { LIBRARY } from "../model/tree.ts";
import { fill, h } from "./dom.ts";
import { duration, percent } from "./format.ts";
import type { Session } from "./session.ts";

const MOST = 300;

type Column = "self" | "total" | "name";

export class TopTable {
  readonly element = h("div", { class: "canvasbox" });
  private sort: Column = "self";
  private filter = "";

  constructor(
    private session: Session,
    private onSandwich: (frame: number) => void,
  ) {}

  render(): void {
    const { session } = this;
    const lines = session.settings.lines;
    const tree = lines ? session.byTree : session.byFunction;
    const exact = lines && session.settings.exactness === "line";
    const keyOf = (frame: number) =>
      exact && frame !== LIBRARY ? session.classes.lineOf[frame] : functionAt(session.classes, frame);
    const name = (row: TableRow) => session.symbols.func(row.frame);
    let rows = tableOf(tree, keyOf);
    const wanted = this.filter.toLowerCase();
    if (wanted) rows = rows.filter((row) => `${name(row)} ${session.symbols.file(row.frame)}`.toLowerCase().includes(wanted));
    if (this.sort === "total") rows.sort((a, b) => b.total - a.total);
    if (this.sort === "name") rows.sort((a, b) => name(a).localeCompare(name(b)));
    const whole = session.weights.total;
    const cut = rows.length - MOST;
    const filter = h("input", { type: "search", "aria-label": "Filter the table", placeholder: "filter", value: this.filter });
    filter.addEventListener("input", () => {
      this.filter = filter.value;
      const body = this.element.querySelector("table");
      this.render();
      if (body) this.element.querySelector<HTMLInputElement>("input[type=search]")?.focus();
      const now = this.element.querySelector<HTMLInputElement>("input[type=search]");
      now?.setSelectionRange(now.value.length, now.value.length);
    });
    const toggle = h("button", { "aria-pressed": lines, title: "A row for each line instead of each function", onclick: () => {
      session.settings.lines = !lines;
      if (!lines && session.settings.exactness !== "line") session.setExactness("line");
      this.render();
    } }, "Lines");
    const scrolled = this.element.scrollTop;
    fill(
      this.element,
      h("div", { class: "tools" }, filter, toggle, h("span", {}, `${rows.length} ${exact ? "lines" : "functions"} in ${duration(session.us(whole))}${cut > 0 ? `, the first ${MOST} shown` : ""}`)),
      rows.length === 0
        ? h("div", { class: "empty" }, "Nothing ran in this window with these settings.")
        : h(
            "table",
            {},
            h("thead", {}, h("tr", {}, this.head("self", "Self"), this.head("total", "Total"), this.head("name", exact ? "Line" : "Function"))),
            h("tbody", {}, ...rows.slice(0, MOST).map((row) => this.row(row, whole, exact))),
          ),
    );
    this.element.scrollTop = scrolled;
  }

  private head(column: Column, label: string): HTMLElement {
    const sorted = this.sort === column;
    const button = h("button", { onclick: () => {
      this.sort = column;
      this.render();
      this.element.querySelector<HTMLElement>(`th[data-column=${column}] button`)?.focus();
    } }, `${label}${sorted ? " ▾" : ""}`);
    return h("th", { scope: "col", "data-column": column, class: column === "name" ? "" : "n", "aria-sort": sorted ? (column === "name" ? "ascending" : "descending") : null }, button);
  }

  private row(row: TableRow, whole: number, exact: boolean): HTMLElement {
    const { session } = this;
    const cell = (time: number) => {
      const inner = h("i");
      inner.style.width = `${whole > 0 ? Math.min(100, (time / whole) * 100) : 0}%`;
      return h("td", { class: "n", title: duration(session.us(time)) }, percent(whole > 0 ? time / whole : 0), h("span", { class: "mini", "aria-hidden": "true" }, inner));
    };
    const choose = h(
      "button",
      { class: "link", title: `${session.symbols.fullPlace(row.frame)}\nDouble-click: callers and callees`, onclick: () => session.chooseFrame(row.frame), ondblclick: () => this.onSandwich(row.frame) },
      session.symbols.func(row.frame),
    );
    const source = exact ? session.symbols.source(row.frame) : "";
    return h(
      "tr",
      { class: row.frame === session.frame ? "current" : "" },
      cell(row.self),
      cell(row.total),
      h("td", {}, choose, h("span", { class: "place" }, ` ${session.symbols.place(row.frame, exact)}${source ? ` · ${source}` : ""}`)),
    );
  }
}
