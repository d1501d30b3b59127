// What the page and its worker say to each other. It refuses to know traces.

import type { Trace } from "../model/trace.ts";

/** One of these. */
export interface Request {
  file?: Blob;
  base64?: string;
}

/** One of these. */
export interface Answer {
  progress?: number;
  trace?: Trace;
  error?: string;
}
