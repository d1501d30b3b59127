// SPDX-License-Identifier: MIT OR Apache-2.0

// Keeps what is shown in the part of the address after `#`, so that a link or a reload brings
// it back.

import { addressOf } from "../session/address.ts";
import type { Session } from "../session/session.ts";

const WRITE_MS = 250;

export class UrlHash {
  private timer = 0;

  /** `address` is what is written; the state of the session, unless told otherwise. */
  constructor(
    session: Session,
    private address = () => addressOf(session),
  ) {
    session.on(["view", "selection", "tree", "search", "panel", "look", "layout", "window"], () => {
      clearTimeout(this.timer);
      this.timer = window.setTimeout(() => this.write(), WRITE_MS);
    });
  }

  close(): void {
    clearTimeout(this.timer);
  }

  write(): void {
    const hash = `#${this.address()}`;
    if (hash === location.hash) return;
    try {
      history.replaceState(null, "", hash);
    } catch {
      // This browser forbids it for pages from disk; the page works without it.
    }
  }
}
