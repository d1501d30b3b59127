// SPDX-License-Identifier: MIT OR Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";
import { MAIN, OTHER, opened, WORKER } from "../opened.ts";

test("rows are sorted, filtered, hidden and moved", async () => {
  const { session, told } = await opened();
  const { tracks, derived } = session;
  assert.deepEqual(derived.visibleTracks, [MAIN, WORKER, OTHER]);
  told();
  tracks.setFilter("BATCH");
  assert.deepEqual(derived.visibleTracks, [OTHER]);
  assert.deepEqual(told(), ["layout"]);
  tracks.setFilter("");
  tracks.setSort("name");
  assert.deepEqual(derived.visibleTracks, [OTHER, MAIN, WORKER], "batch before web");
  tracks.setSort("pid");
  tracks.move(WORKER, MAIN, derived.visibleTracks);
  assert.deepEqual(derived.visibleTracks, [WORKER, MAIN, OTHER]);
  tracks.move(MAIN, OTHER, derived.visibleTracks);
  tracks.move(99, MAIN, derived.visibleTracks);
  assert.deepEqual(derived.visibleTracks, [WORKER, MAIN, OTHER], "another process, and no track");
  tracks.setSort("activity");
  assert.deepEqual(derived.visibleTracks, [MAIN, WORKER, OTHER]);
  tracks.toggleProcess(session.trace.tracks[MAIN].process);
  assert.deepEqual(derived.visibleTracks, [OTHER]);
  tracks.toggleProcess(session.trace.tracks[MAIN].process);
  assert.deepEqual(derived.visibleTracks, [MAIN, WORKER, OTHER]);
});

test("rows stand one below the other", async () => {
  const { session } = await opened();
  const { tracks, derived } = session;
  const closed = derived.height;
  tracks.toggleTrack(WORKER);
  assert.notEqual(derived.height, closed);
  let bottom = 0;
  for (const row of derived.rows) {
    assert.equal(row.top, bottom);
    bottom += row.height;
  }
  assert.equal(derived.height, bottom);
  tracks.setFilter("no thread is called so");
  assert.equal(derived.height, 0);
});

test("tracks that are not checked are not counted", async () => {
  const { session, seconds, told } = await opened();
  const { tracks, derived } = session;
  told();
  const total = () => derived.weights.total;
  assert.equal(total(), seconds(13));
  tracks.check(WORKER, false);
  assert.deepEqual(told(), ["window", "layout"]);
  assert.deepEqual(derived.countedTracks, [MAIN, OTHER]);
  assert.equal(total(), seconds(10));
  tracks.check(WORKER, false);
  assert.equal(total(), seconds(10), "it already was");
  tracks.check(WORKER, true);
  assert.equal(total(), seconds(13));
});
