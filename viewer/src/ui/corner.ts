// SPDX-License-Identifier: MIT OR Apache-2.0

// The sort order and the filter of the threads, above their names.

import { byId, fill, h } from "./dom.ts";
import type { SortOrder } from "./layout.ts";
import type { Session } from "./session.ts";

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
    value: session.trackFilter,
  });
  filter.addEventListener("input", () => {
    session.filterTracks(filter.value);
  });
  filter.addEventListener("keydown", (event) => event.stopPropagation());
  const sort = h(
    "select",
    { "aria-label": "Order of threads", title: "Order of threads" },
    ...ORDERS.map(([order, label]) => h("option", { value: order, selected: session.settings.sort === order }, label)),
  );
  sort.addEventListener("change", () => session.setSort(sort.value as SortOrder));
  fill(byId("corner"), filter, sort);
}
