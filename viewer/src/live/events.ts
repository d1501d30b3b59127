// SPDX-License-Identifier: MIT OR Apache-2.0

// Listens to what the server tells about itself, and goes on where a lost connection ended. The
// server tells its status every two seconds, so silence means that the connection is gone, too.

import { Backoff, pause } from "./backoff.ts";
import { EventParser, type ServerEvent } from "./event_stream.ts";
import { messageOf, type Server } from "./server.ts";

/** How long the server may be silent, in milliseconds. */
const SILENCE_MS = 15_000;

export interface EventHandlers {
  event(event: ServerEvent): void;
  /** The connection was lost; the server is asked again later. */
  lost(reason: string): void;
}

export class Events {
  private parser = new EventParser();
  private abort = new AbortController();

  constructor(
    private server: Server,
    private handlers: EventHandlers,
    private backoff = new Backoff(),
    private silenceMs = SILENCE_MS,
  ) {}

  start(): void {
    this.stop();
    this.abort = new AbortController();
    void this.run(this.abort.signal);
  }

  stop(): void {
    this.abort.abort();
  }

  private async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let reason = "the server ended the connection";
      try {
        await this.listen(signal);
      } catch (error) {
        reason = messageOf(error);
      }
      if (signal.aborted) return;
      this.handlers.lost(reason);
      await pause(this.backoff.next(), signal);
    }
  }

  private async listen(signal: AbortSignal): Promise<void> {
    const { parser } = this;
    parser.reset();
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (parser.lastId) headers["Last-Event-ID"] = parser.lastId;
    const silent = new AbortController();
    const end = () => silent.abort();
    signal.addEventListener("abort", end);
    let timer = setTimeout(end, this.silenceMs);
    try {
      const response = await this.server.get("events", { headers, signal: silent.signal });
      const reader = response.body?.getReader();
      const decoder = new TextDecoder();
      for (;;) {
        const piece = await reader?.read();
        if (!piece || piece.done) return;
        clearTimeout(timer);
        timer = setTimeout(end, this.silenceMs);
        for (const event of parser.push(decoder.decode(piece.value, { stream: true }))) {
          if (signal.aborted) return;
          this.backoff.reset();
          this.handlers.event(event);
        }
      }
    } catch (error) {
      if (silent.signal.aborted) throw new Error("the server has been silent");
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      silent.abort();
    }
  }
}
