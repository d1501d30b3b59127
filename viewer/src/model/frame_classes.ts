// SPDX-License-Identifier: MIT OR Apache-2.0

// Gives the functions and the lines of a trace's frames numbers to compare.

import { PairTable } from "./symbol_table.ts";
import type { Trace } from "./trace.ts";

/** The function and the line of each frame, as numbers to compare. The numbers are dense. */
export interface FrameClasses {
  /** The number of each frame's function. */
  functionOf: Uint32Array;
  /** The first frame of each function. */
  functionFrame: Uint32Array;
  /** The number of each frame's file, function and line together. */
  lineOf: Uint32Array;
  lineFrame: Uint32Array;
  /** 1 for a frame of the standard library or of an installed package. */
  library: Uint8Array;
}

const LIBRARY_FILE = /(^|[\\/])(site-packages|dist-packages|lib\/python\d[.\d]*|python\d+\.zip)([\\/]|$)|^<frozen /;

/** Whether a file belongs to the standard library or an installed package. */
export function isLibrary(file: string): boolean {
  return LIBRARY_FILE.test(file);
}

/** Numbers the functions and lines of a trace's frames, also of those that are added later. */
export class Classifier implements FrameClasses {
  functionOf = new Uint32Array(0);
  functionFrame = new Uint32Array(0);
  lineOf = new Uint32Array(0);
  lineFrame = new Uint32Array(0);
  library = new Uint8Array(0);
  private functions = new PairTable();
  private lines = new PairTable();
  private libraryFile = new Map<number, boolean>();

  constructor(private trace: Trace) {
    this.grow();
  }

  /** Adds the frames that are new. */
  grow(): void {
    const { file, func, line } = this.trace.frames;
    const known = this.functionOf.length;
    if (known === file.length) return;
    const functionFrame: number[] = [];
    const lineFrame: number[] = [];
    this.functionOf = longer(this.functionOf, file.length);
    this.lineOf = longer(this.lineOf, file.length);
    const library = new Uint8Array(file.length);
    library.set(this.library);
    this.library = library;
    for (let frame = known; frame < file.length; frame++) {
      let number = this.functions.find(file[frame], func[frame]);
      if (number < 0) {
        number = this.functionFrame.length + functionFrame.push(frame) - 1;
        this.functions.add(file[frame], func[frame], number);
      }
      this.functionOf[frame] = number;
      let exact = this.lines.find(number, line[frame]);
      if (exact < 0) {
        exact = this.lineFrame.length + lineFrame.push(frame) - 1;
        this.lines.add(number, line[frame], exact);
      }
      this.lineOf[frame] = exact;
      library[frame] = Number(this.isLibrary(file[frame]));
    }
    this.functionFrame = followedBy(this.functionFrame, functionFrame);
    this.lineFrame = followedBy(this.lineFrame, lineFrame);
  }

  private isLibrary(file: number): boolean {
    let library = this.libraryFile.get(file);
    if (library === undefined) {
      library = isLibrary(this.trace.strings[file]);
      this.libraryFile.set(file, library);
    }
    return library;
  }
}

function longer(column: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const next = new Uint32Array(length);
  next.set(column);
  return next;
}

function followedBy(column: Uint32Array, more: number[]): Uint32Array<ArrayBuffer> {
  const next = longer(column, column.length + more.length);
  next.set(more, column.length);
  return next;
}

export const classify = (trace: Trace) => new Classifier(trace);

/** Whether a frame is of the function with this name and file. */
export function isNamed({ frames, strings }: Trace, frame: number, wanted: { func: string; file: string }): boolean {
  return strings[frames.func[frame]] === wanted.func && strings[frames.file[frame]] === wanted.file;
}
