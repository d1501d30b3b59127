// SPDX-License-Identifier: MIT OR Apache-2.0

// Sizes canvases, and draws what several pictures consist of.

/** Sizes a canvas to its place on the page; returns its context, scaled to CSS pixels. */
export function prepare(canvas: HTMLCanvasElement): {
  context: CanvasRenderingContext2D;
  width: number;
  height: number;
  ratio: number;
} {
  const ratio = Math.min(window.devicePixelRatio || 1, 3);
  const { width, height } = canvas.getBoundingClientRect();
  const pixels = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== pixels[0]) canvas.width = pixels[0];
  if (canvas.height !== pixels[1]) canvas.height = pixels[1];
  const context = contextOf(canvas);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height, ratio };
}

/** The context that draws in a canvas. */
export function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser has no canvas");
  return context;
}

/** The text cut to a width, with an ellipsis; empty when nothing fits. */
export function cutTo(context: CanvasRenderingContext2D, text: string, width: number): string {
  if (width < 14) return "";
  const wide = context.measureText(text).width;
  if (wide <= width) return text;
  // An estimate: letters are not equally wide.
  for (let keep = Math.floor((text.length * (width - 12)) / wide); keep >= 2; keep--) {
    const cut = `${text.slice(0, keep)}…`;
    if (context.measureText(cut).width <= width) return cut;
  }
  return "";
}

/** Fills a rectangle of a canvas. */
export function rectangle(
  context: CanvasRenderingContext2D,
  ink: string,
  x: number,
  y: number,
  width: number,
  height: number,
): void {
  context.fillStyle = ink;
  context.fillRect(x, y, width, height);
}

/** Draws diagonal lines over a rectangle, which mark the common base besides its colour. */
export function hatchRect(
  context: CanvasRenderingContext2D,
  colour: string,
  left: number,
  top: number,
  width: number,
  height: number,
): void {
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.beginPath();
  for (let x = left - (left % 6) - height; x < left + width; x += 6) {
    context.moveTo(x, top + height);
    context.lineTo(x + height, top);
  }
  context.stroke();
  context.restore();
}
