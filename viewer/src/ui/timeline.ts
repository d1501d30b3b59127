// SPDX-License-Identifier: MIT OR Apache-2.0

// The picture of all threads: paints it when something changes, and whenever the scanner has
// found more to mark.

import type { Session } from "../session/session.ts";
import { ExtremeScanner } from "./extremes.ts";
import { TimelineArea } from "./timeline_area.ts";
import { TimelinePainter } from "./timeline_painter.ts";
import { TimelinePointer } from "./timeline_pointer.ts";

export class Timeline {
  private area: TimelineArea;
  private painter: TimelinePainter;
  private scanner: ExtremeScanner;
  private abort = new AbortController();

  constructor(session: Session) {
    const { signal } = this.abort;
    this.area = new TimelineArea(session);
    this.scanner = new ExtremeScanner(session, () => this.painter.paint());
    this.painter = new TimelinePainter(session, this.area, this.scanner);
    new TimelinePointer(session, this.area, signal);
    session.on(["tree", "view", "selection", "search", "layout"], () => this.refresh());
    session.on(["look"], () => {
      this.painter.recolour();
      this.refresh();
    });
    const { scroll } = this.area;
    scroll.addEventListener("scroll", () => session.redrawTimeline(), { signal, passive: true });
    const observer = new ResizeObserver(() => {
      this.area.resize();
      session.redrawTimeline();
    });
    observer.observe(scroll);
    signal.addEventListener("abort", () => observer.disconnect());
    this.area.resize();
    this.refresh();
  }

  close(): void {
    this.abort.abort();
    this.scanner.stop();
  }

  private refresh(): void {
    this.painter.paint();
    this.scanner.start(this.area.visibleRows(), this.area.canvas.width);
  }

  /** The x coordinate of a time, in CSS pixels. */
  xAt(time: number): number {
    return this.area.xAt(time);
  }

  /** Makes the visible time `factor` times as long, around its middle. */
  zoom(factor: number): void {
    this.area.zoom(factor);
  }

  /** Scrolls the list so that a track is visible. */
  showTrack(number: number): void {
    this.area.showTrack(number);
  }
}
