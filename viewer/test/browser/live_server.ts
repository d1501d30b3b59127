// SPDX-License-Identifier: MIT OR Apache-2.0

// A server that answers as `pyebpf serve` does, with a made-up service that grows when a test
// says so.

import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { repository } from "../fixtures.ts";
import { MadeUpStream, type StreamOptions } from "../made_up_stream.ts";

/** The page as sampler-trace sends it to a server's clients (formats/html.rs). */
const PAGE = readFileSync(repository("viewer/dist/viewer.html"), "utf8")
  .replace("<!--live-->", '<meta name="pyebpf-live" content="1">')
  .replace("content=\"default-src 'none'; ", "content=\"default-src 'none'; connect-src 'self'; ");

interface Follower {
  stream: MadeUpStream;
  response: ServerResponse;
}

export interface Asked {
  method: string;
  url: string;
  body: unknown;
  lastEventId: string;
  type: string;
}

export class LiveServer {
  private server: Server;
  private followers = new Set<Follower>();
  private listeners = new Set<ServerResponse>();
  private events = 0;
  private segments: number;
  readonly asked: Asked[] = [];
  readonly options: Required<Pick<StreamOptions, "startS">> & StreamOptions;
  /** While set, every request but that for the page is refused with this status. */
  refuses = 0;
  processes: object[] = [];
  marks: object[] = [];
  recordings: object[] = [];
  problems: string[] = [];

  private constructor(options: StreamOptions, segments: number) {
    this.options = { startS: 1_800_000_000, ...options };
    this.segments = segments;
    this.server = createServer((request, response) => void this.answer(request, response));
  }

  static async start(options: StreamOptions = {}, segments = 60): Promise<LiveServer> {
    const server = new LiveServer(options, segments);
    await new Promise<void>((resolve) => server.server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
  }

  /** Unix time of the end, in seconds. */
  get nowS(): number {
    return this.options.startS + this.segments * 2;
  }

  get followed(): number {
    return this.followers.size;
  }

  async close(): Promise<void> {
    this.drop();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Two seconds pass. */
  grow(): void {
    this.segments++;
    for (const { stream, response } of this.followers) response.write(stream.segment());
    this.tellStatus();
  }

  /** Ends all connections, as a tunnel that breaks does. */
  drop(): void {
    for (const { response } of this.followers) response.destroy();
    for (const response of this.listeners) response.destroy();
    this.followers.clear();
    this.listeners.clear();
  }

  tellStatus(): void {
    this.tell("status", this.status());
  }

  tell(kind: string, value: object): void {
    const id = ++this.events;
    for (const response of this.listeners)
      response.write(`id: ${id}\nevent: ${kind}\ndata: ${JSON.stringify(value)}\n\n`);
  }

  status(): object {
    const { startS } = this.options;
    const running = this.recordings.some((one) => (one as { state: string }).state === "running");
    return {
      program: "pyebpf 0.1.0",
      host: "web-3",
      mode: "wall",
      hz: running ? 100 : 10,
      base_hz: 10,
      now_us: this.nowS * 1e6,
      since_us: (startS - 7200) * 1e6,
      kept_from_us: (startS - 3600) * 1e6,
      recorder: { state: "running", pid: 700, restarts: 0, behind_us: 1200, cpu_percent: 0.2, rss_bytes: 41e6 },
      disk: { bytes: 38e6, max_bytes: 256e6, keep_s: 86400, chunks: 60, damaged_chunks: 0 },
      recordings: this.recordings,
      marks: this.marks,
      problems: this.problems,
      counters: {},
    };
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://x");
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const text = Buffer.concat(parts).toString();
    const asked: Asked = {
      method: request.method ?? "",
      url: request.url ?? "",
      body: text && JSON.parse(text),
      lastEventId: String(request.headers["last-event-id"] ?? ""),
      type: String(request.headers["content-type"] ?? ""),
    };
    this.asked.push(asked);
    if (url.pathname === "/") {
      response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" }).end(PAGE);
      return;
    }
    const json = (status: number, value: object) =>
      response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
    if (this.refuses) return void json(this.refuses, { error: "the recorder is restarting; try again" });
    const path = url.pathname.replace("/api/v1/", "");
    if (path === "events") {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      this.listeners.add(response);
      request.on("close", () => this.listeners.delete(response));
      this.tellStatus();
    } else if (path === "trace") this.trace(url.searchParams, request, response);
    else if (path === "processes") json(200, { processes: this.processes });
    else if (asked.method === "POST" && path === "recordings") {
      const { hz, name, seconds } = asked.body as { hz: number; name?: string; seconds?: number };
      const recording = {
        id: this.recordings.length + 1,
        name: name ?? null,
        hz,
        pids: [],
        from_us: this.nowS * 1e6,
        to_us: null,
        state: "running",
        seconds,
      };
      this.recordings.push(recording);
      json(201, recording);
      this.tell("recording", recording);
    } else if (asked.method === "POST" && /^recordings\/\d+\/stop$/.test(path)) {
      const one = this.recordings[Number(path.split("/")[1]) - 1] as { state: string; to_us: number };
      Object.assign(one, { state: "done", to_us: this.nowS * 1e6 });
      json(200, one);
      this.tellStatus();
    } else if (asked.method === "POST" && path === "marks") {
      const { name, before_s, after_s } = asked.body as { name: string; before_s: number; after_s: number };
      const at = this.nowS * 1e6;
      const mark = {
        id: this.marks.length + 1,
        name,
        cause: "request",
        at_us: at,
        from_us: at - before_s * 1e6,
        to_us: at + after_s * 1e6,
        pid: null,
        details: "",
      };
      this.marks.push(mark);
      json(201, mark);
      this.tell("mark", mark);
    } else json(404, { error: `there is no ${path}` });
  }

  private trace(query: URLSearchParams, request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { "Content-Type": "application/octet-stream" });
    const seconds = (name: string) => Number((query.get(name) ?? "").replace("@", ""));
    if (query.get("follow") !== "1") {
      const [from, to] = [seconds("from"), seconds("to")];
      const stream = new MadeUpStream({ ...this.options, startS: from });
      response.write(stream.header());
      while (stream.endMs < (to - from) * 1000) response.write(stream.segment());
      response.end();
      return;
    }
    const only = query.get("pid");
    const stream = new MadeUpStream({ ...this.options, ...(only && { processes: 1 }) });
    response.write(stream.header());
    while (stream.endMs < this.segments * 2000) response.write(stream.segment());
    const follower = { stream, response };
    this.followers.add(follower);
    request.on("close", () => this.followers.delete(follower));
    response.on("close", () => this.followers.delete(follower));
  }
}
