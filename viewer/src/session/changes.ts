// SPDX-License-Identifier: MIT OR Apache-2.0

// Tells the views what changed, at most once per animation frame.

/** What can change; each view listens to the kinds that affect it. */
export type Change =
  | "trace"
  | "follow"
  | "flags"
  | "tree"
  | "view"
  | "window"
  | "selection"
  | "search"
  | "layout"
  | "look"
  | "frame"
  | "panel";

/** Calls back before the next picture; returns what cancels that. */
export type Schedule = (call: () => void) => () => void;

const nextFrame: Schedule = (call) => {
  const number = requestAnimationFrame(call);
  return () => cancelAnimationFrame(number);
};

export class Changes {
  private listeners: { kinds: ReadonlySet<Change>; call: () => void }[] = [];
  private pending = new Set<Change>();
  private cancel: (() => void) | null = null;

  constructor(private schedule = nextFrame) {}

  /** Calls back after any of these changed. */
  on(kinds: Change[], call: () => void): void {
    this.listeners.push({ kinds: new Set(kinds), call });
  }

  mark(...kinds: Change[]): void {
    for (const kind of kinds) this.pending.add(kind);
    this.cancel ??= this.schedule(() => this.flush());
  }

  /** Calls the listeners now, each once. What they change is told with the next frame. */
  flush(): void {
    this.cancel?.();
    this.cancel = null;
    const kinds = this.pending;
    this.pending = new Set();
    for (const listener of this.listeners) {
      if ([...kinds].some((kind) => listener.kinds.has(kind))) listener.call();
    }
  }

  /** Listeners are no longer called. */
  close(): void {
    this.listeners = [];
    this.cancel?.();
    this.cancel = null;
  }
}
