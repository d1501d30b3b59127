// SPDX-License-Identifier: MIT OR Apache-2.0

// Light or dark, and which pair of colours. The choice is stored in the browser, where it
// allows that.

import { type Palette, palette, type Scheme } from "../paint/palette.ts";

type Theme = "auto" | "light" | "dark";

const KEY = "pyebpf-look";

class Look {
  theme: Theme = "auto";
  scheme: Scheme = "safe";
  palette: Palette = palette(false, "safe");
  dark = false;
  private media = window.matchMedia("(prefers-color-scheme: dark)");
  private listeners = new Set<() => void>();

  constructor() {
    try {
      const [theme, scheme] = (localStorage.getItem(KEY) ?? "").split(" ");
      if (theme === "light" || theme === "dark") this.theme = theme;
      if (scheme === "classic") this.scheme = scheme;
    } catch {
      // This browser stores nothing for pages from disk.
    }
    this.media.addEventListener("change", () => this.apply());
    this.apply();
  }

  /** Calls back after a change; returns what ends that. */
  on(call: () => void): () => void {
    this.listeners.add(call);
    return () => this.listeners.delete(call);
  }

  set(theme: Theme, scheme: Scheme): void {
    this.theme = theme;
    this.scheme = scheme;
    try {
      localStorage.setItem(KEY, `${theme} ${scheme}`);
    } catch {
      // As above.
    }
    this.apply();
  }

  private apply(): void {
    this.dark = this.theme === "dark" || (this.theme === "auto" && this.media.matches);
    this.palette = palette(this.dark, this.scheme);
    const root = document.documentElement;
    root.classList.toggle("dark", this.dark);
    root.style.colorScheme = this.dark ? "dark" : "light";
    for (const [name, colour] of Object.entries(this.palette)) root.style.setProperty(`--${name}`, String(colour));
    for (const call of this.listeners) call();
  }
}

/** The look of the page. The worker, which runs the same script, has none. */
export const look = typeof document === "undefined" ? (null as unknown as Look) : new Look();
