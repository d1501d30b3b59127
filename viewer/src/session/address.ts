// SPDX-License-Identifier: MIT OR Apache-2.0

// What is shown, as a text that fits into an address. The text is not trusted when it is read:
// values that make no sense are ignored.

import { ALL_STATES } from "../model/state.ts";
import { rowAt } from "../model/trace.ts";
import type { Transform } from "../model/tree.ts";
import type { Session } from "./session.ts";
import { PANEL_NAMES } from "./settings.ts";

/** The longest search and the most transforms that are read. */
const MOST_LETTERS = 1000;
const MOST_TRANSFORMS = 50;

/** Values that are about times or numbers of threads. */
const OF_ONE_TRACE = ["t", "range", "sel", "scope", "off", "open", "shut"];

/**
 * Writes what differs from the state of a trace that was just opened; with `lasting`, only what
 * has a meaning for another trace too.
 */
export function addressOf(session: Session, lasting = false): string {
  const { trace, search, selection, settings, tracks } = session;
  const { view, range } = session.viewport;
  const { sample } = selection;
  const transforms = session.transforms.list;
  const us = (ticks: number) => Math.round(session.us(ticks));
  const values: Record<string, string> = { v: "1" };
  if (view.from > 0 || view.to < trace.end) values.t = `${us(view.from)},${us(view.to)}`;
  if (range) values.range = `${us(range.from)},${us(range.to)}`;
  if (sample) values.sel = `${sample.track},${us(trace.tracks[sample.track].start[sample.row])}`;
  if (search.text) values.q = search.text;
  if (search.text && search.expression) values.re = "1";
  if (settings.panel !== "flame") values.view = settings.panel;
  if (settings.exactness !== "line") values.same = settings.exactness;
  if (selection.scope !== "all") values.scope = selection.scope;
  if (settings.states !== ALL_STATES) values.states = String(settings.states);
  if (tracks.sort !== "activity") values.sort = tracks.sort;
  if (settings.inverted) values.inv = "1";
  if (settings.relative) values.rel = "1";
  if (tracks.unchecked.size > 0) values.off = [...tracks.unchecked].join();
  if (tracks.expanded.size > 0) values.open = [...tracks.expanded].join();
  if (tracks.collapsed.size > 0) values.shut = [...tracks.collapsed].join();
  if (transforms.length > 0) values.tr = JSON.stringify(transforms.map(packed));
  return Object.entries(values)
    .filter(([name]) => !lasting || !OF_ONE_TRACE.includes(name))
    .map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2C", ",")}`)
    .join("&");
}

/** Applies to a session what an address says, with or without its `#`. */
export function restore(session: Session, address: string): void {
  const values = valuesOf(address);
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
  const panel = PANEL_NAMES.find((name) => name === values.get("view"));
  const tracks = trace.tracks.length;
  session.restore({
    settings: {
      ...(values.get("same") === "function" && { exactness: "function" }),
      ...(states > 0 && { states }),
      ...(panel && { panel }),
      inverted: values.get("inv") === "1",
      relative: values.get("rel") === "1",
    },
    tracks: {
      ...((sort === "name" || sort === "pid") && { sort }),
      unchecked: list("off", tracks),
      expanded: list("open", tracks),
      collapsed: list("shut", trace.processes.length),
    },
    transforms: transformsFrom(values.get("tr")),
  });
  const view = pair("t");
  if (view) session.viewport.show(view.from, view.to);
  const range = pair("range");
  if (range) session.viewport.setRange(range);
  const [track, us] = (values.get("sel") ?? "").split(",").map(Number);
  if (Number.isInteger(track) && track >= 0 && track < tracks && us >= 0) {
    session.selection.select(track, Math.max(0, rowAt(trace.tracks[track], Math.ceil(us / trace.tickUs))));
  }
  const scope = values.get("scope");
  if (scope === "process" || scope === "thread") session.selection.setScope(scope);
  session.search.find((values.get("q") ?? "").slice(0, MOST_LETTERS), values.get("re") === "1");
  session.viewport.settle();
}

function valuesOf(address: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const part of address.replace(/^#/, "").split("&")) {
    const at = part.indexOf("=");
    if (at < 0) continue;
    try {
      values.set(part.slice(0, at), decodeURIComponent(part.slice(at + 1)));
    } catch {
      // A malformed escape: not a value.
    }
  }
  return values;
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
  for (const one of list.slice(0, MOST_TRANSFORMS) as unknown[]) {
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
