// SPDX-License-Identifier: MIT OR Apache-2.0

// The names of processes and threads beside the picture, as a tree grid. Only the visible ones
// are in the page.

import { percent } from "../model/format.ts";
import { safeText } from "../model/safe_text.ts";
import type { LayoutRow } from "../session/layout.ts";
import { rowWithStack } from "../session/navigate.ts";
import type { Session } from "../session/session.ts";
import { processCpu, trackCpu } from "./cpu_time.ts";
import { byId, h, handled, refill } from "./dom.ts";

/** How far above and below the visible part rows are in the page too, in CSS pixels. */
const MARGIN = 300;
/** The data type of what is dragged: the number of a track. */
const MOVED = "x-pyebpf/track";

export class Labels {
  private grid = byId("labels");
  private scroll = byId("scroll");
  /** The index of the row that has the keyboard focus, or gets it on Tab. */
  private focused = 0;

  constructor(private session: Session) {
    session.on(["layout", "selection", "window", "tree"], () => this.render());
    this.grid.onkeydown = (event) => this.key(event);
    this.grid.ondragover = (event) => event.preventDefault();
    this.render();
  }

  private render(): void {
    const { session, scroll } = this;
    byId("content").style.height = `${Math.max(session.derived.height, scroll.clientHeight)}px`;
    this.grid.setAttribute("aria-rowcount", String(session.derived.rows.length));
    const from = scroll.scrollTop - MARGIN;
    const to = scroll.scrollTop + scroll.clientHeight + MARGIN;
    this.focused = Math.min(this.focused, Math.max(0, session.derived.rows.length - 1));
    const elements = session.derived.rows
      .map((row, at) => ({ row, at }))
      .filter(({ row }) => row.top + row.height > from && row.top < to)
      .map(({ row, at }) => this.element(row, at));
    refill(this.grid, ...elements);
  }

  private element(row: LayoutRow, at: number): HTMLElement {
    const element = row.kind === "process" ? this.process(row) : this.track(row);
    element.style.top = `${row.top}px`;
    element.style.height = `${row.height}px`;
    element.setAttribute("aria-rowindex", String(at + 1));
    element.dataset.key = `${row.kind}${row.number}`;
    element.tabIndex = at === this.focused ? 0 : -1;
    element.addEventListener("focus", () => (this.focused = at));
    return element;
  }

  private process(row: LayoutRow): HTMLElement {
    const { session } = this;
    const { trace } = session;
    const process = trace.processes[row.number];
    const tracks = session.tracksOf(row.number);
    const open = !session.tracks.collapsed.has(row.number);
    const name = session.symbols.process(row.number);
    const toggle = () => session.tracks.toggleProcess(row.number);
    const threads = `${tracks.length} ${tracks.length === 1 ? "thread" : "threads"}`;
    const about = [
      process.python && `Python ${process.python}`,
      process.cmdline,
      process.place,
      threads,
      processCpu(session, row.number),
    ]
      .filter(Boolean)
      .join("\n");
    return h(
      "div",
      {
        class: "row process",
        role: "row",
        "aria-level": 1,
        "aria-expanded": open,
        title: safeText(about).replaceAll("\\n", "\n"),
      },
      h(
        "div",
        { class: "cell", role: "gridcell" },
        h(
          "button",
          { class: "twist", tabindex: -1, "aria-label": `${open ? "Collapse" : "Expand"} ${name}`, onclick: toggle },
          open ? "▾" : "▸",
        ),
        h("span", { class: "name" }, name),
        h("small", { class: "place" }, safeText(process.place.replace(/.*\//, "")) || threads),
      ),
    );
  }

  private track(row: LayoutRow): HTMLElement {
    const { session } = this;
    const { trace } = session;
    const number = row.number;
    const track = trace.tracks[number];
    const name = session.symbols.track(number);
    const checked = !session.tracks.unchecked.has(number);
    const open = session.tracks.expanded.has(number);
    const classes = ["row", "track"];
    const selected = session.selection.sample?.track === number;
    if (selected) classes.push("selected");
    if (!checked) classes.push("off");
    const word = trace.hasStates || track.running > 0 ? "ran" : "busy";
    const share = (word === "ran" ? track.running : track.busy) / trace.end;
    const element = h(
      "div",
      {
        class: classes.join(" "),
        role: "row",
        "aria-level": 2,
        "aria-selected": selected,
        draggable: "true",
        title: [name, `thread ${track.tid || track.ident}`, trackCpu(session, number)].filter(Boolean).join("\n"),
      },
      h(
        "div",
        { class: "cell", role: "gridcell" },
        h("input", {
          type: "checkbox",
          tabindex: -1,
          "aria-label": `Count ${name}`,
          checked,
          onchange: (event: Event) => session.tracks.check(number, (event.target as HTMLInputElement).checked),
        }),
        h(
          "span",
          { class: "names" },
          h("span", { class: "name" }, name),
          row.height > 40 ? h("small", {}, `${word} ${percent(share)} · tid ${track.tid || "–"}`) : null,
        ),
        h(
          "button",
          {
            class: "twist",
            tabindex: -1,
            "aria-pressed": open,
            "aria-label": `Show the frames of ${name}`,
            title: "Show frames (x)",
            onclick: () => session.tracks.toggleTrack(number),
          },
          open ? "▴" : "▾",
        ),
        // What the height of the row stands for, like the upper end of an axis.
        open
          ? null
          : h(
              "span",
              { class: "deepest", title: "Frames of the deepest stack" },
              String(session.derived.deepest(number)),
            ),
      ),
    );
    // The controls of the row have their own meaning, and a first click on one makes new rows.
    element.addEventListener("dblclick", (event) => {
      if (!(event.target as Element).closest("button,input")) session.tracks.toggleTrack(number);
    });
    element.addEventListener("dragstart", (event) => event.dataTransfer?.setData(MOVED, String(number)));
    element.addEventListener("drop", (event) => {
      const moved = event.dataTransfer?.getData(MOVED);
      if (!moved) return;
      handled(event);
      session.tracks.move(Number(moved), number, session.derived.visibleTracks);
    });
    return element;
  }

  private key(event: KeyboardEvent): void {
    const { session } = this;
    const { tracks } = session;
    const { rows, visibleTracks } = session.derived;
    const row = rows[this.focused];
    if (!row || event.ctrlKey || event.metaKey) return;
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0) {
      const next = rows[this.focused + step];
      if (next && event.altKey && row.kind === "track" && next.kind === "track")
        tracks.move(row.number, next.number, visibleTracks);
      if (next) this.focus(this.focused + step);
    } else if (event.key === "Home") this.focus(0);
    else if (event.key === "End") this.focus(rows.length - 1);
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      const open = event.key === "ArrowRight";
      if (row.kind === "process" && tracks.collapsed.has(row.number) === open) tracks.toggleProcess(row.number);
      if (row.kind === "track" && tracks.expanded.has(row.number) !== open) tracks.toggleTrack(row.number);
    } else if (event.key === " " && row.kind === "track") tracks.check(row.number, tracks.unchecked.has(row.number));
    else if (event.key === "Enter" && row.kind === "track") {
      const { from, to } = session.viewport.view;
      const track = session.trace.tracks[row.number];
      const { start, stack } = track;
      let first = start.findIndex((time, at) => stack[at] > 0 && time >= from && time < to);
      if (first < 0) first = rowWithStack(track, from);
      if (first >= 0) session.selection.select(row.number, first);
    } else return;
    handled(event);
  }

  private focus(at: number): void {
    this.focused = at;
    const row = this.session.derived.rows[at];
    if (row.top < this.scroll.scrollTop) this.scroll.scrollTop = row.top;
    const bottom = row.top + row.height - this.scroll.clientHeight;
    if (bottom > this.scroll.scrollTop) this.scroll.scrollTop = bottom;
    this.render();
    this.grid.querySelector<HTMLElement>(`[data-key="${row.kind}${row.number}"]`)?.focus({ preventScroll: true });
  }
}
