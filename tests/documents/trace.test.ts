/** A whole writing session through a live service, an operation for each character. */

import { openDocument } from "../../src/client/documents.ts";
import assert from "node:assert/strict";
import * as Y from "yjs";
import { SkeinYjsProvider } from "../../src/client/yjs.ts";
import { until } from "../client/crowd.ts";
import { type Restartable, TRANSPORTS, withService } from "./live.ts";
import { recorded, replay, type Trace, typed } from "./trace.ts";

/** A recorded session to take in place of one that is made. */
const FILE = Deno.env.get("SKEIN_TRACE");
const EDITS = 20_000;
const DOC = "doc:paper";

const textOf = ({ doc }: SkeinYjsProvider) => doc.getText("t").toString();

async function traceOf(edits: number): Promise<Trace> {
  if (FILE === undefined) return typed(edits, 1);
  const { patches } = await recorded(FILE);
  const first = patches.slice(0, edits);
  return {
    patches: first,
    end: first.reduce(
      (text, [at, remove, insert]) => text.slice(0, at) + insert + text.slice(at + remove),
      "",
    ),
  };
}

async function write(place: Restartable, { patches, end }: Trace): Promise<void> {
  const clients = TRANSPORTS.slice(0, 3).map((over, i) => place.client(`user${i}`, over));
  const [writer, reader, latecomer] = clients as [typeof clients[0], typeof clients[0], typeof clients[0]];
  let compacted = 0;
  try {
    const open = (client: typeof writer) =>
      new SkeinYjsProvider(openDocument(client, DOC), new Y.Doc(), { awareness: null });
    const first = open(writer), second = open(reader);
    first.on("compacted", () => compacted++);
    await Promise.all([first.ready, second.ready]);
    let told = 0;
    second.document.on("operation", () => told++);
    await replay(patches, first.doc.getText("t"), () => writer.manager.pending);
    assert.equal(textOf(first), end);
    await until(
      "the second one has all",
      () => told === patches.length && writer.manager.pending === 0,
      60_000,
    );
    assert.equal(textOf(second), end);
    assert.ok(compacted > patches.length / 5000, `${compacted} snapshots were made meanwhile`);
    // From a snapshot and what came after it.
    let tail = 0;
    const third = open(latecomer);
    third.document.on("operation", () => tail++);
    await third.ready;
    assert.equal(textOf(third), end);
    assert.ok(tail < patches.length / 2, `${tail} operations were told beside the snapshot`);
    assert.deepEqual(Y.encodeStateVector(third.doc), Y.encodeStateVector(first.doc));
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

Deno.test("document trace: twenty thousand keystrokes arrive in order, and a latecomer has the same text from a snapshot and the rest", async () => {
  const trace = await traceOf(EDITS);
  assert.equal(trace.patches.length, EDITS);
  await withService((place) => write(place, trace));
});

Deno.test("document trace: a made session is the same each time, and its end is what its edits lead to", () => {
  const { patches, end } = typed(3000, 7);
  assert.deepEqual(typed(3000, 7), { patches, end });
  assert.notEqual(typed(3000, 8).end, end);
  const text = new Y.Doc().getText();
  let deletions = 0, jumps = 0, next = 0;
  for (const [at, remove, insert] of patches) {
    deletions += remove;
    if (at !== next && at !== next - 1) jumps++;
    next = at + insert.length;
    text.delete(at, remove);
    text.insert(at, insert);
  }
  assert.equal(text.toString(), end);
  assert.ok(deletions > 600 && deletions < 1200 && jumps > 200 && jumps < 1000, `${deletions} ${jumps}`);
});
