// SPDX-License-Identifier: MIT OR Apache-2.0

// Makes elements. Never parses markup: text stays text, and styles are set through the object
// model, so that nothing in a trace can become part of the page.

type Child = Node | string | null | undefined | false;

interface Properties {
  [name: string]: string | number | boolean | null | undefined | ((event: never) => void);
}

/** Creates an element; `on…` properties become listeners, all others attributes. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value as EventListener);
    else if (value !== null && value !== undefined && name.startsWith("aria-"))
      element.setAttribute(name, String(value));
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(
    ...(children.filter((child) => child !== null && child !== undefined && child !== false) as (Node | string)[]),
  );
  return element;
}

/** The element of the page with this id, which must exist. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element as T;
}

/** Replaces the children of an element. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren(...(children.filter((child) => child) as (Node | string)[]));
}

/**
 * Replaces the children of an element. The focus stays where it was: on the element inside with
 * the same `data-key`.
 */
export function refill(element: HTMLElement, ...children: Child[]): void {
  const key = focusedIn(element)?.dataset.key;
  fill(element, ...children);
  if (key) element.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

/** Announces something to those who cannot see the picture, through the live region. */
export function announce(text: string): void {
  const live = byId("live");
  if (live.textContent !== text) live.textContent = text;
}

/** Sizes a canvas to its place on the page; returns its context, scaled to CSS pixels. */
export function prepare(canvas: HTMLCanvasElement): {
  context: CanvasRenderingContext2D;
  width: number;
  height: number;
  ratio: number;
} {
  const ratio = Math.min(window.devicePixelRatio || 1, 3);
  const { width, height } = canvas.getBoundingClientRect();
  const pixels = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== pixels[0]) canvas.width = pixels[0];
  if (canvas.height !== pixels[1]) canvas.height = pixels[1];
  const context = contextOf(canvas);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height, ratio };
}

/** The context that draws in a canvas. */
export function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser has no canvas");
  return context;
}

/** The text cut to a width, with an ellipsis; empty when nothing fits. */
export function cutTo(context: CanvasRenderingContext2D, text: string, width: number): string {
  if (width < 14) return "";
  const wide = context.measureText(text).width;
  if (wide <= width) return text;
  const keep = Math.floor((text.length * (width - 12)) / wide);
  return keep < 2 ? "" : `${text.slice(0, keep)}…`;
}

/** Fills a rectangle of a canvas. */
export function rectangle(
  context: CanvasRenderingContext2D,
  ink: string,
  x: number,
  y: number,
  width: number,
  height: number,
): void {
  context.fillStyle = ink;
  context.fillRect(x, y, width, height);
}

/** The element inside `container` that has the keyboard focus, if any. */
export function focusedIn(container: HTMLElement): HTMLElement | null {
  const active = document.activeElement;
  return active instanceof HTMLElement && container.contains(active) ? active : null;
}

/** Keeps the browser and the elements further out from acting on an event. */
export function handled(event: Event): void {
  event.preventDefault();
  event.stopPropagation();
}
