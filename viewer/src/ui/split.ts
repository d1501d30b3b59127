// SPDX-License-Identifier: MIT OR Apache-2.0

// The border between the timeline and the panels, moved with the pointer or the keyboard.

import { byId, handled } from "./dom.ts";
import { onDrag } from "./pointer.ts";

export function split(): void {
  const bar = byId("split");
  const timeline = byId("timeline");
  const panels = byId("panels");
  const set = (part: number) => {
    const bounded = Math.max(0.1, Math.min(0.9, part));
    timeline.style.flexGrow = String(1 - bounded);
    timeline.style.flexBasis = "0";
    panels.style.flexGrow = String(bounded);
    panels.style.flexBasis = "0";
    bar.setAttribute("aria-valuenow", String(Math.round(bounded * 100)));
  };
  const now = () => Number(bar.getAttribute("aria-valuenow")) / 100;
  onDrag(bar, {
    down: () => {},
    move: (_x, _y, event) => {
      const box = byId("main").getBoundingClientRect();
      set((box.bottom - event.clientY) / box.height);
    },
  });
  bar.onkeydown = (event) => {
    const step = event.key === "ArrowUp" ? 0.05 : event.key === "ArrowDown" ? -0.05 : 0;
    if (step === 0) return;
    set(now() + step);
    handled(event);
  };
}
