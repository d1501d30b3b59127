// The sheet of keys. It refuses to act on them: keyboard.ts does.

import { byId, fill, h } from "./dom.ts";

const SHEET: [string, [string, string][]][] = [
  ["Timeline", [
    ["Click", "select a sample; what others share lights up"],
    ["Shift-click, p", "pin a second stack, in green"],
    ["Drag", "choose a range for the panels"],
    ["Double-click", "zoom to what shares the base"],
    ["Wheel", "scroll; with Shift: move in time"],
    ["Ctrl-wheel, pinch", "zoom at the pointer"],
    ["Shift-drag, ruler", "move in time"],
    ["w s, + −", "zoom in, out"],
    ["a d, ← →", "move in time"],
    ["0", "the whole trace"],
    ["z", "zoom to the range or the selection"],
  ]],
  ["Samples", [
    ["Enter", "select in the middle of the view"],
    ["[ ]", "previous, next sample"],
    ["{ }", "previous, next with another base"],
    ["n N, ↑ ↓", "next, previous thread"],
    ["x", "show the frames of the thread"],
    ["Esc", "clear"],
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
    ["/", "search; (Shift-)Enter goes on"],
    ["l", "same line, or same function"],
    ["o", "light up: all, process, thread"],
    ["i", "invert the flame graph"],
    ["h", "only what runs"],
    ["t", "clock, or since the start"],
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
    h("p", {}, "Search takes text, app.py:31 or /a regular expression/. The page sends nothing; it holds source lines and command lines: mind who gets it."),
    h("button", { autofocus: true, onclick: () => dialog.close() }, "Close"),
  );
  if (!dialog.open) dialog.showModal();
}
