// SPDX-License-Identifier: MIT OR Apache-2.0

// A small window below a button. It closes on Escape, and on a click beside it.

import { fill, h } from "./dom.ts";

/** The least distance to the edges of the page, in CSS pixels. */
const MARGIN = 8;

export interface Content {
  readonly nodes: readonly (Node | null)[];
  /** Shows what has changed since. */
  update?(): void;
}

export class Sheet {
  private element: HTMLElement | null = null;
  private content: Content | null = null;

  /** Opens a window with this content below the button. `onClose` gives the focus back. */
  open(button: HTMLElement, label: string, content: Content, onClose: () => void): void {
    this.close();
    const element = h("div", { class: "sheet", popover: "auto", role: "dialog", "aria-label": label });
    fill(element, h("h2", {}, label), ...content.nodes);
    document.body.append(element);
    element.addEventListener("toggle", (event) => {
      if ((event as ToggleEvent).newState !== "closed") return;
      const isLost = element.contains(document.activeElement) || document.activeElement === document.body;
      element.remove();
      if (this.element === element) this.element = null;
      if (isLost) onClose();
    });
    // Keys that mean something to the page mean nothing to it here.
    element.addEventListener("keydown", (event) => event.stopPropagation());
    element.showPopover();
    const { left, bottom } = button.getBoundingClientRect();
    const room = window.innerWidth - element.offsetWidth - MARGIN;
    element.style.left = `${Math.max(MARGIN, Math.min(left, room))}px`;
    element.style.top = `${bottom + 4}px`;
    element.style.maxHeight = `${window.innerHeight - bottom - 4 - MARGIN}px`;
    element.querySelector<HTMLElement>("input,select,button,a")?.focus();
    this.element = element;
    this.content = content;
  }

  update(): void {
    if (this.element) this.content?.update?.();
  }

  close(): void {
    this.element?.hidePopover();
  }
}
