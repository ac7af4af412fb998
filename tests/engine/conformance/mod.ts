/** What every engine must do. The test of an engine calls `conformance` with a way to open it. */

import assert from "node:assert/strict";
import { blobConformance } from "./blobs.ts";
import { commandConformance } from "./commands.ts";
import { editConformance } from "./edits.ts";
import { erasureConformance } from "./erasure.ts";
import { growthConformance } from "./growth.ts";
import { historyConformance } from "./history.ts";
import { logConformance } from "./log.ts";
import { presenceConformance } from "./presence.ts";
import { type Capabilities, fill, registerFor } from "./subject.ts";
import { uploadConformance } from "./uploads.ts";
import { valueConformance } from "./values.ts";

/** Registers the tests of an engine. */
export function conformance(engine: Capabilities): void {
  logConformance(engine);
  historyConformance(engine);
  editConformance(engine);
  growthConformance(engine);
  presenceConformance(engine);
  valueConformance(engine);
  commandConformance(engine);
  blobConformance(engine);
  uploadConformance(engine);
  erasureConformance(engine);

  const test = registerFor(engine, "engine");

  test("says whether it can commit", async ({ engine }) => {
    assert.equal(engine.healthy(), true);
    await engine.close();
    assert.equal(engine.healthy(), false);
  });

  test("says how many channels it has in memory, also after its end", async (b) => {
    const before = b.engine.status().channels;
    await fill(b, "chat:a", 3);
    await b.engine.log.follow("chat:b", () => {});
    assert.equal(b.engine.status().channels, before + 2);
    await b.engine.close();
    assert.equal(typeof b.engine.status().channels, "number");
  });

  if (!engine.peers) {
    test("refuses a second instance on its store", async ({ peer }) => {
      await assert.rejects(async () => await peer());
    });
  }
}
