// SPDX-License-Identifier: MIT OR Apache-2.0

// The page before a trace is open: an invitation to open one, the progress, or an error.

import { byId, fill, h } from "./dom.ts";

export function showWelcome(onOpen: () => void, error = ""): void {
  const welcome = byId("welcome");
  welcome.hidden = false;
  fill(
    welcome,
    h("h2", {}, error ? "Cannot open this file" : "Open a trace"),
    error ? h("p", { class: "error", role: "alert" }, error) : null,
    h(
      "p",
      {},
      "Drop a file here: a .pyebpf recording, a timeline .json or folded stacks, optionally gzipped. Nothing leaves this page.",
    ),
    h("button", { onclick: onOpen }, "Choose a file…"),
  );
}

/** Says why there is no trace. */
export function showNote(text: string): void {
  const welcome = byId("welcome");
  welcome.hidden = false;
  fill(welcome, h("p", { role: "status" }, text));
}

export function showProgress(what: string): (part: number) => void {
  const welcome = byId("welcome");
  welcome.hidden = false;
  const bar = h("progress", { max: 1, "aria-label": what });
  fill(welcome, h("h2", {}, what), bar);
  return (part) => bar.setAttribute("value", String(part));
}
