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
