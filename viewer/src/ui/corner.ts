// SPDX-License-Identifier: MIT OR Apache-2.0

// The sort order and the filter of the threads, above their names.

import type { SortOrder } from "../session/layout.ts";
import type { Session } from "../session/session.ts";
import { byId, fill, h } from "./dom.ts";

const ORDERS: [SortOrder, string][] = [
  ["activity", "busiest"],
  ["name", "name"],
  ["pid", "pid"],
];

export function corner(session: Session): void {
  const filter = h("input", {
    type: "search",
    placeholder: "threads",
    "aria-label": "Filter threads and processes",
    value: session.tracks.filter,
  });
  filter.addEventListener("input", () => {
    session.tracks.setFilter(filter.value);
  });
  filter.addEventListener("keydown", (event) => event.stopPropagation());
  const sort = h(
    "select",
    { "aria-label": "Order of threads", title: "Order of threads" },
    ...ORDERS.map(([order, label]) => h("option", { value: order, selected: session.tracks.sort === order }, label)),
  );
  sort.addEventListener("change", () => session.tracks.setSort(sort.value as SortOrder));
  fill(byId("corner"), filter, sort);
}
