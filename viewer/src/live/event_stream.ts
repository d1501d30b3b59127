// SPDX-License-Identifier: MIT OR Apache-2.0

// Reads a stream of server-sent events, by the rules of the HTML standard, from pieces of text.

export interface ServerEvent {
  readonly kind: string;
  readonly data: string;
}

/** The most letters of an event that is not complete yet. */
const LONGEST = 4 << 20;

export class EventParser {
  private rest = "";
  private kind = "";
  private data: string[] = [];
  private length = 0;
  /** The id of the last event that was complete, to go on after it. */
  lastId = "";
  private id = "";

  /** The events that a piece completes. */
  push(piece: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    // A piece that ends between the two letters of a line end waits for the second.
    const text = this.rest + piece;
    const whole = text.endsWith("\r") ? text.length - 1 : text.length;
    const lines = text.slice(0, whole).split(/\r\n|\n|\r/);
    this.rest = (lines.pop() ?? "") + text.slice(whole);
    for (const line of lines) {
      if (line === "") {
        if (this.data.length > 0) events.push({ kind: this.kind || "message", data: this.data.join("\n") });
        this.lastId = this.id;
        this.clear();
      } else this.field(line);
    }
    if (this.rest.length + this.length > LONGEST) throw new Error("an event is too long");
    return events;
  }

  /** The connection was lost: what is not complete will come again. */
  reset(): void {
    this.rest = "";
    this.id = this.lastId;
    this.clear();
  }

  private clear(): void {
    this.kind = "";
    this.data = [];
    this.length = 0;
  }

  private field(line: string): void {
    const at = line.indexOf(":");
    const name = at < 0 ? line : line.slice(0, at);
    const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
    if (name === "event") this.kind = value;
    else if (name === "id" && !value.includes("\0")) this.id = value;
    else if (name === "data") {
      this.data.push(value);
      this.length += value.length;
    }
  }
}
