/** Which stream of a real QUIC connection things travel on, and that streams that idle are given back. */

import { openDocument } from "../../src/client/documents.ts";
import assert from "node:assert/strict";
import { LanesTransport } from "../../src/client/mod.ts";
import { Encoded } from "../../src/protocol/core.ts";
import type { Connection } from "../../src/quic/mod.ts";
import { LANE_PRIORITY } from "../../src/protocol/mod.ts";
import { sampleBytes } from "../files/support.ts";
import { crowd, pause, until } from "./crowd.ts";
import { seeded } from "./support.ts";
import { watched } from "./watched.ts";

const KINDS = ["webtransport", "quic"] as const;
const DOC = "doc:plan";

for (const kind of KINDS) {
  Deno.test(`lanes: a file travels on streams of the least priority, both ways, on ${kind}`, async () => {
    await using people = await crowd();
    const [transport, seen] = watched(kind, people.service);
    const ann = people.join("ann", {
      url: undefined as never,
      parts: { transports: { quic: () => transport } },
    });
    const bytes = sampleBytes(700_000);
    const { fileId } = await ann.channel("chat:files").upload(new Blob([bytes])).done;
    assert.deepEqual(await ann.download(fileId).bytes(), bytes);
    const lanesOf = (messages: readonly [string, number][], type: string): number[] =>
      messages.filter(([name]) => name === type).map(([, lane]) => lane);
    for (
      const [messages, type] of [
        [seen.sent, "file_chunk"],
        [seen.sent, "file_download"],
        [seen.received, "file_chunk_ack"],
        [seen.received, "file_download_ready"],
        [seen.received, "file_data"],
      ] as const
    ) {
      const lanes = lanesOf(messages, type);
      assert.ok(lanes.length > 0, type);
      assert.ok(lanes.every((lane) => lane >= 100 && lane <= 199), `${type} on ${lanes}`);
    }
    const [control, ...rest] = seen.opened;
    assert.equal(control, LANE_PRIORITY.control);
    assert.ok(rest.includes(LANE_PRIORITY.file));
    assert.equal(LANE_PRIORITY.file, 0);
  });
}

Deno.test("lanes: a document's stream is given back when it idles and opened again by what comes next, and nothing is lost", async () => {
  await using people = await crowd();
  const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
  const random = seeded(seed);
  const idle = 40;
  const members = (["quic", "quic", "webtransport"] as const).map((kind, i) => {
    const [transport, seen] = watched(kind, people.service);
    const client = people.join(`user${i}`, {
      url: undefined as never,
      parts: { transports: { quic: () => transport } },
    });
    const document = openDocument(client, DOC, { idle });
    const texts: string[] = [], errors: string[] = [];
    client.on("error", ({ message }) => errors.push(message));
    document.on("error", ({ message }) => errors.push(message));
    document.on("operation", ({ data }) => texts.push(new TextDecoder().decode(data)));
    return { client, document, texts, seen, errors };
  });
  type Member = typeof members[number];
  const [ann, bob] = members as [Member, Member, Member];
  const streams = (list: number[]): number => list.filter((each) => each === LANE_PRIORITY.document).length;
  const areClosed = (): boolean =>
    members.every(({ seen: { opened, ended } }) => streams(opened) === streams(ended));
  await Promise.all(members.map(({ document }) => document.ready));
  for (const { seen } of members) assert.equal(streams(seen.opened), 1);

  // The server ends its half too: the stream is gone, and what others say comes on the control lane.
  await until("both streams are ended", areClosed);
  await ann.document.send(new TextEncoder().encode("first"));
  await until("all have it", () => members.every(({ texts }) => texts.length === 1));
  assert.equal(streams(ann.seen.opened), 2);
  assert.deepEqual(bob.seen.received.findLast(([type]) => type === "doc_op"), ["doc_op", 0]);

  // Operations at all moments around the end of a stream.
  const said = ["first"];
  for (let round = 0; round < 40; round++) {
    for (const [i, { document }] of members.entries()) {
      if (random() < 0.3) continue;
      const text = `${round} ${i}`;
      said.push(text);
      // Resolves when it is committed; neither waits for the other.
      document.send(new TextEncoder().encode(text)).catch((error) => said.push(String(error)));
    }
    await pause(random() * 2 * idle);
  }
  const haveAll = () => members.every(({ texts }) => texts.length >= said.length);
  await until(`everything has come (seed ${seed})`, haveAll);
  for (const { texts, client, errors } of members) {
    assert.deepEqual(errors, []);
    assert.deepEqual(texts, ann.texts);
    assert.equal(client.manager.measure().reconnects, 0);
  }
  assert.deepEqual(ann.texts.toSorted(), said.toSorted());
  for (const { seen } of members) assert.ok(streams(seen.opened) > 3, `${streams(seen.opened)} streams`);
  await until("the last ones are ended", areClosed);
});

Deno.test("datagrams: a runtime that fails to send one is used without", async () => {
  let sends = 0;
  const connection = {
    handshakeComplete: true,
    maxDatagramSize: 1200,
    closed: new Promise(() => {}),
    datagrams: (async function* () {})(),
    sendDatagram: () =>
      Promise.reject(++sends === 1 ? new RangeError("too large") : new TypeError("no writable")),
  } as unknown as Connection;
  class Failing extends LanesTransport {
    readonly kind = "webtransport";
    protected dial = () => Promise.resolve(connection);
  }
  const transport = new Failing();
  await transport.connect();
  const ping = new Encoded({ type: "ping", id: "p", timestamp: 0, payload: {} });
  for (let i = 0; i < 2; i++) {
    assert.equal(transport.maxDatagramSize, 1200);
    assert.equal(transport.sendDatagram(ping), true);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assert.equal(transport.maxDatagramSize, 0);
  assert.equal(transport.sendDatagram(ping), false);
  assert.equal(sends, 2);
});
