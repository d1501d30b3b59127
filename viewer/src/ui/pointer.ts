// SPDX-License-Identifier: MIT OR Apache-2.0

// Follows a pointer that is pressed, moved and released.

export interface Drag {
  /** Pressed, at a place in CSS pixels. */
  down(x: number, y: number, event: PointerEvent): void;
  /** Moved while pressed. */
  move(x: number, y: number, event: PointerEvent): void;
  /** Released. */
  up?(x: number, y: number, event: PointerEvent): void;
  /** Moved without being pressed. */
  hover?(x: number, y: number): void;
}

export function onDrag(element: HTMLElement, on: Drag, signal?: AbortSignal): void {
  let pressed = false;
  const listen = (type: string, call: (x: number, y: number, event: PointerEvent) => void) =>
    element.addEventListener(
      type,
      (event) => {
        const box = element.getBoundingClientRect();
        const { clientX, clientY } = event as PointerEvent;
        call(clientX - box.left, clientY - box.top, event as PointerEvent);
      },
      { signal },
    );
  listen("pointerdown", (x, y, event) => {
    pressed = event.button < 2;
    if (!pressed) return;
    on.down(x, y, event);
    element.setPointerCapture(event.pointerId);
  });
  listen("pointermove", (x, y, event) => (pressed ? on.move(x, y, event) : on.hover?.(x, y)));
  listen("pointerup", (x, y, event) => {
    if (pressed) on.up?.(x, y, event);
    pressed = false;
  });
  listen("pointercancel", () => (pressed = false));
}
