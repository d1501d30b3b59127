// SPDX-License-Identifier: MIT OR Apache-2.0

// The colours of everything that is drawn. Red and blue are those of Okabe and Ito, which can
// be told apart with any colour vision; the classic pair is that of the 2012 page.

export type Scheme = "safe" | "classic";

/** `look.ts` sets each of these as a CSS variable of the same name. */
export interface Palette {
  background: string;
  panel: string;
  line: string;
  text: string;
  muted: string;
  accent: string;
  /** The background of what is chosen. */
  chosen: string;
  warning: string;
  common: string;
  rest: string;
  pinned: string;
  hit: string;
  /** Indexed by the number of the state. */
  states: string[];
}

const STATES_LIGHT = [
  "#ffffff",
  "#009e73",
  "#c7b400",
  "#c678b0",
  "#8a1538",
  "#3a9bd9",
  "#98a2ad",
  "#1f2328",
  "#8c564b",
  "#b9c0c8",
];
const STATES_DARK = [
  "#0d1117",
  "#2fbf92",
  "#e6d53b",
  "#e39ac8",
  "#ff6f91",
  "#6cbdf2",
  "#6e7781",
  "#e6edf3",
  "#c08a7e",
  "#59636e",
];

const LIGHT = {
  background: "#ffffff",
  panel: "#f6f8fa",
  line: "#d1d9e0",
  text: "#1f2328",
  muted: "#59636e",
  accent: "#0550ae",
  chosen: "#dbeafe",
  warning: "#fff8c5",
  pinned: "#007a5a",
  hit: "#8250df",
  states: STATES_LIGHT,
};

const DARK: typeof LIGHT = {
  background: "#0d1117",
  panel: "#161b22",
  line: "#30363d",
  text: "#e6edf3",
  muted: "#9198a1",
  accent: "#58a6ff",
  chosen: "#172a46",
  warning: "#3a2d10",
  pinned: "#3fcf9b",
  hit: "#d2a8ff",
  states: STATES_DARK,
};

export function palette(dark: boolean, scheme: Scheme): Palette {
  const pairs = dark
    ? { safe: ["#f2812c", "#3f8fc9"], classic: ["#ff4d4d", "#5b6cff"] }
    : { safe: ["#d55e00", "#0072b2"], classic: ["#e00000", "#2a2aff"] };
  const [common, rest] = pairs[scheme];
  return { ...(dark ? DARK : LIGHT), common, rest };
}

/** Red, green and blue of `#rrggbb`. */
export function channels(colour: string): [number, number, number] {
  const number = parseInt(colour.slice(1), 16);
  return [(number >> 16) & 255, (number >> 8) & 255, number & 255];
}

/** A colour between two, `part` of the way to the second. */
export function mix(from: string, to: string, part: number): string {
  const a = channels(from);
  const b = channels(to);
  const mixed = a.map((value, at) => Math.round(value + (b[at] - value) * part));
  return `#${mixed.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

/** A colour as one pixel of an image: a number whose little-endian bytes are RGBA. */
export function pixel(colour: string): number {
  const [red, green, blue] = channels(colour);
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
