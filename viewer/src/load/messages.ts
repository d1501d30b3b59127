// What the page and its worker say to each other. It refuses to know traces.

import type { Trace } from "../model/trace.ts";

export type Request = { file: Blob } | { base64: string };

export type Answer = { progress: number } | { trace: Trace } | { error: string };
