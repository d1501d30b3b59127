// SPDX-License-Identifier: MIT OR Apache-2.0

// What can be done with a frame, for the buttons and the keys.

import { pathOf } from "../model/trace.ts";
import { LIBRARY, NO_NODE } from "../model/tree.ts";
import type { Session } from "../session/session.ts";
import { announce, h } from "./dom.ts";

export type Action = "focus" | "subtree" | "merge" | "drop" | "sandwich" | "copy" | "find";

const ACTIONS: { action: Action; label: string; title: string }[] = [
  { action: "focus", label: "Focus", title: "Show only this function and what it calls (f)" },
  { action: "subtree", label: "Subtree", title: "The same, but only when called through this stack (Shift-F)" },
  { action: "merge", label: "Merge", title: "Give its time to its caller (m)" },
  { action: "drop", label: "Drop", title: "Hide stacks that contain it (Shift-D)" },
  { action: "sandwich", label: "Sandwich", title: "Show its callers and callees (4)" },
  { action: "find", label: "Find", title: "Highlight this function everywhere" },
  { action: "copy", label: "Copy", title: "Copy as file:line (y)" },
];

/** The frame that actions apply to: the chosen one, else the selection's innermost, else -1. */
export function currentFrame(session: Session): number {
  if (session.selection.frame >= 0) return session.selection.frame;
  const { sample } = session.selection;
  const { tree } = session.derived;
  const node = sample ? tree.nodeOf[sample.stack] : NO_NODE;
  return node === NO_NODE || node === 0 ? -1 : tree.frame[node];
}

export function actionButtons(session: Session, act: (action: Action) => void): HTMLElement[] {
  const disabled = !canAct(session);
  return ACTIONS.map(({ action, label, title }) =>
    h("button", { "data-key": action, title, disabled, onclick: () => act(action) }, label),
  );
}

/** Whether there is a frame that the actions can apply to. */
export function canAct(session: Session): boolean {
  const frame = currentFrame(session);
  return frame >= 0 && frame !== LIBRARY;
}

export function perform(
  session: Session,
  action: Action,
  show: (panel: "sandwich") => void,
  find: (text: string) => void,
): void {
  const frame = currentFrame(session);
  if (frame < 0 || frame === LIBRARY) return;
  const identity = session.symbols.identity(frame);
  const name = session.symbols.func(frame);
  session.selection.chooseFrame(frame);
  switch (action) {
    case "subtree": {
      const { sample } = session.selection;
      const { tree } = session.derived;
      const node = sample ? tree.nodeOf[sample.stack] : NO_NODE;
      const path = node === NO_NODE ? [] : pathOf(tree.parent, node);
      const at = path.findIndex((step) => tree.frame[step] === frame);
      if (at < 0) {
        perform(session, "focus", show, find);
        return;
      }
      const steps = path.slice(0, at + 1).map((step) => tree.frame[step]);
      if (steps.some((step) => step >= LIBRARY || step >= session.trace.frames.file.length)) return;
      session.transforms.add({ kind: "subtree", path: steps.map((step) => session.symbols.identity(step)) });
      announce(`only below these callers of ${name}`);
      return;
    }
    case "focus":
    case "merge":
    case "drop":
      session.transforms.add({ kind: action, ...identity });
      announce(`${action} ${name}; press Ctrl-Z to undo`);
      return;
    case "sandwich":
      show("sandwich");
      return;
    case "find":
      find(identity.func);
      return;
    case "copy":
      navigator.clipboard?.writeText(session.symbols.fullPlace(frame)).then(
        () => announce("copied"),
        () => announce("this browser does not let a local page copy"),
      );
  }
}
