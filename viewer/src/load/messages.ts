// SPDX-License-Identifier: MIT OR Apache-2.0

// The messages between the page and its worker.

import type { Trace } from "../model/trace.ts";

/** What to open. Exactly one is set: a file, or the container in the page as base64. */
export interface Request {
  file?: Blob;
  base64?: string;
}

/** Exactly one is set: the progress (0 to 1), the trace, or why it cannot be read. */
export interface Answer {
  progress?: number;
  trace?: Trace;
  error?: string;
}
