// SPDX-License-Identifier: MIT OR Apache-2.0

// A timeline of a service that nobody recorded, for tests of what is drawn: its rows are the
// same in every run, and include those that a recording has only sometimes.

type Frame = [file: string, line: number, func: string, source: string];

const library = (file: string, line: number, func: string): Frame => [`/usr/lib/python3.11/${file}`, line, func, "..."];
const own = (line: number, func: string, source: string): Frame => ["/srv/service.py", line, func, source];

/** The frames of a job, outermost first. */
const JOB: Frame[] = [
  library("threading.py", 1002, "Thread._bootstrap"),
  library("threading.py", 1045, "Thread._bootstrap_inner"),
  library("threading.py", 982, "Thread.run"),
  own(76, "worker_loop", "handle_job(jobs.get())"),
  own(68, "handle_job", '"signature": sign_answer(job.body),'),
];
/** What a job does; the deepest work is at the end of the list. */
const WORK: Frame[][] = [
  [own(59, "sign_answer", "digest = hashlib.sha256(digest + body).digest()")],
  [
    own(51, "find_references", 'for word, number in WORD.findall(order["note"]):'),
    library("re/__init__.py", 217, "findall"),
  ],
  [
    own(34, "parse_orders", 'return json.loads(body)["orders"]'),
    library("json/__init__.py", 346, "loads"),
    library("json/decoder.py", 337, "JSONDecoder.decode"),
    library("json/decoder.py", 353, "JSONDecoder.raw_decode"),
    ...Array.from({ length: 10 }, (_, at) => library("json/scanner.py", 30 + at, `scan_${at}`)),
  ],
];
const LOOP = 4;

/** The deepest stack, in frames. */
export const DEEPEST = JOB.length + WORK[2].length;

function stack(at: number, worker: number): Frame[] {
  if (at === 0) return [...JOB, ...WORK[2]];
  if (at % 9 === 8) return [];
  const whole = [...JOB, ...WORK[(at + worker) % WORK.length]];
  return whole.slice(0, LOOP + ((at * 5 + worker) % (DEEPEST - LOOP + 1)));
}

/**
 * Three workers for four seconds. Each begins with the deepest stack, and then has rows from a
 * millisecond to a tenth of a second, of all depths, and times without a stack.
 */
export function service(): string {
  const rows: { us: number; worker: number; frames: Frame[] }[] = [];
  for (let worker = 0; worker < 3; worker++) {
    let us = 0;
    for (let at = 0; us < 4e6; at++) {
      rows.push({ us, worker, frames: stack(at, worker) });
      us += [60, 30, 1, 1, 2, 18, 100, 5, 24, 45, 9][at % 11] * 1000;
    }
  }
  rows.sort((a, b) => a.us - b.us);
  const start = 1_700_000_000;
  const lines = rows.map(({ us, worker, frames }) => [start + us / 1e6, 1000 + worker, `worker-${worker}`, frames]);
  return JSON.stringify([...lines, [start + 4, null, null, []]]);
}
