// SPDX-License-Identifier: MIT OR Apache-2.0

// Starts the page: opens the trace embedded in it, or a file that is chosen or dropped, and
// connects the views to the session. In the worker, the same script reads traces instead.

import { exportWindow } from "./export/save.ts";
import { type LivePage, type Stage, startLivePage } from "./live/live_page.ts";
import { load } from "./load/loader.ts";
import type { Request } from "./load/messages.ts";
import { serve } from "./load/worker.ts";
import { mergeTraces } from "./model/merge.ts";
import { safeText } from "./model/safe_text.ts";
import type { Trace } from "./model/trace.ts";
import { addressOf, restore } from "./session/address.ts";
import type { Flag } from "./session/flags.ts";
import { Session } from "./session/session.ts";
import type { PanelName } from "./session/settings.ts";
import { perform } from "./ui/actions.ts";
import { corner } from "./ui/corner.ts";
import { announce, byId, fill, h } from "./ui/dom.ts";
import { onKey } from "./ui/keyboard.ts";
import { Labels } from "./ui/labels.ts";
import { Overview } from "./ui/overview.ts";
import { Panels } from "./ui/panels.ts";
import { Ruler } from "./ui/ruler.ts";
import { split } from "./ui/split.ts";
import { StackPanel } from "./ui/stack_panel.ts";
import { Timeline } from "./ui/timeline.ts";
import { Toolbar } from "./ui/toolbar.ts";
import { UrlHash } from "./ui/url_hash.ts";
import { showNote, showProgress, showWelcome } from "./ui/welcome.ts";
import { WindowBar } from "./ui/window_bar.ts";

class Page {
  private session: Session | null = null;
  private closers: { close(): void }[] = [];
  private onKeyDown: (event: KeyboardEvent) => void = () => {};
  private picker = h("input", { type: "file", hidden: true, "aria-label": "A trace" });
  private opensSecond = false;
  private name = "trace";
  private live: LivePage | null = null;

  constructor() {
    document.body.append(this.picker);
    this.picker.addEventListener("change", () => {
      const file = this.picker.files?.[0];
      this.picker.value = "";
      if (file) this.openFile(file, this.opensSecond);
    });
    document.addEventListener("keydown", (event) => this.onKeyDown(event));
    this.dropping();
  }

  /** Begins to show what the server that this page came from records. */
  serve(): void {
    const stage: Stage = {
      view: (session, what, address, onFlag) => {
        this.name = what;
        this.view(session, address, onFlag);
        this.entitle(session, what);
      },
      blank: (why) => {
        this.unview();
        showNote(why);
      },
      warn: (text) => this.warn(text),
    };
    this.live = startLivePage(stage, location.hash);
  }

  choose(second: boolean): void {
    this.opensSecond = second;
    this.picker.click();
  }

  async openFile(file: File, second: boolean): Promise<void> {
    if (!second) this.name = file.name.replace(/\.(pyebpf|json|html|folded|txt|gz)$/i, "") || "trace";
    await this.open({ file }, second, `Opening ${safeText(file.name)}`);
  }

  async open(request: Request, second: boolean, what: string): Promise<void> {
    const before = this.session;
    const report = before ? (part: number) => announce(`${what}: ${Math.round(part * 100)} %`) : showProgress(what);
    try {
      const trace = await load(request, report);
      this.show(second && before ? mergeTraces(firstOf(before.trace), trace) : trace, second && before ? before : null);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (before) this.warn(`${what} failed: ${safeText(message)}`);
      else showWelcome(() => this.choose(false), safeText(message));
    }
  }

  private show(trace: Trace, merged: Session | null): void {
    const hash = this.session || this.live ? "" : location.hash;
    const session = new Session(trace);
    this.view(session, () => addressOf(session));
    restore(session, hash);
    if (merged) session.settings.show("compare");
    session.redrawAll();
    if (trace.torn) this.warn(trace.torn.reason);
    this.entitle(session);
    announce(`${trace.tracks.length} threads shown`);
    this.live?.left();
  }

  private entitle({ trace }: Session, what = ""): void {
    document.title = ["pyebpf", safeText(trace.info.host), what].filter(Boolean).join(" · ");
  }

  /** Shows no trace. */
  private unview(): void {
    this.session?.close();
    for (const closer of this.closers) closer.close();
    this.closers = [];
    this.session = null;
    this.onKeyDown = (event) => this.onLiveKey(event);
    for (const id of ["timeline", "split", "panels"]) byId(id).hidden = true;
    fill(byId("bar"), h("h1", {}, "pyebpf"));
  }

  private onLiveKey(event: KeyboardEvent): boolean {
    const isDone = this.live?.key(event) ?? false;
    if (isDone) event.preventDefault();
    return isDone;
  }

  /** Shows a session, instead of the one before. */
  private view(session: Session, address: () => string, onFlag?: (flag: Flag) => void): void {
    this.session?.close();
    for (const closer of this.closers) closer.close();
    this.session = session;
    byId("welcome").hidden = true;
    for (const id of ["timeline", "split", "panels"]) byId(id).hidden = false;
    document.querySelector(".warn")?.remove();
    const toolbar = new Toolbar(session, {
      open: (second) => this.choose(second),
      exportAs: (kind) =>
        void exportWindow(session, kind, this.name).then(
          () => announce("exported"),
          (error) => this.warn(String(error)),
        ),
    });
    const panels = new Panels(session, () => this.choose(true));
    const act = (action: Parameters<typeof perform>[1]) =>
      perform(
        session,
        action,
        (panel) => panels.show(panel),
        (text) => toolbar.find(text),
      );
    const timeline = new Timeline(session);
    const overview = new Overview(session);
    const ruler = new Ruler(session, onFlag);
    this.closers = [toolbar, timeline, overview, ruler, new UrlHash(session, address)];
    new Labels(session);
    new StackPanel(session, act);
    new WindowBar(session);
    corner(session);
    split();
    const commands = {
      session,
      timeline,
      act,
      show: (panel: PanelName) => panels.show(panel),
      focusSearch: () => toolbar.focusSearch(),
    };
    this.onKeyDown = (event) => {
      const target = event.target as HTMLElement;
      // Escape closes a window of the live page wherever the focus is.
      if (target.closest("input,select,textarea,dialog,menu") || document.querySelector(".sheet")) return;
      if ((event.key === "Enter" || event.key === " ") && target.closest("button,a")) return;
      if (!this.onLiveKey(event) && onKey(event, commands)) event.preventDefault();
    };
    expose(session, timeline);
  }

  private warn(text: string): void {
    document.querySelector(".warn")?.remove();
    byId("main").before(h("div", { class: "warn", role: "status" }, text));
  }

  /** Lets files be dropped anywhere: to open, or to compare with the trace that is open. */
  private dropping(): void {
    const area = byId("drop");
    const isFile = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    let depth = 0;
    const end = () => {
      depth = 0;
      area.hidden = true;
    };
    const zone = (text: string, second: boolean) => {
      const element = h("div", {}, text);
      element.addEventListener("dragenter", () => element.classList.add("over"));
      element.addEventListener("dragleave", () => element.classList.remove("over"));
      element.addEventListener("drop", (event) => {
        const file = event.dataTransfer?.files[0];
        event.preventDefault();
        end();
        if (file) void this.openFile(file, second);
      });
      return element;
    };
    document.addEventListener("dragenter", (event) => {
      if (!isFile(event)) return;
      depth++;
      event.preventDefault();
      if (!area.hidden) return;
      area.hidden = false;
      fill(area, zone("Open", false), this.session ? zone("Compare with the open trace", true) : null);
    });
    document.addEventListener("dragleave", () => {
      if (--depth <= 0) end();
    });
    document.addEventListener("dragover", (event) => isFile(event) && event.preventDefault());
    document.addEventListener("drop", (event) => {
      const file = isFile(event) ? event.dataTransfer?.files[0] : undefined;
      if (!file) return;
      event.preventDefault();
      if (!area.hidden) void this.openFile(file, false);
      end();
    });
  }
}

/** The first of two merged traces, to compare a third with; any other trace as it is. */
function firstOf(trace: Trace): Trace {
  if (!trace.processes.some((process) => process.side === 1)) return trace;
  const tracks = trace.tracks.filter((track) => trace.processes[track.process].side === 0);
  const rows = tracks.reduce((sum, track) => sum + track.start.length, 0);
  const end = tracks.reduce((latest, track) => Math.max(latest, track.end), 0);
  return { ...trace, tracks, rows, end };
}

/** Exposes `window.__pyebpf` to the browser tests and the bench. */
function expose(session: Session, timeline: Timeline): void {
  const { trace } = session;
  const api = {
    readyAt: performance.now(),
    get rowCount() {
      return trace.rows;
    },
    get threads() {
      return trace.tracks.map((track, number) => [session.symbols.track(number), track.start.length]);
    },
    get endAt() {
      return trace.end;
    },
    now: () => ({
      visible: [session.viewport.view.from, session.viewport.view.to],
      chosen: session.viewport.range && [session.viewport.range.from, session.viewport.range.to],
      sample: session.selection.sample && [session.selection.sample.track, session.selection.sample.row],
      pin: session.selection.pinned,
      litFrom: session.selection.threshold,
      transformed: session.transforms.list.length,
      shown: session.derived.visibleTracks,
      following: session.viewport.following,
    }),
    sampleAt: (track: number, row: number) => {
      const { start, stack, state } = trace.tracks[track];
      const { depth, common } = session.derived.shares(track);
      return { from: start[row], deep: depth[stack[row]], shared: common[stack[row]] ?? 0, doing: state[row] };
    },
    pixel: (time: number) => timeline.xAt(time),
    choose: (track: number, row: number) => {
      const before = performance.now();
      session.selection.select(track, row);
      session.flush();
      return performance.now() - before;
    },
    look: (from: number, to: number) => session.viewport.show(from, to),
  };
  Object.assign(window, { __pyebpf: api });
}

function start(): void {
  const page = new Page();
  const payload = document.getElementById("trace") as HTMLTemplateElement | null;
  fill(byId("bar"), h("h1", {}, "pyebpf"));
  if (document.querySelector('meta[name="pyebpf-live"]')) {
    page.serve();
    return;
  }
  if (!payload) {
    showWelcome(() => page.choose(false));
    return;
  }
  const base64 = payload.content.textContent ?? "";
  payload.remove();
  void page.open({ base64 }, false, "Opening the trace");
}

if (typeof document === "undefined") serve();
else if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
