// SPDX-License-Identifier: MIT OR Apache-2.0

// The help sheet of keys and mouse. The keys of the page are handled in keyboard.ts.

import { byId, fill, h } from "./dom.ts";

const SHEET: [string, [string, string][]][] = [
  [
    "Timeline",
    [
      ["Click", "select a sample; the frames that others share are highlighted"],
      ["Shift-click, p", "pin a second stack, in green"],
      ["Drag", "select a range for the panels"],
      ["Double-click", "zoom to neighbours that share most of the stack"],
      ["Wheel", "scroll; with Shift: move in time"],
      ["Ctrl-wheel, pinch", "zoom at the pointer"],
      ["Shift-drag, ruler", "move in time"],
      ["w s, + −", "zoom in, out"],
      ["a d, ← →", "move in time"],
      ["0", "the whole trace"],
      ["z", "zoom to the range or the selection"],
    ],
  ],
  [
    "Samples",
    [
      ["Enter", "select the sample in the middle"],
      ["[ ]", "previous, next sample"],
      ["{ }", "previous, next that shares less than half"],
      ["n N, ↑ ↓", "next, previous thread"],
      ["x", "show the thread's frames"],
      ["Esc", "clear"],
    ],
  ],
  [
    "Frames",
    [
      ["f", "focus the function"],
      ["F", "focus the subtree"],
      ["m", "merge into its caller"],
      ["D", "drop stacks that contain it"],
      ["y", "copy as file:line"],
      ["c", "collapse libraries"],
      ["r", "collapse recursion"],
      ["u", "only my code"],
      ["Ctrl-Z", "undo"],
    ],
  ],
  [
    "View",
    [
      ["1 … 7", "switch panels"],
      ["/", "search; Enter: next, Shift-Enter: previous"],
      ["l", "match frames by line, or by function"],
      ["o", "highlight in: everything, process, thread"],
      ["i", "invert the flame graph"],
      ["h", "running threads only"],
      ["t", "time of day, or time since the start"],
      ["? ", "this sheet"],
    ],
  ],
];

const LIVE: [string, [string, string][]] = [
  "Live",
  [
    ["e", "follow the end of the recording, or stop"],
    ["End", "back to the end of the recording"],
    ["PageUp, PageDown", "ten minutes earlier, later"],
    ["M", "mark this moment"],
  ],
];

/** Whether the page shows what its server records. */
const isServed = () => document.body.classList.contains("served");

export function showHelp(): void {
  const dialog = byId<HTMLDialogElement>("help");
  fill(
    dialog,
    h(
      "header",
      {},
      h("h2", { id: "help-title" }, "Keys and mouse"),
      h("button", { autofocus: true, onclick: () => dialog.close() }, "Close"),
    ),
    h(
      "div",
      { class: "cols" },
      ...(isServed() ? [...SHEET, LIVE] : SHEET).map(([title, keys]) =>
        h(
          "section",
          {},
          h("h3", {}, title),
          h("dl", {}, ...keys.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
        ),
      ),
    ),
    h(
      "p",
      {},
      `Search takes text, app.py:31 or /a regular expression/. ${isServed() ? "The page talks only to its own server." : "The page sends nothing."} It contains source lines and command lines: be careful whom you share it with.`,
    ),
  );
  if (!dialog.open) dialog.showModal();
}
