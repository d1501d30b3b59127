// SPDX-License-Identifier: MIT OR Apache-2.0

// The bar of the live page: whether the picture follows, what is recorded, and the controls.

import { byId, fill, h, refill } from "../ui/dom.ts";

/** What the bar says and offers. */
export interface BarState {
  /** Whether there is a trace that can be followed. */
  readonly hasTrace: boolean;
  readonly following: boolean;
  /** Whether an earlier piece of time is shown instead of what happens now. */
  readonly isPast: boolean;
  /** What the picture does, in a few words. */
  readonly words: string;
  readonly tone: "good" | "calm" | "bad";
  readonly target: string;
  /** The rate of the recording that runs; 0 if none does. */
  readonly recordingHz: number;
  readonly moments: number;
  readonly status: string;
  readonly problems: number;
}

export type Control = "follow" | "earlier" | "later" | "target" | "record" | "mark" | "moments" | "save" | "problems";

export class LiveBar {
  private bar = byId("server");
  private controls = h("span", { class: "group" });
  private state = h("span", { class: "state" });
  private status = h("span", { class: "status" });
  private shown = "";

  constructor(private onControl: (control: Control, button: HTMLElement) => void) {
    this.bar.hidden = false;
    document.body.classList.add("served");
    fill(this.bar, this.state, this.controls, this.status);
  }

  /** The button of a control, if it is there now. */
  button(control: Control): HTMLElement | null {
    return this.bar.querySelector<HTMLElement>(`[data-key=${control}]`);
  }

  render(state: BarState): void {
    const text = JSON.stringify(state);
    // The buttons stay as long as they say the same: one may be pressed just now.
    if (text === this.shown) return;
    this.shown = text;
    const { hasTrace, following, isPast, recordingHz, moments, problems } = state;
    this.state.className = `state ${state.tone}`;
    this.state.textContent = state.words;
    this.state.title = state.words;
    const follow = isPast ? "Back to live" : following ? "Following" : "Follow";
    refill(
      this.controls,
      this.make("follow", follow, "Follow the end of the recording, or stop following (e)", {
        pressed: following,
        off: !hasTrace && !isPast,
      }),
      this.make("earlier", "◂ Earlier", "Show the ten minutes before (PageUp)", {}),
      isPast && this.make("later", "Later ▸", "Show the ten minutes after (PageDown)", {}),
      this.make("target", `${state.target} ▾`, "Choose the process to show", { opens: true }),
      this.make(
        "record",
        recordingHz > 0 ? `Recording at ${recordingHz} Hz ▾` : "Record ▾",
        "Start or stop a recording",
        {
          opens: true,
          on: recordingHz > 0,
        },
      ),
      this.make("mark", "Mark ▾", "Mark this moment, to keep the time around it (Shift-M)", { opens: true }),
      this.make("moments", `Moments ${moments > 0 ? `(${moments}) ` : ""}▾`, "Marks and recordings; go to a time", {
        opens: true,
      }),
      this.make("save", "Save ▾", "Save what the window shows, in any format", { opens: true }),
    );
    fill(
      this.status,
      problems > 0 &&
        this.make("problems", `⚠ ${problems} ${problems === 1 ? "problem" : "problems"}`, "What the recorder reports", {
          opens: true,
        }),
      h("span", {}, state.status),
    );
    this.status.title = state.status;
  }

  private make(
    control: Control,
    label: string,
    title: string,
    { pressed, opens, on, off }: { pressed?: boolean; opens?: boolean; on?: boolean; off?: boolean },
  ): HTMLElement {
    const button = h(
      "button",
      {
        "data-key": control,
        title,
        class: on ? "on" : null,
        "aria-pressed": pressed,
        "aria-haspopup": opens ? "dialog" : null,
        disabled: off,
      },
      label,
    );
    button.addEventListener("click", () => this.onControl(control, button));
    return button;
  }
}
