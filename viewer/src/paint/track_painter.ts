// SPDX-License-Identifier: MIT OR Apache-2.0

// Paints a thread as depth bars into an image: how deep the stack is, and how much of it is
// the common base.

import { State } from "../model/state.ts";
import type { Columns } from "./columns.ts";
import { mix, type Palette, pixel } from "./palette.ts";

/** How many shades a bar has, from a hardly filled column to a full one. */
const SHADES = 8;

/** The colours of the bars as pixels. */
export interface Inks {
  background: number;
  common: Uint32Array;
  commonHatch: Uint32Array;
  rest: Uint32Array;
  /** The same for a thread that waits. */
  commonWaiting: Uint32Array;
  commonHatchWaiting: Uint32Array;
  restWaiting: Uint32Array;
  pinned: number;
  pinnedHatch: number;
  tick: number;
  hit: number;
  states: Uint32Array;
  statesPale: Uint32Array;
}

export function inksOf(palette: Palette): Inks {
  const { background } = palette;
  const shades = (colour: string, strength: number) =>
    Uint32Array.from({ length: SHADES }, (_, shade) => {
      const part = 0.45 + (0.55 * (shade + 1)) / SHADES;
      return pixel(mix(background, colour, part * strength));
    });
  const hatch = mix(palette.common, background, 0.42);
  return {
    background: pixel(background),
    common: shades(palette.common, 1),
    commonHatch: shades(hatch, 1),
    rest: shades(palette.rest, 1),
    commonWaiting: shades(palette.common, 0.55),
    commonHatchWaiting: shades(hatch, 0.5),
    restWaiting: shades(palette.rest, 0.38),
    pinned: pixel(palette.pinned),
    pinnedHatch: pixel(mix(palette.pinned, background, 0.4)),
    tick: pixel(palette.common),
    hit: pixel(palette.hit),
    states: Uint32Array.from(palette.states, pixel),
    statesPale: Uint32Array.from(palette.states, (colour) => pixel(mix(background, colour, 0.45))),
  };
}

/** Where the bars go, in pixels of the image. */
export interface Place {
  top: number;
  /** The height of the bars alone. */
  height: number;
  /** The height of the lane of states below them; 0 for none. */
  lane: number;
}

/**
 * For each stack: its depth, and how many frames it shares with the selected and the pinned
 * stack. `common` and `pinned` are empty where nothing lights up.
 */
export interface Shares {
  depth: Uint16Array;
  common: Uint16Array;
  pinned: Uint16Array;
}

/** The deepest common base of any row in each column, and whether any row is a search hit. */
export interface Extremes {
  common: Uint16Array;
  hit: Uint8Array;
}

export class TrackPainter {
  constructor(
    private image: Uint32Array,
    private stride: number,
    private inks: Inks,
    private hatch: number,
  ) {}

  paint(columns: Columns, place: Place, deepest: number, shares: Shares, extremes: Extremes | null): void {
    const { image, stride, inks, hatch } = this;
    const scale = place.height / Math.max(deepest, 1);
    const bottom = place.top + place.height;
    const dark = hatch / 3;
    const selecting = shares.common.length > 0;
    const pinning = shares.pinned.length > 0;
    for (let x = 0; x < columns.width; x++) {
      const stack = columns.stack[x];
      if (stack === 0) continue;
      const depth = shares.depth[stack];
      const shade = Math.min(SHADES - 1, Math.floor(columns.fill[x] * SHADES));
      const waiting = columns.state[x] > State.runnable;
      const rest = (waiting ? inks.restWaiting : inks.rest)[shade];
      const plain = (waiting ? inks.commonWaiting : inks.common)[shade];
      const hatched = (waiting ? inks.commonHatchWaiting : inks.commonHatch)[shade];
      const top = bottom - Math.max(1, Math.round(depth * scale));
      const shared = selecting ? Math.min(shares.common[stack], depth) : 0;
      const red = bottom - Math.round(shared * scale);
      const also = pinning ? Math.min(shares.pinned[stack], depth) : 0;
      const green = also > shared ? bottom - Math.round(also * scale) : red;
      let at = top * stride + x;
      for (let left = green - top; left > 0; left--, at += stride) image[at] = rest;
      // Diagonal stripes, in opposite directions: each pixel down is one along.
      let phase = (((x - green) % hatch) + hatch) % hatch;
      for (let left = red - Math.max(top, green); left > 0; left--, at += stride) {
        image[at] = phase < dark ? inks.pinnedHatch : inks.pinned;
        phase = phase === 0 ? hatch - 1 : phase - 1;
      }
      phase = (x + red) % hatch;
      for (let left = bottom - red; left > 0; left--, at += stride) {
        image[at] = phase < dark ? hatched : plain;
        if (++phase === hatch) phase = 0;
      }
      if (extremes && selecting && extremes.common[x] > shared) {
        const y = bottom - Math.round(extremes.common[x] * scale);
        if (y >= place.top) image[y * stride + x] = inks.tick;
        if (y + 1 < bottom) image[(y + 1) * stride + x] = inks.tick;
      }
    }
    if (extremes) this.hits(extremes.hit, place.top);
    if (place.lane > 0) this.lane(columns, bottom + 1, place.lane - 1);
  }

  private hits(hit: Uint8Array, top: number): void {
    for (let x = 0; x < hit.length; x++) {
      if (hit[x] === 0) continue;
      for (let y = 0; y < 3; y++) this.image[(top + y) * this.stride + x] = this.inks.hit;
    }
  }

  /** Paints states as colours, and as patterns for those who cannot tell the colours apart. */
  private lane(columns: Columns, top: number, height: number): void {
    const { image, stride, inks } = this;
    for (let x = 0; x < columns.width; x++) {
      const state = columns.state[x];
      if (columns.stack[x] === 0 || state === State.none) continue;
      const ink = inks.states[state];
      const pale = inks.statesPale[state];
      for (let y = 0; y < height; y++) {
        image[(top + y) * stride + x] = isDark(state, x, y, height) ? ink : pale;
      }
    }
  }
}

/** Whether a pixel of a state's pattern is dark: solid, stripes, diagonals, dots or halves. */
export function isDark(state: number, x: number, y: number, height: number): boolean {
  switch (state) {
    case State.running:
      return true;
    case State.runnable:
      return (x + y) % 2 === 0;
    case State.gil:
      return x % 4 < 2;
    case State.lock:
      return (x + y) % 6 < 3;
    case State.io:
      return y % 3 !== 1;
    case State.sleeping:
      return y >= height - 2;
    case State.pageFault:
      return y < 2;
    case State.stopped:
      return x % 3 === 0;
    default:
      return (x % 3) + y === 1;
  }
}
