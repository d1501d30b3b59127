// SPDX-License-Identifier: MIT OR Apache-2.0

// A flame graph of any weighted tree in a canvas, ordered by name or the heaviest first.

import { type FlameBox, flameBoxes, systemOf, type WeightedTree } from "../model/aggregate.ts";
import { percent } from "../model/format.ts";
import { LIBRARY } from "../model/tree.ts";
import { cutTo, hatchRect, prepare, rectangle } from "../paint/canvas.ts";
import { mix } from "../paint/palette.ts";
import type { Session } from "../session/session.ts";
import { withSystem } from "./cpu_time.ts";
import { announce, fill, h, handled } from "./dom.ts";
import { look } from "./look.ts";

const LINE = 18;

export interface FlameOptions {
  order: "heavy" | "name";
  /** Whether the root is at the bottom, as in Brendan Gregg's flame graphs. */
  upwards: boolean;
  label: string;
  /** Which nodes are highlighted, such as those on the selected stack. */
  marked?: (node: number) => boolean;
  /** The change of a node that colours it, from -1 (less than before) to 1 (more). */
  change?: (node: number) => number;
  /** A further part of a node's description. */
  about?: (node: number) => string;
}

export class FlameView {
  readonly element: HTMLElement;
  private canvas = h("canvas", { tabindex: 0, role: "application" });
  private line = h("div", { class: "tools", "aria-live": "off" });
  private boxes: FlameBox[] = [];
  private levels = 1;
  private root = 0;
  /** The root for which the boxes were laid out. */
  private laidOut = -1;
  private tree: WeightedTree | null = null;
  private options: FlameOptions = { order: "heavy", upwards: false, label: "" };
  private placed = false;
  private hovered = -1;
  private focused = -1;
  private clicked: { node: number; tree: WeightedTree | null } = { node: -1, tree: null };
  private box: HTMLElement;

  constructor(private session: Session) {
    this.box = h("div", { class: "canvasbox" }, this.canvas);
    this.element = h("div", { class: "canvasbox" }, this.line, this.box);
    this.element.classList.add("column");
    this.canvas.addEventListener("pointermove", (event) => this.hover(this.at(event)));
    this.canvas.addEventListener("pointerleave", () => this.hover(-1));
    this.canvas.addEventListener("click", (event) => {
      if (event.detail < 2) this.click(this.at(event));
    });
    this.canvas.addEventListener("dblclick", () => this.zoomToClicked());
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => {
      this.placed = false;
      this.paint();
    }).observe(this.box);
  }

  show(tree: WeightedTree, options: FlameOptions): void {
    if (this.root >= tree.parent.length || tree.total[this.root] <= 0) this.root = 0;
    // The nodes of a rebuilt tree have other numbers.
    if (this.tree !== tree && this.tree?.parent !== tree.parent) this.root = 0;
    const { upwards, order } = this.options;
    const turned = upwards !== options.upwards || this.tree === null;
    const isPlaced = this.tree === tree && order === options.order && this.laidOut === this.root;
    this.tree = tree;
    this.options = options;
    this.focused = this.hovered = -1;
    this.canvas.setAttribute("aria-label", options.label);
    if (!isPlaced) this.layOut();
    if (turned) this.placed = false;
    this.paint();
    this.say(-1);
  }

  /** Scrolls to the root, once the graph is on the page and has a height. */
  private place(): void {
    if (this.placed || this.box.clientHeight === 0) return;
    this.placed = true;
    this.box.scrollTop = this.options.upwards ? this.box.scrollHeight : 0;
  }

  private layOut(): void {
    const { tree, options, session } = this;
    if (!tree) return;
    const names = (node: number) => session.symbols.func(tree.frame[node]);
    const compare =
      options.order === "heavy"
        ? (a: number, b: number) => tree.total[b] - tree.total[a]
        : (a: number, b: number) => (names(a) < names(b) ? -1 : names(a) > names(b) ? 1 : a - b);
    this.laidOut = this.root;
    this.boxes = flameBoxes(tree, this.root, 0.0005, compare);
    const levels = this.boxes.reduce((most, box) => Math.max(most, box.level + 1), 1);
    const higher = (levels - this.levels) * LINE;
    const { scrollTop } = this.box;
    this.levels = levels;
    this.canvas.style.height = `${Math.max(levels * LINE + 2, 40)}px`;
    // The root stays where it is while the graph grows or shrinks above it.
    if (this.placed && options.upwards && higher !== 0) this.box.scrollTop = scrollTop + higher;
  }

  private top(box: FlameBox): number {
    return this.options.upwards ? (this.levels - 1 - box.level) * LINE : box.level * LINE;
  }

  paint(): void {
    const { tree, session, options } = this;
    if (!tree) return;
    this.place();
    const { context, width, height } = prepare(this.canvas);
    const { palette } = look;
    rectangle(context, palette.background, 0, 0, width, height);
    context.font = "12px system-ui,sans-serif";
    context.textBaseline = "middle";
    for (const box of this.boxes) {
      const left = box.left * width;
      const wide = box.width * width;
      if (wide < 0.4) continue;
      const top = this.top(box);
      const marked = options.marked?.(box.node) ?? false;
      const fillStyle = this.colour(tree, box, marked);
      rectangle(context, fillStyle, left, top, Math.max(wide - 0.6, 0.4), LINE - 1);
      if (marked && !options.change)
        hatchRect(context, mix(palette.common, palette.background, 0.45), left, top, wide - 0.6, LINE - 1);
      const frame = tree.frame[box.node];
      const hit = frame < LIBRARY && session.search.hitFrames.length > 0 && session.search.hitFrames[frame] === 1;
      if (hit) {
        rectangle(context, palette.hit, left, top + LINE - 5, Math.max(wide - 0.6, 1), 4);
      }
      if (
        box.node === this.hovered ||
        box.node === this.focused ||
        (frame === session.selection.frame && frame >= 0 && box.node !== 0)
      ) {
        context.strokeStyle = palette.text;
        context.lineWidth = box.node === this.focused ? 2.5 : 1.5;
        context.strokeRect(left + 1, top + 1, Math.max(wide - 2.6, 1), LINE - 3);
      }
      if (wide < 26) continue;
      const name = session.symbols.func(frame);
      const text = cutTo(context, wide > 220 ? `${name}  ${session.symbols.place(frame, false)}` : name, wide - 8);
      if (text === "") continue;
      if (marked) {
        context.fillStyle = palette.background;
        context.globalAlpha = 0.82;
        context.fillRect(left + 2, top + 2, context.measureText(text).width + 5, LINE - 5);
        context.globalAlpha = 1;
      }
      context.fillStyle = palette.text;
      context.fillText(text, left + 4, top + LINE / 2);
    }
  }

  private colour(tree: WeightedTree, box: FlameBox, marked: boolean): string {
    const { palette } = look;
    const { options } = this;
    if (box.node === 0) return palette.line;
    if (options.change) {
      const change = options.change(box.node);
      return mix(
        palette.background,
        change >= 0 ? palette.common : palette.rest,
        0.16 + 0.6 * Math.min(1, Math.abs(change)),
      );
    }
    if (marked) return palette.common;
    // Files differ a little in shade, so that the borders between modules are visible.
    const frame = tree.frame[box.node];
    const file = frame < LIBRARY ? this.session.trace.frames.file[frame] : 0;
    return mix(palette.background, palette.rest, 0.3 + (((file * 37) % 7) / 7) * 0.22);
  }

  private at(event: MouseEvent): number {
    const area = this.canvas.getBoundingClientRect();
    const x = (event.clientX - area.left) / area.width;
    const line = Math.floor((event.clientY - area.top) / LINE);
    const level = this.options.upwards ? this.levels - 1 - line : line;
    const found = this.boxes.find((box) => box.level === level && x >= box.left && x < box.left + box.width);
    return found ? found.node : -1;
  }

  private hover(node: number): void {
    if (node === this.hovered) return;
    this.hovered = node;
    this.paint();
    this.say(node);
  }

  private describe(tree: WeightedTree, node: number): string {
    const { session } = this;
    const frame = tree.frame[node];
    const whole = tree.total[0];
    const parts = [
      `${session.symbols.func(frame)} ${node === 0 ? "" : session.symbols.place(frame, false)}`.trim(),
      `${percent(tree.total[node] / whole)} · ${withSystem(session.us(tree.total[node]), session.us(systemOf(tree, node)))}`,
      `self ${percent(tree.self[node] / whole)}`,
    ];
    const about = this.options.about?.(node);
    if (about) parts.push(about);
    return parts.join(" · ");
  }

  private say(node: number): void {
    const reset = this.root !== 0 && h("button", { onclick: () => this.zoom(0) }, "Zoom out");
    const text =
      node >= 0 && this.tree
        ? this.describe(this.tree, node)
        : "Click selects a frame, double-click zooms, arrow keys move";
    fill(this.line, reset || null, h("span", {}, text));
  }

  private choose(node: number): void {
    if (!this.tree || node <= 0) return;
    this.focused = node;
    this.session.selection.chooseFrame(this.tree.frame[node]);
    this.paint();
  }

  private click(node: number): void {
    this.clicked = { node, tree: this.tree };
    this.choose(node);
  }

  /** Zooms to what the first click of a double click hit, unless that click led to another tree. */
  private zoomToClicked(): void {
    const { node, tree } = this.clicked;
    if (tree === this.tree) this.zoom(node);
  }

  private zoom(node: number): void {
    if (!this.tree || node < 0) return;
    this.root = node;
    this.layOut();
    this.placed = false;
    this.paint();
    this.say(node);
  }

  /** Arrows move between boxes, Enter chooses, z zooms, Backspace zooms out. */
  private key(event: KeyboardEvent): void {
    const { tree } = this;
    if (!tree || event.ctrlKey || event.metaKey) return;
    const own = this.boxes.find((box) => box.node === this.focused) ?? this.boxes[0];
    if (!own) return;
    const middle = own.left + own.width / 2;
    const nearest = (level: number) =>
      this.boxes
        .filter((box) => box.level === level)
        .sort((a, b) => Math.abs(a.left + a.width / 2 - middle) - Math.abs(b.left + b.width / 2 - middle))[0];
    const inner = this.options.upwards ? "ArrowUp" : "ArrowDown";
    const outer = this.options.upwards ? "ArrowDown" : "ArrowUp";
    let next: FlameBox | undefined;
    if (event.key === inner) next = nearest(own.level + 1);
    else if (event.key === outer) next = nearest(own.level - 1);
    else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      const line = this.boxes.filter((box) => box.level === own.level).sort((a, b) => a.left - b.left);
      next = line[line.indexOf(own) + (event.key === "ArrowRight" ? 1 : -1)];
    } else if (event.key === "Enter") {
      this.choose(own.node);
      next = own;
    } else if (event.key === "z") this.zoom(own.node);
    else if (event.key === "Backspace") this.zoom(0);
    else return;
    handled(event);
    if (next) {
      this.focused = next.node;
      this.paint();
      this.say(next.node);
      announce(this.describe(tree, next.node));
    }
  }
}
