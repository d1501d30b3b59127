// SPDX-License-Identifier: MIT OR Apache-2.0

// What is shown, as the part of the address after `#`, so that a link or a reload brings it
// back. The address is not trusted: values that make no sense are ignored.

import { ALL_STATES } from "../model/state.ts";
import { rowAt } from "../model/trace.ts";
import type { Transform } from "../model/tree.ts";
import { PANELS } from "./panels.ts";
import type { Scope, Session } from "./session.ts";

const WRITE_MS = 250;

export class UrlHash {
  private timer = 0;

  constructor(private session: Session) {
    session.on(["view", "selection", "tree", "search", "panel", "look", "layout", "window"], () => {
      clearTimeout(this.timer);
      this.timer = window.setTimeout(() => this.write(), WRITE_MS);
    });
  }

  close(): void {
    clearTimeout(this.timer);
  }

  write(): void {
    const hash = `#${stateOf(this.session)}`;
    if (hash === location.hash) return;
    try {
      history.replaceState(null, "", hash);
    } catch {
      // This browser forbids it for pages from disk; the page works without it.
    }
  }
}

function stateOf(session: Session): string {
  const { view, range, selection, settings, trace, query, transforms } = session;
  const us = (ticks: number) => Math.round(session.us(ticks));
  const values: Record<string, string> = { v: "1" };
  if (view.from > 0 || view.to < trace.end) values.t = `${us(view.from)},${us(view.to)}`;
  if (range) values.range = `${us(range.from)},${us(range.to)}`;
  if (selection) values.sel = `${selection.track},${us(trace.tracks[selection.track].start[selection.row])}`;
  if (query.text) values.q = query.text;
  if (query.text && query.expression) values.re = "1";
  if (session.panel !== "flame") values.view = session.panel;
  if (settings.exactness !== "line") values.same = settings.exactness;
  if (settings.scope !== "all") values.scope = settings.scope;
  if (settings.states !== ALL_STATES) values.states = String(settings.states);
  if (settings.sort !== "activity") values.sort = settings.sort;
  if (settings.inverted) values.inv = "1";
  if (settings.relative) values.rel = "1";
  if (session.unchecked.size > 0) values.off = [...session.unchecked].join();
  if (session.expanded.size > 0) values.open = [...session.expanded].join();
  if (session.collapsed.size > 0) values.shut = [...session.collapsed].join();
  if (transforms.length > 0) values.tr = JSON.stringify(transforms.map(packed));
  return Object.entries(values)
    .map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2C", ",")}`)
    .join("&");
}

/** Applies what the address says to a session. */
export function restore(session: Session, hash: string): void {
  const values = new Map<string, string>();
  for (const part of hash.replace(/^#/, "").split("&")) {
    const at = part.indexOf("=");
    if (at < 0) continue;
    try {
      values.set(part.slice(0, at), decodeURIComponent(part.slice(at + 1)));
    } catch {
      // A malformed escape: not a value.
    }
  }
  const { trace } = session;
  const pair = (name: string) => {
    const numbers = (values.get(name) ?? "").split(",").map(Number);
    const [from, to] = numbers.map((us) => us / trace.tickUs);
    return numbers.length === 2 && from >= 0 && to > from && from < trace.end ? { from, to } : null;
  };
  const list = (name: string, below: number) =>
    (values.get(name) ?? "")
      .split(",")
      .filter(Boolean)
      .map(Number)
      .filter((number) => Number.isInteger(number) && number >= 0 && number < below);
  const sort = values.get("sort");
  const states = Number(values.get("states")) & ALL_STATES;
  const tracks = trace.tracks.length;
  session.restore({
    ...(values.get("same") === "function" && { exactness: "function" }),
    ...((sort === "name" || sort === "pid") && { sort }),
    ...(states > 0 && { states }),
    inverted: values.get("inv") === "1",
    relative: values.get("rel") === "1",
    unchecked: list("off", tracks),
    expanded: list("open", tracks),
    collapsed: list("shut", trace.processes.length),
    transforms: transformsFrom(values.get("tr")),
    panel: PANELS.find(({ name }) => name === values.get("view"))?.name,
  });
  const view = pair("t");
  if (view) session.setView(view.from, view.to);
  const range = pair("range");
  if (range) session.setRange(range);
  const [track, us] = (values.get("sel") ?? "").split(",").map(Number);
  if (Number.isInteger(track) && track >= 0 && track < tracks && us >= 0) {
    session.select(track, Math.max(0, rowAt(trace.tracks[track], Math.ceil(us / trace.tickUs))));
  }
  const scope = values.get("scope");
  if (scope === "process" || scope === "thread") session.setScope(scope as Scope);
  session.search((values.get("q") ?? "").slice(0, 1000), values.get("re") === "1");
  session.forgetWindow();
}

type Packed = string | string[];

function packed(transform: Transform): Packed {
  if (transform.kind === "subtree") return ["subtree", ...transform.path.flatMap(({ func, file }) => [func, file])];
  if ("func" in transform) return [transform.kind, transform.func, transform.file];
  return transform.kind;
}

function transformsFrom(text: string | undefined): Transform[] {
  let list: unknown;
  try {
    list = JSON.parse(text ?? "[]");
  } catch {
    return [];
  }
  if (!Array.isArray(list)) return [];
  const found: Transform[] = [];
  for (const one of list.slice(0, 50) as unknown[]) {
    if (one === "mine" || one === "collapse" || one === "recursion") found.push({ kind: one });
    if (!Array.isArray(one) || !one.every((part) => typeof part === "string")) continue;
    const [kind, ...texts] = one as string[];
    if ((kind === "focus" || kind === "merge" || kind === "drop") && texts.length === 2) {
      found.push({ kind, func: texts[0], file: texts[1] } as Transform);
    } else if (kind === "subtree" && texts.length >= 2 && texts.length % 2 === 0) {
      const path = [];
      for (let at = 0; at < texts.length; at += 2) path.push({ func: texts[at], file: texts[at + 1] });
      found.push({ kind, path });
    }
  }
  return found;
}
