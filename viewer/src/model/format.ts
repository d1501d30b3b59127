// SPDX-License-Identifier: MIT OR Apache-2.0

// Formats numbers and times for people.

/** Formats a length of time, given in microseconds. */
export function duration(us: number): string {
  if (us < 1) return "0 s";
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1e6) return `${trim(us / 1000)} ms`;
  if (us < 60e6) return `${trim(us / 1e6)} s`;
  const seconds = Math.round(us / 1e6);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  if (hours > 0) return `${hours} h ${String(minutes).padStart(2, "0")} min`;
  return `${minutes} min ${String(seconds % 60).padStart(2, "0")} s`;
}

function trim(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** Formats a share, 0 to 1, as a percentage. */
export function percent(part: number): string {
  if (!Number.isFinite(part)) return "–";
  const value = part * 100;
  if (value === 0) return "0 %";
  if (value < 0.1) return "<0.1 %";
  return `${value >= 99.95 ? "100" : value >= 10 ? value.toFixed(0) : value.toFixed(1)} %`;
}

/**
 * Formats a moment, `us` after the start: as the time of day in this browser's zone, or as
 * the time since the start if `unixStartUs` is 0.
 */
export function moment(us: number, unixStartUs: number, digits = 3): string {
  if (unixStartUs <= 0) return sinceStart(us, digits);
  const date = new Date((unixStartUs + us) / 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  if (digits === 0) return clock;
  const fraction = String(Math.floor((unixStartUs + us) % 1e6)).padStart(6, "0");
  return `${clock}.${fraction.slice(0, digits)}`;
}

function sinceStart(us: number, digits: number): string {
  const seconds = us / 1e6;
  const minutes = Math.floor(seconds / 60);
  const rest = (seconds - minutes * 60).toFixed(digits);
  if (minutes === 0) return `${rest} s`;
  const padded = rest.padStart(digits === 0 ? 2 : digits + 3, "0");
  if (minutes < 60) return `${minutes}:${padded}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${padded}`;
}

export function date(unixUs: number): string {
  return new Date(unixUs / 1000).toLocaleDateString(undefined, { year: "numeric", month: "short", day: "numeric" });
}

export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** The last part of a path. */
export function shortFile(file: string): string {
  const parts = file.split(/[\\/]/);
  return parts[parts.length - 1] || file;
}
