// SPDX-License-Identifier: MIT OR Apache-2.0

// What the windows of the live page's controls hold.

import { duration, moment } from "../model/format.ts";
import type { Flag } from "../session/flags.ts";
import { fill, h, refill } from "../ui/dom.ts";
import type { Content } from "../ui/sheet.ts";
import type { Process, Recording } from "./status.ts";

/** The time of day of a Unix time in microseconds. */
export const clock = (us: number) => moment(0, us, 0);

/** The formats of `api/v1/trace`. */
const FORMATS: [string, string][] = [
  ["pyebpf", "pyebpf trace"],
  ["html", "page with the trace in it"],
  ["svg", "flame graph, SVG"],
  ["folded", "folded stacks"],
  ["pprof", "pprof"],
  ["speedscope", "speedscope"],
  ["firefox", "Firefox Profiler"],
  ["chrome", "Chrome trace"],
  ["json", "timeline, JSON"],
];

function field(label: string, input: HTMLElement): HTMLElement {
  return h("label", {}, h("span", {}, label), input);
}

function number(value: number | "", most: number): HTMLInputElement {
  return h("input", { type: "number", min: 1, max: most, value });
}

/** A form that asks something of the server; the button waits, and says what went wrong. */
function form(label: string, run: () => Promise<void>, ...fields: Node[]): HTMLElement {
  const said = h("p", { class: "said", role: "alert" });
  const button = h("button", { class: "primary", type: "submit" }, label);
  const element = h("form", {}, ...fields, button, said);
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    button.disabled = true;
    said.textContent = "";
    run().catch((error: Error) => {
      said.textContent = error.message;
      button.disabled = false;
    });
  });
  return element;
}

export interface Targets {
  /** The pid of the process that is shown; 0 for all. */
  readonly chosen: number;
  load(): Promise<readonly Process[]>;
  choose(pid: number, name: string): void;
}

export function targetContent({ chosen, load, choose }: Targets): Content {
  const filter = h("input", {
    type: "search",
    placeholder: "name, command or pid",
    "aria-label": "Filter the processes",
  });
  const list = h(
    "ul",
    { class: "items", "aria-label": "Processes" },
    h("li", { class: "empty" }, "Asking the recorder…"),
  );
  let processes: readonly Process[] = [];
  const item = (pid: number, name: string, about: string, cpu = "") =>
    h(
      "li",
      {},
      h(
        "button",
        { "aria-pressed": pid === chosen, onclick: () => choose(pid, name) },
        h("b", {}, name),
        h("small", {}, about),
        h("span", { class: "n" }, cpu),
      ),
    );
  const show = () => {
    const wanted = filter.value.toLowerCase();
    const found = processes.filter(({ pid, name, about }) => `${name} ${pid} ${about}`.toLowerCase().includes(wanted));
    fill(
      list,
      wanted === "" && item(0, "All processes", `${processes.length} known`),
      ...found.map(({ pid, name, about, cpuPercent, ended }) =>
        item(
          pid,
          `${name} [${pid}]`,
          ended ? `ended · ${about}` : about,
          `${cpuPercent.toFixed(cpuPercent < 10 ? 1 : 0)} %`,
        ),
      ),
      found.length === 0 && h("li", { class: "empty" }, "No process matches."),
    );
  };
  filter.addEventListener("input", show);
  load().then(
    (known) => {
      processes = [...known].sort((a, b) => Number(a.ended) - Number(b.ended) || b.cpuPercent - a.cpuPercent);
      show();
    },
    (error: Error) => fill(list, h("li", { class: "said" }, error.message)),
  );
  return { nodes: [filter, list] };
}

export interface Recordings {
  /** The process that is shown; empty for all. */
  readonly target: string;
  running(): readonly Recording[];
  start(hz: number, seconds: number, name: string, onlyTarget: boolean): Promise<void>;
  stop(id: number): Promise<void>;
}

export function recordContent({ target, running, start, stop }: Recordings): Content {
  const list = h("ul", { class: "items", "aria-label": "Running recordings" });
  const update = () => {
    list.hidden = running().length === 0;
    refill(
      list,
      ...running().map(({ id, name, hz, fromUs }) => {
        const button = h("button", { "data-key": `stop${id}`, class: "small" }, "Stop");
        button.setAttribute("aria-label", `Stop ${name || `recording ${id}`}`);
        button.addEventListener("click", () => {
          button.disabled = true;
          stop(id).catch((error: Error) => {
            button.disabled = false;
            button.title = error.message;
            button.textContent = "Failed: try again";
          });
        });
        return h(
          "li",
          { class: "line" },
          h("span", {}, `${name || `recording ${id}`} · ${hz} Hz · since ${clock(fromUs)}`),
          button,
        );
      }),
    );
  };
  update();
  const rate = number(100, 10_000);
  const length = number(60, 86_400);
  length.placeholder = "until stopped";
  const name = h("input", { type: "text", maxlength: 200, placeholder: "optional" });
  const which = h("input", { type: "checkbox", checked: target !== "" });
  const begin = () =>
    start(Number(rate.value), Number(length.value), name.value.trim(), target !== "" && which.checked);
  const only = target === "" ? [] : [h("label", { class: "check" }, which, `only ${target}`)];
  return {
    nodes: [
      list,
      form("Start recording", begin, field("Rate, Hz", rate), field("Seconds", length), field("Name", name), ...only),
    ],
    update,
  };
}

export function markContent(add: (name: string, beforeS: number, afterS: number) => Promise<void>): Content {
  const name = h("input", { type: "text", maxlength: 200, placeholder: "deploy 42", required: true });
  const before = number(300, 86_400);
  const after = number(60, 86_400);
  const run = () => add(name.value.trim(), Number(before.value), Number(after.value));
  return {
    nodes: [form("Mark", run, field("Name", name), field("Seconds before", before), field("Seconds after", after))],
  };
}

export interface Moments {
  list(): readonly (Flag & { about: string })[];
  go(flag: Flag): void;
  /** Shows what was at a Unix time, in microseconds. */
  goTo(us: number): void;
  readonly keptFromUs: number;
  readonly nowUs: number;
}

/** A time as the input for one writes it, in the browser's zone. */
const local = (us: number) => {
  const time = new Date(us / 1000);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
};

export function momentsContent({ list, go, goTo, keptFromUs, nowUs }: Moments): Content {
  const items = h("ul", { class: "items", "aria-label": "Marks and recordings, newest first" });
  const update = () =>
    refill(
      items,
      ...list().map((flag) =>
        h(
          "li",
          {},
          h(
            "button",
            { "data-key": `${flag.kind}${flag.id}`, onclick: () => go(flag) },
            h("b", {}, `${flag.kind === "mark" ? "⚑" : "●"} ${flag.name}`),
            h("small", {}, flag.about),
          ),
        ),
      ),
      list().length === 0 && h("li", { class: "empty" }, "No marks or recordings yet."),
    );
  update();
  const time = h("input", {
    type: "datetime-local",
    step: 1,
    min: local(keptFromUs),
    max: local(nowUs),
    value: local(nowUs),
  });
  const run = () => {
    const ms = new Date(time.value).getTime();
    if (Number.isNaN(ms)) return Promise.reject(new Error("enter a date and a time"));
    goTo(ms * 1000);
    return Promise.resolve();
  };
  const kept = keptFromUs > 0 ? `Kept since ${clock(keptFromUs)}, ${duration(nowUs - keptFromUs)} ago.` : "";
  return {
    nodes: [items, form("Show", run, field("Go to", time)), kept ? h("p", { class: "note" }, kept) : null],
    update,
  };
}

/** Links to what the window shows; `query` chooses it. */
export function saveContent(what: string, query: string): Content {
  const link = ([format, label]: [string, string]) =>
    h("li", {}, h("a", { href: `api/v1/trace?${query}&format=${format}`, download: true }, label));
  return { nodes: [h("p", { class: "note" }, what), h("ul", { class: "items" }, ...FORMATS.map(link))] };
}

export function problemsContent(problems: readonly string[]): Content {
  return { nodes: [h("ul", { class: "problems" }, ...problems.map((problem) => h("li", {}, problem)))] };
}
