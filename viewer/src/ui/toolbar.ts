// SPDX-License-Identifier: MIT OR Apache-2.0

// The bar at the top: what is open, the search, and the settings as buttons.

import { EXPORTS, type ExportKind } from "../export/save.ts";
import { count, date, duration, percent } from "../model/format.ts";
import { safeText } from "../model/safe_text.ts";
import { nextHit } from "../session/navigate.ts";
import { SCOPES, type Scope } from "../session/selection.ts";
import type { Session } from "../session/session.ts";
import { byId, fill, h, handled, refill } from "./dom.ts";
import { showHelp } from "./help.ts";
import { look } from "./look.ts";

export interface ToolbarCommands {
  open(second: boolean): void;
  exportAs(kind: ExportKind): void;
}

export class Toolbar {
  private bar = byId("bar");
  private search = h("input", {
    type: "search",
    id: "search",
    placeholder: "Search text or file:line",
    "aria-label": "Search functions, files and lines",
  });
  private expression = h("button", { title: "Search by regular expression", "aria-label": "Regular expression" }, ".*");
  private result = h("output", { for: "search", "aria-live": "polite" });
  private buttons = h("span", { class: "group" });
  private timer = 0;
  /** Ends what the page's look would hold on to. */
  readonly close: () => void;

  constructor(
    private session: Session,
    private commands: ToolbarCommands,
  ) {
    const { search } = this;
    search.value = session.search.text;
    search.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = window.setTimeout(() => this.apply(), 120);
    });
    search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        this.apply();
        nextHit(session, event.shiftKey ? -1 : 1);
        event.preventDefault();
      } else if (event.key === "Escape") {
        search.value = "";
        this.apply();
        byId("tracks").focus();
      }
      event.stopPropagation();
    });
    this.expression.addEventListener("click", () => {
      session.search.find(search.value, !session.search.expression);
    });
    const about = h("span", { class: "about" });
    session.on(["trace"], () => {
      about.title = aboutTrace(session);
      about.textContent = about.title;
    });
    fill(
      this.bar,
      h("h1", {}, "pyebpf"),
      about,
      h("span", { class: "group", role: "search" }, search, this.expression, this.result),
      this.buttons,
    );
    session.on(["search", "window"], () => this.showResult());
    session.on(["tree", "look", "search", "selection"], () => this.render());
    this.close = look.on(() => session.redrawColours());
    this.render();
    this.showResult();
  }

  focusSearch(): void {
    this.search.focus();
    this.search.select();
  }

  find(text: string): void {
    this.search.value = text;
    this.session.search.find(text, this.session.search.expression);
  }

  private apply(): void {
    clearTimeout(this.timer);
    if (this.search.value !== this.session.search.text)
      this.session.search.find(this.search.value, this.session.search.expression);
  }

  private showResult(): void {
    const { session, result } = this;
    if (document.activeElement !== this.search) this.search.value = session.search.text;
    this.expression.setAttribute("aria-pressed", String(session.search.expression));
    result.className = session.search.error ? "error" : "";
    if (session.search.error) result.textContent = safeText(session.search.error).slice(0, 60);
    else if (session.search.hitStacks.length === 0) result.textContent = "";
    else result.textContent = `${percent(session.derived.hitShare)} of the window`;
  }

  private render(): void {
    const { session } = this;
    const { settings, transforms } = session;
    const scope = h(
      "select",
      {
        "data-key": "scope",
        "aria-label": "Where shared frames are highlighted",
        title: "Where shared frames are highlighted, and what the panels count (o)",
      },
      ...SCOPES.map((name) =>
        h(
          "option",
          { value: name, selected: session.selection.scope === name },
          name === "all" ? "Everything" : `This ${name}`,
        ),
      ),
    );
    scope.addEventListener("change", () => session.selection.setScope(scope.value as Scope));
    const exact = settings.exactness === "line";
    const button = (id: string, label: string, title: string, pressed: boolean | null, onclick: () => void) =>
      h("button", { "data-key": id, title, "aria-pressed": pressed, onclick }, label);
    refill(
      this.buttons,
      button("mine", "My code", "Hide the standard library and installed packages (u)", transforms.has("mine"), () =>
        session.transforms.toggle("mine"),
      ),
      button(
        "exact",
        exact ? "Same line" : "Same function",
        "Whether frames match by line or by function (l)",
        null,
        () => settings.toggleExactness(),
      ),
      scope,
      button("undo", "Undo", "Undo the last transform (Ctrl-Z)", null, () => session.transforms.undo()),
      button("look", look.dark ? "☀" : "☾", "Switch between light and dark", null, () =>
        look.set(look.dark ? "light" : "dark", look.scheme),
      ),
      button("menu", "⋯", "Export, open, colours", null, () => this.menu()),
      button("help", "?", "Keys and mouse (?)", null, showHelp),
    );
    this.buttons.querySelector("[data-key=menu]")?.setAttribute("aria-haspopup", "menu");
    this.buttons.querySelector("[data-key=menu]")?.setAttribute("aria-label", "Menu: export, open, colours");
    this.buttons.querySelector("[data-key=look]")?.setAttribute("aria-label", look.dark ? "Light" : "Dark");
    this.buttons.querySelector("[data-key=help]")?.setAttribute("aria-label", "Help: keys and mouse");
  }

  private menu(): void {
    const { commands } = this;
    const button = this.buttons.querySelector<HTMLElement>("[data-key=menu]") ?? this.buttons;
    const anchor = button.getBoundingClientRect();
    // Removing the focused item makes the menu lose the focus, which calls `close` again.
    let isOpen = true;
    const close = () => {
      if (isOpen) {
        isOpen = false;
        menu.remove();
      }
    };
    const item = (label: string, run: () => void) =>
      h(
        "li",
        { role: "none" },
        h(
          "button",
          {
            role: "menuitem",
            onclick: () => {
              close();
              run();
            },
          },
          label,
        ),
      );
    const classic = look.scheme === "classic";
    const menu = h(
      "menu",
      { role: "menu", "aria-label": "Export, open, colours" },
      ...EXPORTS.map(({ kind, label }) => item(`Export the window: ${label}`, () => commands.exportAs(kind))),
      item("Open another trace…", () => commands.open(false)),
      item("Compare with a second trace…", () => commands.open(true)),
      item(classic ? "Colours: safe for colour blindness" : "Colours: classic red and blue", () =>
        look.set(look.theme, classic ? "safe" : "classic"),
      ),
      item("Colours: follow the system", () => look.set("auto", look.scheme)),
    );
    document.body.append(menu);
    menu.style.top = `${anchor.bottom + 4}px`;
    menu.style.left = `${Math.max(4, Math.min(anchor.left, window.innerWidth - menu.offsetWidth - 8))}px`;
    const items = [...menu.querySelectorAll("button")];
    items[0].focus();
    menu.addEventListener("keydown", (event) => {
      const at = items.indexOf(document.activeElement as HTMLButtonElement);
      const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
      if (step !== 0) items[(at + step + items.length) % items.length].focus();
      else if (event.key === "Escape") {
        close();
        this.buttons.querySelector<HTMLElement>("[data-key=menu]")?.focus();
      } else if (event.key !== "Enter" && event.key !== " " && event.key !== "Tab") return;
      if (event.key !== "Enter" && event.key !== " ") handled(event);
    });
    menu.addEventListener("focusout", (event) => {
      if (!menu.contains(event.relatedTarget as Node | null)) close();
    });
  }
}

/** One line about the trace that is open. */
export function aboutTrace(session: Session): string {
  const { trace } = session;
  const { info } = trace;
  const parts = [
    safeText(info.host),
    info.unixStartUs > 0 ? date(info.unixStartUs) : "",
    duration(session.us(trace.end)),
    info.hz > 0 ? `${info.hz} Hz` : "",
    info.mode && `${safeText(info.mode)} mode`,
    `${trace.tracks.length} threads`,
    `${count(trace.rows)} rows`,
  ];
  return parts.filter(Boolean).join(" · ");
}
