// SPDX-License-Identifier: MIT OR Apache-2.0

// The keys of the whole page.

import { rowEnd } from "../model/trace.ts";
import type { Action } from "./actions.ts";
import { announce } from "./dom.ts";
import { showHelp } from "./help.ts";
import { PANELS } from "./panels.ts";
import type { Session } from "./session.ts";
import { describeRow, type Timeline } from "./timeline.ts";

export interface Commands {
  session: Session;
  timeline: Timeline;
  show(panel: Session["panel"]): void;
  act(action: Action): void;
  focusSearch(): void;
}

const SCOPES = ["all", "process", "thread"] as const;

/** Does what a key asks for; returns false if the key has no meaning. */
export function onKey(event: KeyboardEvent, commands: Commands): boolean {
  const { session, timeline } = commands;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !event.shiftKey) {
    announce(session.undo() ? "undone" : "nothing to undo");
    return true;
  }
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "f") {
    commands.focusSearch();
    return true;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const { from, to } = session.view;
  const pan = (part: number) => session.setView(from + part * (to - from), to + part * (to - from));
  const say = () => {
    const { selection } = session;
    if (selection) announce(describeRow(session, selection.track, selection.row));
  };
  const number = Number(event.key);
  if (event.key !== "0" && number >= 1 && number <= PANELS.length) {
    commands.show(PANELS[number - 1].name);
    return true;
  }
  switch (event.key) {
    case "w":
    case "+":
    case "=":
      timeline.zoom(0.7);
      return true;
    case "s":
    case "-":
      timeline.zoom(1 / 0.7);
      return true;
    case "a":
    case "ArrowLeft":
      pan(-0.2);
      return true;
    case "d":
    case "ArrowRight":
      pan(0.2);
      return true;
    case "0":
      session.setView(0, session.trace.end);
      return true;
    case "z":
      zoomTo(session);
      return true;
    case "[":
    case "]":
      if (session.step(event.key === "]" ? 1 : -1, false)) say();
      return true;
    case "{":
    case "}":
      if (session.step(event.key === "}" ? 1 : -1, true)) say();
      else announce("no other sample that shares less than half in this thread");
      return true;
    case "Enter":
      selectInMiddle(session, timeline);
      say();
      return true;
    case "n":
    case "ArrowDown":
      otherThread(session, timeline, 1);
      say();
      return true;
    case "N":
    case "ArrowUp":
      otherThread(session, timeline, -1);
      say();
      return true;
    case "x": {
      if (session.selection) session.toggleTrack(session.selection.track);
      return true;
    }
    case "p":
      session.pin(session.pinned > 0 ? 0 : (session.selection?.stack ?? 0));
      return true;
    case "f":
      commands.act("focus");
      return true;
    case "F":
      commands.act("subtree");
      return true;
    case "m":
      commands.act("merge");
      return true;
    case "D":
      commands.act("drop");
      return true;
    case "y":
      commands.act("copy");
      return true;
    case "c":
      session.toggleTransform("collapse");
      return true;
    case "r":
      session.toggleTransform("recursion");
      return true;
    case "u":
      session.toggleTransform("mine");
      return true;
    case "i":
      session.toggleInverted();
      return true;
    case "h":
      session.toggleIdle();
      return true;
    case "l":
      session.setExactness(session.settings.exactness === "line" ? "function" : "line");
      announce(`frames match by ${session.settings.exactness}`);
      return true;
    case "o":
      session.setScope(SCOPES[(SCOPES.indexOf(session.settings.scope) + 1) % SCOPES.length]);
      announce(`highlighted in: ${session.settings.scope}`);
      return true;
    case "t":
      session.toggleClock();
      return true;
    case "/":
      commands.focusSearch();
      return true;
    case "?":
      showHelp();
      return true;
    case "Escape":
      if (session.range) session.setRange(null);
      else if (session.query.text) session.search("", session.query.expression);
      else session.deselect();
      return true;
    default:
      return false;
  }
}

function zoomTo(session: Session): void {
  const { range, selection, trace } = session;
  if (range) session.setView(range.from, range.to);
  if (range || !selection) return;
  const track = trace.tracks[selection.track];
  const start = track.start[selection.row];
  const length = rowEnd(track, selection.row) - start;
  session.setView(start - 2 * length, start + 3 * length);
}

function selectInMiddle(session: Session, timeline: Timeline): void {
  const track = session.selection?.track ?? session.visibleTracks()[0];
  if (track === undefined) return;
  const { start, stack } = session.trace.tracks[track];
  const middle = (session.view.from + session.view.to) / 2;
  let row = session.rowWithStack(track, middle);
  for (let at = 0; row < 0 && at < start.length; at++) if (stack[at] > 0 && start[at] >= middle) row = at;
  for (let at = start.length - 1; row < 0 && at >= 0; at--) if (stack[at] > 0) row = at;
  if (row >= 0) session.select(track, row);
  timeline.showTrack(track);
}

/**
 * Goes to the next or previous thread and selects the sample at the same time there, else the
 * first one after it, else the last one.
 */
function otherThread(session: Session, timeline: Timeline, step: 1 | -1): void {
  const tracks = session.visibleTracks();
  const { selection, trace } = session;
  const at = selection ? tracks.indexOf(selection.track) : -1;
  const next = tracks[selection ? at + step : 0];
  if (next === undefined) return;
  const time = selection ? trace.tracks[selection.track].start[selection.row] : session.view.from;
  const { start, stack } = trace.tracks[next];
  let row = session.rowWithStack(next, time);
  for (let other = 0; row < 0 && other < start.length; other++)
    if (stack[other] > 0 && start[other] >= time) row = other;
  for (let other = start.length - 1; row < 0 && other >= 0; other--) if (stack[other] > 0) row = other;
  if (row >= 0) session.select(next, row);
  timeline.showTrack(next);
}
