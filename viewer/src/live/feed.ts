// SPDX-License-Identifier: MIT OR Apache-2.0

// Reads the trace that the server sends as it happens: a container without an end. After a lost
// connection it asks again, for the same time from its start, which the server has kept.

import { type Block, BlockReader, KIND } from "../model/blocks.ts";
import { TraceBuilder } from "../model/builder.ts";
import { ContainerDecoder, isLarge, unpacked } from "../model/container.ts";
import type { Trace } from "../model/trace.ts";
import { Backoff, pause } from "./backoff.ts";
import { messageOf, type Server } from "./server.ts";

/** Microseconds of a tick: times of eleven hours fit. */
const TICK_US = 10;
/** How long decoding may take before the page gets its turn, in milliseconds. */
const TURN_MS = 12;
/** A stream that pauses for so long has sent what was there before, in milliseconds. */
const QUIET_MS = 250;
/** After so long the trace is shown even if more of the past still comes, in milliseconds. */
const PATIENCE_MS = 4000;

export interface FeedHandlers {
  /** What to ask for: the query of `api/v1/trace`. */
  query(): string;
  /** A trace is there to be shown. It will grow. */
  opened(trace: Trace): void;
  /** The trace that was opened last has grown. */
  grown(): void;
  /** Nothing was sampled so far, in the time that was asked for. */
  empty(): void;
  /** The connection was lost; the server is asked again after some milliseconds. */
  lost(reason: string, againMs: number): void;
}

export class Feed {
  private abort = new AbortController();
  private isHeld = false;
  private due: (() => void) | null = null;

  constructor(
    private server: Server,
    private handlers: FeedHandlers,
    private backoff = new Backoff(),
  ) {}

  /** Begins a trace, instead of the one that is read now. */
  start(): void {
    this.stop();
    this.abort = new AbortController();
    void this.run(this.abort.signal);
  }

  stop(): void {
    this.abort.abort();
    this.due = null;
  }

  /** While it is held, for instance as long as a pointer is pressed, the trace does not change. */
  hold(isHeld: boolean): void {
    this.isHeld = isHeld;
    if (isHeld || !this.due) return;
    const { due } = this;
    this.due = null;
    due();
  }

  private async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let reason = "the server ended the stream";
      try {
        await this.read(signal);
      } catch (error) {
        reason = messageOf(error);
      }
      if (signal.aborted) return;
      const wait = this.backoff.next();
      this.handlers.lost(reason, wait);
      await pause(wait, signal);
    }
  }

  private async read(signal: AbortSignal): Promise<void> {
    const connection = new AbortController();
    const end = () => connection.abort();
    signal.addEventListener("abort", end);
    try {
      const response = await this.server.get(`trace?${this.handlers.query()}`, { signal: connection.signal });
      const reader = response.body?.getReader();
      if (reader) await new Reading(this.handlers, signal, (call) => this.whenFree(call)).run(reader, this.backoff);
    } finally {
      signal.removeEventListener("abort", end);
      connection.abort();
    }
  }

  private whenFree(call: () => void): void {
    if (this.isHeld) this.due = call;
    else call();
  }
}

/** One connection, and the trace that it sends. */
class Reading {
  private blocks = new BlockReader();
  private decoder = new ContainerDecoder(new TraceBuilder(TICK_US));
  private isOpened = false;
  private hasSegment = false;
  private began = performance.now();

  constructor(
    private handlers: FeedHandlers,
    private signal: AbortSignal,
    private whenFree: (call: () => void) => void,
  ) {}

  async run(reader: ReadableStreamDefaultReader<Uint8Array>, backoff: Backoff): Promise<void> {
    for (;;) {
      const next = reader.read();
      if (this.hasSegment && !this.isOpened && (await isQuiet(next))) this.show();
      const { done, value } = await next;
      if (done || this.signal.aborted) return;
      this.blocks.push(value);
      const isGrown = await this.decode();
      if (this.signal.aborted) return;
      if (isGrown) backoff.reset();
      if (isGrown && (this.isOpened || performance.now() - this.began > PATIENCE_MS)) this.show();
      if (this.blocks.damaged) throw new Error("the stream is damaged");
    }
  }

  /** Decodes the blocks that are there; returns whether the trace has grown. */
  private async decode(): Promise<boolean> {
    let isGrown = false;
    let until = performance.now() + TURN_MS;
    for (let block = this.blocks.next(); block; block = this.blocks.next()) {
      await this.block(block);
      if (block.kind === KIND.segment) isGrown = true;
      if (performance.now() < until) continue;
      await new Promise((resolve) => setTimeout(resolve));
      if (this.signal.aborted) return false;
      until = performance.now() + TURN_MS;
    }
    this.hasSegment ||= isGrown;
    return isGrown;
  }

  private async block(block: Block): Promise<void> {
    this.decoder.decode(block, isLarge(block) ? await unpacked(block) : null);
  }

  private show(): void {
    this.whenFree(() => {
      const { decoder, handlers } = this;
      if (!decoder.info || this.signal.aborted) return;
      const trace = decoder.builder.grow(decoder.info, decoder.completeUntil);
      if (this.isOpened) handlers.grown();
      else if (trace.tracks.length === 0) handlers.empty();
      else {
        this.isOpened = true;
        handlers.opened(trace);
      }
    });
  }
}

/** Whether nothing comes for a while. */
function isQuiet(next: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(true), QUIET_MS);
    const comes = () => {
      clearTimeout(timer);
      resolve(false);
    };
    next.then(comes, comes);
  });
}
