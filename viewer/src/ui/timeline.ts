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

  /** Where the trace ended in the last picture, in ticks. */
  private end: number;

  constructor(private session: Session) {
    this.end = session.trace.end;
    const { signal } = this.abort;
    this.area = new TimelineArea(session);
    this.scanner = new ExtremeScanner(session, () => this.painter.paint());
    this.painter = new TimelinePainter(session, this.area, this.scanner);
    new TimelinePointer(session, this.area, signal);
    session.on(["tree", "view", "selection", "search", "layout"], () => this.refresh());
    session.on(["trace"], () => this.grow());
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
    const { area, painter, scanner, session } = this;
    // A picture that follows the end would lose its marks for a moment each time.
    if (session.viewport.following) {
      scanner.start(area.visibleRows(), area.canvas.width, true);
      painter.paint();
      return;
    }
    painter.paint();
    scanner.start(area.visibleRows(), area.canvas.width);
  }

  /** Paints what was added, if it is in sight. If the view follows the end, it has changed too. */
  private grow(): void {
    const { viewport, trace } = this.session;
    if (!viewport.following && viewport.view.to >= this.end) this.refresh();
    this.end = trace.end;
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
