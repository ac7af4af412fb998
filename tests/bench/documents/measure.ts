/**
 * Measurements of documents, the same at the relay and at the service.
 *
 * @module
 */

import * as Y from "yjs";
import { crc32 } from "../../../src/protocol/mod.ts";
import { recorded, replay, type Trace, typed } from "../../documents/trace.ts";
import { type Measure, measureTrips, median } from "../scenario.ts";
import { dial, framed, type Kind } from "../skein/dial.ts";
import type { Bytes } from "./frames.ts";
import { type Opened, type Peer, type Place, startKeeping } from "./peers.ts";

/** Edits of the session that is replayed when none was recorded. */
const EDITS = 259_778;
/** Messages sent as one piece. */
const BATCH = 50;
/** Messages that may be unacknowledged: as many as the SDK would send. */
const AHEAD = 600;
/** Operations of the document that is opened. */
const OPERATIONS = 10_000;

const textIn = ({ doc }: Opened) => doc.getText("t");

/** Both sides of a document that is not written to yet. */
async function two(place: Place, kind: Kind): Promise<[ann: Peer, bob: Peer, written: Opened, read: Opened]> {
  const [ann, bob] = await Promise.all([place.join(kind, "ann"), place.join(kind, "bob")]);
  const written = ann.open(), read = bob.open();
  await Promise.all([written.ready, read.ready]);
  return [ann, bob, written, read];
}

/** From a change in one client's document to the same in another's, one at a time; microseconds. */
export async function applied(starting: Promise<Place>, kind: Kind): Promise<Measure> {
  await using place = await starting;
  const [ann, bob, written, read] = await two(place, kind);
  let came = () => {};
  read.doc.on("update", () => came());
  const measure = await measureTrips(() => {
    const trip = new Promise<void>((resolve) => came = resolve);
    textIn(written).insert(textIn(written).length, "a");
    return trip;
  });
  await Promise.all([ann.close(), bob.close()]);
  return measure;
}

/** Edits through one client until another one has all of them; returns that one's text. */
async function through(written: Opened, read: Opened, { patches }: Pick<Trace, "patches">): Promise<string> {
  let made = 0, came = 0;
  const sent = function* () {
    for (const patch of patches) {
      made++;
      yield patch;
    }
  };
  const all = new Promise<void>((resolve) => read.hear(() => ++came === patches.length && resolve()));
  await replay(sent(), textIn(written), () => made - came);
  await all;
  return textIn(read).toString();
}

/** A whole writing session, an operation for each character, until the second client has all; milliseconds. */
export async function session(starting: Promise<Place>, kind: Kind): Promise<Measure> {
  // A recorded session, when one is given.
  const path = Deno.env.get("SKEIN_TRACE");
  const trace = path === undefined ? typed(EDITS, 1) : await recorded(path);
  await using place = await starting;
  const [ann, bob, written, read] = await two(place, kind);
  const begun = performance.now();
  const end = await through(written, read, trace);
  const value = performance.now() - begun;
  if (end !== trace.end) throw new Error("the text is another one");
  await Promise.all([ann.close(), bob.close()]);
  return { value };
}

/** Opening a document of 10,000 operations over a connection that is there, as they came or put together; milliseconds. */
export async function opening(starting: Promise<Place>, kind: Kind, together: boolean): Promise<Measure> {
  const { patches, end } = typed(OPERATIONS, 1);
  await using place = await starting;
  const [ann, bob, written, read] = await two(place, kind);
  await through(written, read, { patches });
  if (together) await ann.compact(written);
  const samples: number[] = [];
  for (let i = 0; i < 8; i++) {
    const cem = await place.join(kind, `cem${i}`);
    const begun = performance.now();
    const opened = cem.open();
    await opened.ready;
    samples.push(performance.now() - begun);
    if (textIn(opened).toString() !== end) throw new Error("the text is another one");
    await cem.close();
  }
  await Promise.all([ann.close(), bob.close()]);
  // The first two pay for what all share, so they are not counted.
  return { value: median(samples.slice(2)) };
}

/**
 * Keystrokes as operations of one document on one connection, sent without waiting and acknowledged after their commit;
 * how many a second.
 */
export async function operations(kind: Kind, engine: "memory" | "sqlite", count = 60_000): Promise<Measure> {
  await using server = await startKeeping({ engine, documents: { maxPending: "1GiB" } });
  const client = await dial(server.child, kind, "ann");
  const data = keystroke();
  const payload = { channel: "doc:paper", data: data.toBase64(), checksum: crc32(data) };
  const run = async (batches: readonly Bytes[], count: number): Promise<void> => {
    let sent = 0, acknowledged = 0;
    let wake = () => {};
    const all = new Promise<void>((resolve, reject) => {
      client.onFrame = (frame) => {
        const text = typeof frame === "string" ? frame : new TextDecoder().decode(frame);
        if (!text.includes('"message_ack"')) reject(new Error(text));
        acknowledged++;
        if (sent - acknowledged <= AHEAD) wake();
        if (acknowledged === count) resolve();
      };
    });
    for (const batch of batches) {
      sent += BATCH;
      await client.send(batch);
      if (sent - acknowledged > AHEAD) {
        await Promise.race([
          all,
          new Promise<void>((resolve) => wake = resolve),
        ]);
      }
    }
    await all;
  };
  const prepare = (count: number): Bytes[] =>
    Array.from({ length: count / BATCH }, () => {
      const messages = Array.from({ length: BATCH }, () => framed("doc_op", payload));
      const batch = new Uint8Array(messages.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const message of messages) {
        batch.set(message, at);
        at += message.length;
      }
      return batch;
    });
  await run(prepare(count / 10), count / 10);
  // Made beforehand, because the server is measured and not the client.
  const batches = prepare(count);
  const begun = performance.now();
  await run(batches, count);
  return { value: count / (performance.now() - begun) * 1000 };
}

/** The update of a letter that is typed behind others. */
function keystroke(): Uint8Array {
  const doc = new Y.Doc();
  doc.getText("t").insert(0, "some words");
  let last: Uint8Array = new Uint8Array();
  doc.on("update", (update: Uint8Array) => last = update);
  doc.getText("t").insert(10, "a");
  return last;
}
