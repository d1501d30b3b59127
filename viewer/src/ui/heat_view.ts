// SPDX-License-Identifier: MIT OR Apache-2.0

// The visible time as a grid: a column is a piece of it, from 10 ms to two hours, a cell is a
// part of the column, and its colour says how busy the threads were then. What recurs regularly
// shows as a stripe.

import { duration } from "../model/format.ts";
import { ALL_STATES, State } from "../model/state.ts";
import { firstRow, rowEnd, rowWeight } from "../model/trace.ts";
import { prepare, rectangle } from "../paint/canvas.ts";
import { mix } from "../paint/palette.ts";
import type { Session } from "../session/session.ts";
import { announce, fill, h, handled } from "./dom.ts";
import { look } from "./look.ts";
import { onDrag } from "./pointer.ts";

const ROWS = 25;
const MOST_COLUMNS = 160;
/** The lengths that a column can have, in microseconds. */
const LENGTHS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200].map((s) => s * 1e6);

export class HeatView {
  readonly element = h("div", { class: "canvasbox" });
  private canvas = h("canvas", {
    tabindex: 0,
    role: "application",
    "aria-label":
      "Heat map: a column is a piece of time, a cell a part of it. Arrows move, Enter selects the cell's time",
  });
  private line = h("div", { class: "tools" });
  private cells = new Float64Array(0);
  private columns = 0;
  private columnTicks = 1;
  private from = 0;
  private first = 0;
  private cell = 0;

  constructor(private session: Session) {
    this.element.classList.add("column");
    this.canvas.style.flex = "1";
    this.canvas.style.minHeight = "80px";
    fill(this.element, this.line, this.canvas);
    new ResizeObserver(() => this.paint()).observe(this.canvas);
    const over = (x: number, y: number) => {
      const at = this.at(x, y);
      if (at === this.cell) return;
      this.cell = at;
      this.say(at);
      this.paint();
    };
    onDrag(this.canvas, {
      down: (x, y) => {
        this.first = this.at(x, y);
      },
      move: over,
      hover: over,
      up: (x, y) => this.choose(this.first, this.at(x, y)),
    });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
  }

  render(): void {
    // Shows the view, not the window, so that choosing a range here leaves the cells as they are.
    const { session } = this;
    const { from, to } = session.viewport.view;
    const length = session.us(to - from);
    const pieces = LENGTHS.find((us) => length / us <= MOST_COLUMNS) ?? LENGTHS[LENGTHS.length - 1];
    this.columnTicks = Math.max(1, pieces / session.trace.tickUs);
    this.from = Math.floor(from / this.columnTicks) * this.columnTicks;
    this.columns = Math.max(1, Math.ceil((to - this.from) / this.columnTicks));
    this.cells = new Float64Array(this.columns * ROWS);
    const cellTicks = this.columnTicks / ROWS;
    const { states } = this;
    for (const number of session.derived.countedTracks) {
      const track = session.trace.tracks[number];
      for (let row = firstRow(track, this.from); row < track.start.length && track.start[row] < to; row++) {
        if (track.stack[row] === 0 || ((states >>> track.state[row]) & 1) === 0) continue;
        let begin = Math.max(track.start[row], this.from);
        const lasts = rowEnd(track, row) - track.start[row];
        // The weight of a row is spread evenly over it; that of a row of no length is in one cell.
        const weight = rowWeight(track, row);
        if (lasts === 0) {
          const cell = Math.floor((begin - this.from) / cellTicks);
          if (begin === track.start[row] && cell < this.cells.length) this.cells[cell] += weight;
          continue;
        }
        const density = weight / lasts;
        const end = Math.min(rowEnd(track, row), this.from + this.columns * this.columnTicks);
        for (let cell = Math.floor((begin - this.from) / cellTicks); begin < end && cell < this.cells.length; cell++) {
          const past = Math.min(end, this.from + (cell + 1) * cellTicks);
          this.cells[cell] += (past - begin) * density;
          begin = past;
        }
      }
    }
    this.cell = Math.min(this.cell, this.cells.length - 1);
    this.paint();
    this.say(-1);
  }

  /**
   * The states that count. With states in the trace and no choice among them, only running and
   * runnable do: every thread always has some state.
   */
  private get states(): number {
    const { trace, settings } = this.session;
    return trace.hasStates && settings.states === ALL_STATES
      ? (1 << State.running) | (1 << State.runnable)
      : settings.states;
  }

  private paint(): void {
    const { context, width, height } = prepare(this.canvas);
    const { palette } = look;
    const { session } = this;
    rectangle(context, palette.background, 0, 0, width, height);
    let most = 0;
    for (const time of this.cells) most = Math.max(most, time);
    const wide = width / this.columns;
    const tall = height / ROWS;
    for (let column = 0; column < this.columns; column++) {
      for (let row = 0; row < ROWS; row++) {
        const time = this.cells[column * ROWS + row];
        if (time <= 0) continue;
        const part = time / most;
        rectangle(
          context,
          part < 0.5
            ? mix(palette.background, palette.rest, 0.15 + part * 1.7)
            : mix(palette.rest, palette.common, (part - 0.5) * 2),
          column * wide,
          (ROWS - 1 - row) * tall,
          wide - (wide > 4 ? 0.5 : 0),
          tall - 0.5,
        );
      }
    }
    const { range } = session.viewport;
    context.strokeStyle = palette.text;
    context.lineWidth = 2;
    const cellTicks = this.columnTicks / ROWS;
    if (range) {
      const first = Math.max(0, Math.floor((range.from - this.from) / cellTicks));
      const last = Math.min(this.cells.length, Math.ceil((range.to - this.from) / cellTicks));
      for (let column = Math.floor(first / ROWS); column * ROWS < last; column++) {
        const low = Math.max(first - column * ROWS, 0);
        const high = Math.min(last - column * ROWS, ROWS);
        context.strokeRect(column * wide + 1, (ROWS - high) * tall + 1, Math.max(wide - 2, 1), (high - low) * tall - 2);
      }
    }
    const column = Math.floor(this.cell / ROWS);
    context.strokeRect(column * wide, (ROWS - 1 - (this.cell % ROWS)) * tall, wide, tall);
  }

  private at(x: number, y: number): number {
    const clamp = (value: number, most: number) => Math.max(0, Math.min(most - 1, Math.floor(value)));
    const column = clamp((x / this.canvas.clientWidth) * this.columns, this.columns);
    const row = clamp((1 - y / this.canvas.clientHeight) * ROWS, ROWS);
    return column * ROWS + row;
  }

  private choose(first: number, last: number): void {
    const cellTicks = this.columnTicks / ROWS;
    const [low, high] = [Math.min(first, last), Math.max(first, last)];
    this.session.viewport.setRange({ from: this.from + low * cellTicks, to: this.from + (high + 1) * cellTicks });
  }

  private describe(cell: number): string {
    const { session } = this;
    const cellTicks = this.columnTicks / ROWS;
    const threads = this.cells[cell] / cellTicks;
    return `${session.clock(this.from + cell * cellTicks)}: ${threads.toFixed(1)} threads on average`;
  }

  private say(cell: number): void {
    const { session } = this;
    const legend = `A column is ${duration(session.us(this.columnTicks))}, a cell ${duration(session.us(this.columnTicks / ROWS))}. Drag across cells to select a range.`;
    fill(this.line, cell >= 0 ? h("strong", {}, this.describe(cell)) : null, h("span", {}, legend));
  }

  private key(event: KeyboardEvent): void {
    const steps: Record<string, number> = { ArrowUp: 1, ArrowDown: -1, ArrowRight: ROWS, ArrowLeft: -ROWS };
    const step = steps[event.key];
    if (event.key === "Enter") this.choose(this.cell, this.cell);
    else if (step !== undefined) {
      const next = this.cell + step;
      if (next >= 0 && next < this.cells.length) this.cell = next;
      announce(this.describe(this.cell));
      this.say(this.cell);
    } else return;
    this.paint();
    handled(event);
  }
}
