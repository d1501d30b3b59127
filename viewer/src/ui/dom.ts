// Makes elements. It refuses markup: text is only ever text, and a style is set
// through the object model, so that nothing in a trace can become part of the
// page.

type Child = Node | string | null | undefined | false;

interface Properties {
  [name: string]: string | number | boolean | null | undefined | ((event: never) => void);
}

/** An element; `on…` properties are listeners, all others are attributes. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value as EventListener);
    else if (value !== null && value !== undefined && name.startsWith("aria-")) element.setAttribute(name, String(value));
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false) as (Node | string)[]);
  return element;
}

/** The element of the page with this id. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element as T;
}

/** Puts these children in place of what an element has. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren(...(children.filter((child) => child) as (Node | string)[]));
}

/** Says something to readers that cannot see the picture. */
export function announce(text: string): void {
  const live = byId("live");
  if (live.textContent !== text) live.textContent = text;
}

/** Sizes a canvas to its place on the page; gives its context in CSS pixels. */
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
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser has no canvas");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height, ratio };
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
export function rectangle(context: CanvasRenderingContext2D, ink: string, x: number, y: number, width: number, height: number): void {
  context.fillStyle = ink;
  context.fillRect(x, y, width, height);
}

/** The element inside `container` that has the keyboard, if any. */
export function focusedIn(container: HTMLElement): HTMLElement | null {
  const active = document.activeElement;
  return active instanceof HTMLElement && container.contains(active) ? active : null;
}

/** An event that nobody else shall act on. */
export function handled(event: Event): void {
  event.preventDefault();
  event.stopPropagation();
}
