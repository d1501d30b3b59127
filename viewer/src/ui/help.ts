// The sheet of keys. It refuses to act on them: keyboard.ts does.

import { byId, fill, h } from "./dom.ts";

const SHEET: [string, [string, string][]][] = [
  ["Timeline", [
    ["Click", "select a sample: what others share with it turns orange"],
    ["Shift-click, p", "pin a second stack: its base turns green"],
    ["Drag", "choose a range of time for the panels"],
    ["Double-click", "zoom to the run of the same base"],
    ["Wheel", "scroll; sideways or with Shift: move in time"],
    ["Ctrl-wheel, pinch", "zoom at the pointer"],
    ["Shift-drag, ruler", "move in time"],
    ["w s, + −", "zoom in, out"],
    ["a d, ← →", "move in time"],
    ["0", "the whole trace"],
    ["z", "zoom to the range or the selection"],
  ]],
  ["Samples", [
    ["Enter", "select in the middle of the view"],
    ["[ ]", "previous, next sample of the thread"],
    ["{ }", "previous, next with another base"],
    ["n N, ↑ ↓", "next, previous thread"],
    ["x", "show the frames of the thread"],
    ["Esc", "clear range, then selection"],
  ]],
  ["Frames", [
    ["f", "focus the function"],
    ["F", "focus the subtree"],
    ["m", "merge into its caller"],
    ["D", "drop stacks that have it"],
    ["y", "copy as file:line"],
    ["c", "collapse libraries"],
    ["r", "collapse recursion"],
    ["u", "only my code"],
    ["Ctrl-Z", "take back"],
  ]],
  ["View", [
    ["1 … 7", "the panels"],
    ["/", "search; Enter and Shift-Enter go on"],
    ["l", "same line, or same function"],
    ["o", "light up: all, process, thread"],
    ["i", "flame graph from the inside out"],
    ["h", "only what runs"],
    ["t", "clock or time since start"],
    ["? ", "this sheet"],
  ]],
];

export function showHelp(): void {
  const dialog = byId<HTMLDialogElement>("help");
  fill(
    dialog,
    h("h2", { id: "help-title" }, "Keys and mouse"),
    h(
      "div",
      { class: "cols" },
      ...SHEET.map(([title, keys]) =>
        h("section", {}, h("h3", {}, title), h("dl", {}, ...keys.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)]))),
      ),
    ),
    h("p", {}, "Search takes plain text, app.py:31, or /a regular expression/. The page needs no network and sends nothing. It holds source lines and command lines of what was recorded: mind who gets it."),
    h("button", { autofocus: true, onclick: () => dialog.close() }, "Close"),
  );
  if (!dialog.open) dialog.showModal();
}
