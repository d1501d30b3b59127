// SPDX-License-Identifier: MIT OR Apache-2.0

// The page of a server: shows what its recorder samples as it happens, or an earlier piece of
// what it has kept, and asks it for recordings, marks and files.

import { load } from "../load/loader.ts";
import { duration } from "../model/format.ts";
import type { Trace } from "../model/trace.ts";
import { addressOf, restore } from "../session/address.ts";
import type { Flag } from "../session/flags.ts";
import { Session } from "../session/session.ts";
import { announce } from "../ui/dom.ts";
import { type Content, Sheet } from "../ui/sheet.ts";
import { carryOver } from "./carry_over.ts";
import type { ServerEvent } from "./event_stream.ts";
import { Events } from "./events.ts";
import { Feed } from "./feed.ts";
import { type BarState, type Control, LiveBar } from "./live_bar.ts";
import { messageOf, Server } from "./server.ts";
import {
  clock,
  markContent,
  momentsContent,
  problemsContent,
  recordContent,
  saveContent,
  targetContent,
} from "./sheets.ts";
import { type Mark, markOf, processesOf, type Recording, recordingOf, type Status, statusOf } from "./status.ts";

const MINUTE_US = 60e6;
/** How much of the past is loaded at first, and with each step back. */
const PAST_US = 10 * MINUTE_US;
/** How much is visible at first. */
const VISIBLE_US = MINUTE_US;
/** How much the page holds before it begins anew. */
const MOST_US = 120 * MINUTE_US;
const MOST_ROWS = 8_000_000;
/** How long the page stays connected where nobody sees it, in milliseconds. */
const HIDDEN_MS = 60_000;
/** Without a row for so long, a connection is given up if the server is silent too, in milliseconds. */
const SILENCE_MS = 15_000;

/** The rest of the page, as far as it matters here. */
export interface Stage {
  /** Shows a session. `address` is what the address of the page says of it. */
  view(session: Session, title: string, address: () => string, onFlag: (flag: Flag) => void): void;
  /** Shows no trace, but why. */
  blank(why: string): void;
  warn(text: string): void;
}

type Connection = "loading" | "live" | "empty" | "full" | { lost: string };

/** An earlier time that is shown, and its trace once that is there. */
interface Past {
  readonly fromUs: number;
  readonly toUs: number;
  session: Session | null;
}

/** What the rest of the page asks of this part of it. */
export interface LivePage {
  /** Does what a key asks for; returns false if the key has no meaning here. */
  key(event: KeyboardEvent): boolean;
  /** A file is shown instead. */
  left(): void;
}

/** Begins; `hash` is the address of the page, which can name an earlier time. */
export function startLivePage(stage: Stage, hash: string): LivePage {
  const server = new Server();
  const bar = new LiveBar(onControl);
  const sheet = new Sheet();
  let connection: Connection = "loading";
  let live: Session | null = null;
  /** The earlier time that is shown; null while it is what happens now. */
  let past: Past | null = null;
  /** Whether a file is shown. */
  let isAway = false;
  /** Whether the next trace begins with the last minutes, not where the one before began. */
  let isAnew = true;
  let target = { pid: 0, name: "All processes" };
  let status: Status | null = null;
  let flags: readonly Flag[] = [];
  let grownAt = performance.now();
  /** What is not restored yet from the address. */
  let address = hash;
  /** What to say once the next trace is shown. */
  let note = "";

  const feed = new Feed(server, { query, opened, grown, empty, lost });
  const events = new Events(server, {
    event: onEvent,
    lost: () => {
      if (performance.now() - grownAt > SILENCE_MS) feed.start();
    },
  });

  function key(event: KeyboardEvent): boolean {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const controls: Record<string, Control> = { e: "follow", PageUp: "earlier", PageDown: "later", M: "mark" };
    if (event.key === "End") backToLive();
    else if (event.key in controls) {
      const control = controls[event.key];
      onControl(control, bar.button(control));
    } else return false;
    return true;
  }

  function left(): void {
    isAway = true;
    past = null;
    render();
  }

  function isLiveShown(): boolean {
    return !past && !isAway;
  }

  /** The session of the server that is shown. */
  function shown(): Session | null {
    return isAway ? null : past ? past.session : live;
  }

  // The trace.

  function query(): string {
    const start = live?.trace.info.unixStartUs ?? 0;
    const isLong = start > 0 && Date.now() * 1000 - start > MOST_US;
    const span = isAnew || start === 0 || isLong ? "last=10m" : `from=@${Math.floor(start / 1e6)}`;
    return `${span}${ofTarget()}&follow=1`;
  }

  function ofTarget(): string {
    return target.pid > 0 ? `&pid=${target.pid}` : "";
  }

  function opened(trace: Trace): void {
    const before = live;
    const session = new Session(trace);
    const ticks = (us: number) => us / trace.tickUs;
    if (before) carryOver(before, session);
    else restore(session, address.replace(/\b(t|range|sel|off|open|shut)=[^&]*/g, ""));
    if (!before || before.viewport.following) {
      session.viewport.follow(before ? ticks(before.us(before.viewport.followed)) : ticks(VISIBLE_US));
    }
    if (typeof connection === "object") announce("connected again");
    live = session;
    isAnew = false;
    connection = "live";
    grownAt = performance.now();
    if (isLiveShown()) viewLive();
    if (note) stage.warn(note);
    note = "";
    render();
  }

  function viewLive(): void {
    const session = live;
    if (session) view(session, "live", () => addressOf(session, true));
  }

  function view(session: Session, what: string, address: () => string): void {
    stage.view(session, what, address, (flag) => goTo(flag));
    session.flags.set(flags);
    session.on(["follow"], () => {
      if (session.viewport.following && connection === "full") beginAnew();
      render();
    });
    session.redrawAll();
  }

  function grown(): void {
    if (!live) return;
    grownAt = performance.now();
    live.grow();
    const { trace, viewport } = live;
    if (trace.rows > MOST_ROWS || live.us(trace.end) > MOST_US) {
      if (viewport.following) beginAnew();
      else {
        feed.stop();
        connection = "full";
      }
    }
    render();
  }

  function beginAnew(): void {
    isAnew = true;
    connection = "loading";
    note = "The page was full and restarted with the last ten minutes.";
    feed.start();
  }

  function empty(): void {
    connection = "empty";
    if (isLiveShown() && !live) stage.blank("Nothing was sampled in the last ten minutes. It will appear here.");
    render();
  }

  function lost(reason: string): void {
    if (typeof connection !== "object") announce(`connection lost: ${reason}`);
    connection = { lost: reason };
    if (isLiveShown() && !live) stage.blank(`${reason}; reconnecting…`);
    render();
  }

  /** A page that nobody sees leaves the server alone, and catches up when it is seen again. */
  function restWhileHidden(): void {
    let timer = 0;
    let isResting = false;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(timer);
      if (document.hidden) {
        timer = window.setTimeout(() => {
          isResting = true;
          feed.stop();
          events.stop();
        }, HIDDEN_MS);
      } else if (isResting) {
        isResting = false;
        feed.start();
        events.start();
      }
    });
  }

  // Earlier times.

  /** Shows what happens now, if something else is shown. */
  function returnToLive(): void {
    if (isLiveShown()) return;
    past = null;
    isAway = false;
    viewLive();
  }

  function backToLive(): void {
    if (!live) return;
    returnToLive();
    live.tracks.setSort();
    live.viewport.follow(live.viewport.followed || VISIBLE_US / live.trace.tickUs);
    render();
  }

  /** Fetches and shows an earlier piece of what the recorder has kept. */
  async function goBack(fromUs: number, toUs: number): Promise<void> {
    const [from, to] = [Math.floor(fromUs / 1e6), Math.ceil(toUs / 1e6)];
    const before = past;
    const wanted: Past = { fromUs: from * 1e6, toUs: to * 1e6, session: before?.session ?? null };
    past = wanted;
    render();
    announce(`loading ${clock(fromUs)} to ${clock(toUs)}`);
    try {
      const response = await server.get(`trace?from=@${from}&to=@${to}${ofTarget()}`);
      const trace = await load({ file: await response.blob() }, () => {});
      if (past !== wanted) return;
      const session = new Session(trace);
      wanted.session = session;
      isAway = false;
      restore(session, address);
      address = "";
      view(session, "past", () => `at=${from},${to}&${addressOf(session)}`);
    } catch (error) {
      if (past !== wanted) return;
      past = before;
      stage.warn(`${clock(fromUs)} – ${clock(toUs)} cannot be shown: ${messageOf(error)}`);
    }
    render();
  }

  function earlier(): void {
    const start = past?.fromUs ?? live?.trace.info.unixStartUs ?? 0;
    const kept = status?.keptFromUs ?? 0;
    if (start <= kept + 1e6) announce("nothing earlier is kept");
    else void goBack(Math.max(kept, start - PAST_US), start);
  }

  function later(): void {
    if (!past) return;
    const { toUs } = past;
    const start = live?.trace.info.unixStartUs ?? Infinity;
    if (toUs + 1e6 < start) void goBack(toUs, Math.min(start, toUs + PAST_US));
    else backToLive();
  }

  /** Shows what is around a flag: where it is, if that is loaded. */
  function goTo(flag: Flag): void {
    sheet.close();
    const toUs = Math.min(flag.toUs, status?.nowUs ?? flag.toUs);
    const start = live?.trace.info.unixStartUs ?? Infinity;
    if (!live || flag.fromUs < start) {
      void goBack(flag.fromUs, Math.max(toUs, flag.fromUs + 1e6));
      return;
    }
    returnToLive();
    const { viewport, trace } = live;
    viewport.stand();
    viewport.show((flag.fromUs - start) / trace.tickUs, (toUs - start) / trace.tickUs);
    render();
  }

  // What the server tells.

  function onEvent({ kind, data }: ServerEvent): void {
    let value: unknown;
    try {
      value = JSON.parse(data);
    } catch {
      return;
    }
    if (kind === "status") status = statusOf(value);
    else if (status && kind === "mark") status = { ...status, marks: withOne(status.marks, markOf(value)) };
    else if (status && kind === "recording") {
      status = { ...status, recordings: withOne(status.recordings, recordingOf(value)) };
    } else return;
    const found = status ? flagsOf(status) : [];
    if (JSON.stringify(found) !== JSON.stringify(flags)) {
      flags = found;
      document.body.classList.toggle("flags", flags.length > 0);
      shown()?.flags.set(flags);
    }
    sheet.update();
    render();
  }

  // The controls.

  function onControl(control: Control, button: HTMLElement | null): void {
    switch (control) {
      case "follow":
        if (isLiveShown() && live?.viewport.following) live.viewport.stand();
        else backToLive();
        announce(live?.viewport.following ? "following" : "standing still");
        break;
      case "earlier":
        earlier();
        break;
      case "later":
        later();
        break;
      case "target":
        open(button, control, "Processes", targetsSheet());
        break;
      case "record":
        open(button, control, "Recording", recordingsSheet());
        break;
      case "mark":
        open(button, control, "Mark this moment", marksSheet());
        break;
      case "moments":
        open(button, control, "Moments", momentsSheet());
        break;
      case "save":
        open(button, control, "Save", savingSheet());
        break;
      case "problems":
        open(button, control, "Problems", problemsContent(status?.problems ?? []));
        break;
    }
  }

  function open(button: HTMLElement | null, control: Control, label: string, content: Content): void {
    if (button) sheet.open(button, label, content, () => bar.button(control)?.focus());
  }

  function targetsSheet(): Content {
    return targetContent({
      chosen: target.pid,
      load: async () => processesOf(await server.json("processes")),
      choose: (pid, name) => {
        sheet.close();
        if (pid === target.pid) return;
        target = { pid, name };
        live = null;
        past = null;
        isAway = false;
        connection = "loading";
        stage.blank(`Loading the last ten minutes of ${pid > 0 ? name : "all processes"}…`);
        isAnew = true;
        feed.start();
        render();
      },
    });
  }

  function recordingsSheet(): Content {
    const { pid, name } = target;
    return recordContent({
      target: pid > 0 ? name : "",
      running: () => status?.recordings.filter(({ isRunning }) => isRunning) ?? [],
      start: async (hz, seconds, name, onlyTarget) => {
        await server.post("recordings", {
          hz,
          ...(seconds > 0 && { seconds }),
          ...(name && { name }),
          ...(onlyTarget && { pids: [pid] }),
        });
        done("recording");
      },
      stop: async (id) => {
        await server.post(`recordings/${id}/stop`);
        announce("recording stopped");
      },
    });
  }

  function marksSheet(): Content {
    return markContent(async (name, before_s, after_s) => {
      await server.post("marks", { name, before_s, after_s });
      done(`marked: ${name}`);
    });
  }

  function done(what: string): void {
    sheet.close();
    announce(what);
  }

  function momentsSheet(): Content {
    const nowUs = status?.nowUs ?? Date.now() * 1000;
    return momentsContent({
      list: () => [...flags].sort((a, b) => b.atUs - a.atUs).map((flag) => ({ ...flag, about: about(flag) })),
      go: (flag) => goTo(flag),
      goTo: (us) => {
        sheet.close();
        void goBack(us - PAST_US / 2, us + PAST_US / 2);
      },
      keptFromUs: status?.keptFromUs ?? 0,
      nowUs,
    });
  }

  function about({ kind, id, atUs, fromUs, toUs }: Flag): string {
    if (kind === "recording") {
      const hz = status?.recordings.find((one) => one.id === id)?.hz ?? 0;
      return `${hz} Hz · ${clock(fromUs)} – ${Number.isFinite(toUs) ? clock(toUs) : "now"}`;
    }
    const mark = status?.marks.find((one) => one.id === id);
    return [clock(atUs), mark?.details].filter(Boolean).join(" · ");
  }

  function savingSheet(): Content {
    const session = shown();
    if (!session) return saveContent("The last ten minutes", `last=10m${ofTarget()}`);
    const { from, to } = session.viewport.window;
    const { unixStartUs } = session.trace.info;
    const [first, last] = [
      Math.floor((unixStartUs + session.us(from)) / 1e6),
      Math.ceil((unixStartUs + session.us(to)) / 1e6),
    ];
    const what = `${clock(first * 1e6)} – ${clock(last * 1e6)}, ${target.pid > 0 ? target.name : "all processes"}`;
    return saveContent(what, `from=@${first}&to=@${last}${ofTarget()}`);
  }

  // The bar.

  function render(): void {
    const recording = status?.recordings.filter(({ isRunning }) => isRunning) ?? [];
    bar.render({
      hasTrace: live !== null,
      following: isLiveShown() && (live?.viewport.following ?? false),
      isPast: !isLiveShown(),
      ...words(),
      target: target.name,
      recordingHz: Math.max(0, ...recording.map(({ hz }) => hz)),
      moments: flags.length,
      status: status ? statusWords(status) : "",
      problems: status?.problems.length ?? 0,
    });
  }

  function words(): Pick<BarState, "words" | "tone"> {
    if (isAway) return { words: "a file", tone: "calm" };
    if (past) return { words: `${clock(past.fromUs)} – ${clock(past.toUs)}`, tone: "calm" };
    if (typeof connection === "object")
      return { words: `Connection lost, reconnecting: ${connection.lost}`, tone: "bad" };
    if (connection === "full") return { words: "Paused: the page is full. Follow to continue", tone: "bad" };
    if (connection === "loading") return { words: "Loading", tone: "calm" };
    if (connection === "empty" || !live) return { words: "Waiting for samples", tone: "calm" };
    if (live.viewport.following) return { words: "Live", tone: "good" };
    const behind = live.us(live.trace.end - live.viewport.view.to);
    return {
      words: `Not following${behind >= 1e6 ? `, ${duration(Math.floor(behind / 1e6) * 1e6)} behind` : ""}`,
      tone: "calm",
    };
  }

  const hold = (isHeld: boolean) => () => feed.hold(isHeld);
  document.addEventListener("pointerdown", hold(true), true);
  for (const type of ["pointerup", "pointercancel"]) document.addEventListener(type, hold(false), true);
  window.addEventListener("blur", hold(false));
  restWhileHidden();
  stage.blank("Loading the last ten minutes…");
  feed.start();
  events.start();
  render();
  const [, from, to] = /[#&]at=(\d{1,12}),(\d{1,12})(?:&|$)/.exec(hash) ?? [];
  if (Number(to) > Number(from)) void goBack(Number(from) * 1e6, Number(to) * 1e6);
  return { key, left };
}

/** The list with one item added, or replaced by its id. */
function withOne<T extends { readonly id: number }>(list: readonly T[], one: T): T[] {
  return [...list.filter(({ id }) => id !== one.id), one];
}

function flagsOf({ marks, recordings }: Status): Flag[] {
  const ofMark = ({ id, name, cause, atUs, fromUs, toUs }: Mark): Flag => ({
    kind: "mark",
    id,
    name: name || cause || `mark ${id}`,
    atUs,
    fromUs,
    toUs,
  });
  const ofRecording = ({ id, name, fromUs, toUs, isRunning }: Recording): Flag => ({
    kind: "recording",
    id,
    name: name || `recording ${id}`,
    atUs: fromUs,
    fromUs,
    toUs: isRunning ? Infinity : toUs,
  });
  return [...marks.map(ofMark), ...recordings.map(ofRecording)];
}

function statusWords(status: Status): string {
  const { hz, recorder, cpuPercent, rssBytes, diskBytes, keptFromUs } = status;
  return [
    hz > 0 ? `${hz} Hz` : "not sampling",
    recorder !== "running" && `recorder ${recorder || "unknown"}`,
    `${cpuPercent.toFixed(1)} % of a CPU`,
    `${Math.round(rssBytes / 1e6)} MB of memory`,
    `${diskBytes < 1e6 ? "<1" : Math.round(diskBytes / 1e6)} MB on disk`,
    keptFromUs > 0 && `since ${clock(keptFromUs)}`,
  ]
    .filter(Boolean)
    .join(" · ");
}
