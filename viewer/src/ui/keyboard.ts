// SPDX-License-Identifier: MIT OR Apache-2.0

// The keys of the whole page.

import { rowEnd } from "../model/trace.ts";
import { rowNear, step } from "../session/navigate.ts";
import { SCOPES } from "../session/selection.ts";
import type { Session } from "../session/session.ts";
import type { PanelName } from "../session/settings.ts";
import type { Action } from "./actions.ts";
import { describeRow } from "./describe.ts";
import { announce } from "./dom.ts";
import { showHelp } from "./help.ts";
import { PANELS } from "./panels.ts";
import type { Timeline } from "./timeline.ts";

export interface Commands {
  session: Session;
  timeline: Timeline;
  show(panel: PanelName): void;
  act(action: Action): void;
  focusSearch(): void;
}

/** Does what a key asks for; returns false if the key has no meaning. */
export function onKey(event: KeyboardEvent, commands: Commands): boolean {
  const { session, timeline } = commands;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !event.shiftKey) {
    announce(session.transforms.undo() ? "undone" : "nothing to undo");
    return true;
  }
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "f") {
    commands.focusSearch();
    return true;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const say = () => {
    const { sample } = session.selection;
    if (sample) announce(describeRow(session, sample.track, sample.row));
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
      session.viewport.pan(-0.2);
      return true;
    case "d":
    case "ArrowRight":
      session.viewport.pan(0.2);
      return true;
    case "0":
      session.viewport.showAll();
      return true;
    case "z":
      zoomTo(session);
      return true;
    case "[":
    case "]":
      if (step(session, event.key === "]" ? 1 : -1, false)) say();
      return true;
    case "{":
    case "}":
      if (step(session, event.key === "}" ? 1 : -1, true)) say();
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
      if (session.selection.sample) session.tracks.toggleTrack(session.selection.sample.track);
      return true;
    }
    case "p":
      session.selection.pin(session.selection.pinned > 0 ? 0 : (session.selection.sample?.stack ?? 0));
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
      session.transforms.toggle("collapse");
      return true;
    case "r":
      session.transforms.toggle("recursion");
      return true;
    case "u":
      session.transforms.toggle("mine");
      return true;
    case "i":
      session.settings.toggleInverted();
      return true;
    case "h":
      session.settings.toggleIdle();
      return true;
    case "l":
      session.settings.toggleExactness();
      announce(`frames match by ${session.settings.exactness}`);
      return true;
    case "o":
      session.selection.setScope(SCOPES[(SCOPES.indexOf(session.selection.scope) + 1) % SCOPES.length]);
      announce(`highlighted in: ${session.selection.scope}`);
      return true;
    case "t":
      session.settings.toggleClock();
      return true;
    case "/":
      commands.focusSearch();
      return true;
    case "?":
      showHelp();
      return true;
    case "Escape":
      if (session.viewport.range) session.viewport.setRange(null);
      else if (session.search.text) session.search.find("");
      else session.selection.clear();
      return true;
    default:
      return false;
  }
}

function zoomTo({ viewport, selection, trace }: Session): void {
  const { range } = viewport;
  const { sample } = selection;
  if (range) viewport.show(range.from, range.to);
  if (range || !sample) return;
  const track = trace.tracks[sample.track];
  const start = track.start[sample.row];
  const length = rowEnd(track, sample.row) - start;
  viewport.show(start - 2 * length, start + 3 * length);
}

function selectInMiddle(session: Session, timeline: Timeline): void {
  const track = session.selection.sample?.track ?? session.derived.visibleTracks[0];
  if (track === undefined) return;
  const { from, to } = session.viewport.view;
  session.selection.select(track, rowNear(session.trace.tracks[track], (from + to) / 2));
  timeline.showTrack(track);
}

/** Goes to the next or previous thread, and selects the sample at the same time there. */
function otherThread(session: Session, timeline: Timeline, step: 1 | -1): void {
  const order = session.derived.visibleTracks;
  const { sample } = session.selection;
  const next = order[sample ? order.indexOf(sample.track) + step : 0];
  if (next === undefined) return;
  const { tracks } = session.trace;
  const time = sample ? tracks[sample.track].start[sample.row] : session.viewport.view.from;
  session.selection.select(next, rowNear(tracks[next], time));
  timeline.showTrack(next);
}
