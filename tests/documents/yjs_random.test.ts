/** Yjs's own test documents, and its own comparison of them, with Skein as what connects them. */

import { openDocument } from "../../src/client/documents.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import * as Y from "yjs";
import * as helper from "yjs/testHelper";
import type { SkeinClient } from "../../src/client/mod.ts";
import { SkeinYjsProvider } from "../../src/client/yjs.ts";
import { pause, until } from "../client/crowd.ts";
import { seeded } from "../client/support.ts";
import { TcpProxy } from "../support/tcp_proxy.ts";
import { UdpProxy } from "../support/udp_proxy.ts";
import { withService } from "./live.ts";
import { CHANGES, type Random } from "./yjs_changes.ts";

/** What is used of Yjs's test helper, which comes without types. */
interface TestYjs {
  init(test: { prng: { next(): number } }, options: { users: number }): {
    users: TestDoc[];
    testConnector: Connector;
  };
  /** Merges what each document was told, and compares all of them down to their structs. Ends the documents. */
  compare(users: TestDoc[]): void;
}

/** A document that is connected to others in memory, and remembers every update it was told. */
interface TestDoc extends Y.Doc {
  readonly updates: Uint8Array[];
  connect(): void;
  disconnect(): void;
  _receive(): void;
}

interface Connector {
  prng: { next(): number };
  readonly onlineConns: Set<TestDoc>;
  disconnectRandom(): boolean;
  reconnectRandom(): boolean;
}

const { init, compare } = helper as unknown as TestYjs;

/** Something that happens between changes, seldom; the rest of the time nothing does. */
type Trouble = "away" | "back" | "cut" | "lossy";

/** Takes a document off Yjs's connection in memory; what that says about its connection holds for the client. */
function connectBySkein(doc: TestDoc, { onlineConns }: Connector, client: SkeinClient): void {
  doc._receive = () => {};
  doc.connect = () => {
    onlineConns.add(doc);
    client.connect().catch(() => {});
  };
  doc.disconnect = () => {
    onlineConns.delete(doc);
    void client.disconnect();
  };
}

/** Validates: Yjs's own random edits and its comparison of documents, over real connections that come and go. */
Deno.test("Feature: quic-transport, Property 44: Yjs's own test documents are equal, struct by struct, connected by Skein on all transports", () =>
  withService(async (place) => {
    const { service } = place;
    const tcp = new TcpProxy({
      target: { hostname: "127.0.0.1", port: service.service.addresses.http.port },
    });
    const udp = new UdpProxy({ target: { hostname: "127.0.0.1", port: service.quicPort } });
    const hash = { certificateHashes: [service.certificateHash.toBase64()] };
    const websocketUrl = `ws://127.0.0.1:${tcp.port}/connection/websocket`;
    const quicUrl = `https://127.0.0.1:${udp.port}/connection/webtransport`;
    const clients = [
      { ...hash, quicUrl, enableWebSocket: false },
      { ...hash, quicUrl: `quic://127.0.0.1:${udp.port}`, enableWebSocket: false },
      { websocketUrl, enableQuic: false },
      { ...hash, quicUrl, websocketUrl },
      { websocketUrl, enableQuic: false },
    ].map((over, i) => place.client(`user${i}`, over));
    let runs = 0, changes = 0;
    const seen = new Set<string>();
    try {
      await Promise.all(clients.map((client) => client.connect()));
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 2 ** 31 }),
          fc.integer({ min: 20, max: 150 }),
          async (seed, steps) => {
            const random = seeded(seed);
            // The first number chooses a form of updates that Yjs's helper itself does not support.
            const { users, testConnector } = init({ prng: { next: () => 0 } }, { users: clients.length });
            testConnector.prng = { next: random };
            const name = `doc:random-${runs++}`;
            users.forEach((doc, i) => connectBySkein(doc, testConnector, clients[i]!));
            const providers = users.map((doc, i) =>
              new SkeinYjsProvider(openDocument(clients[i]!, name), doc, {
                awareness: null,
                compactAfter: 20,
              })
            );
            const pick: Random = (below) => Math.floor(random() * below);
            const trouble: Record<Trouble, () => void> = {
              away: () => testConnector.disconnectRandom(),
              back: () => testConnector.reconnectRandom(),
              cut: () => tcp.cut(),
              lossy: () => udp.drop = udp.drop > 0 ? 0 : 0.02,
            };
            const troubles = Object.keys(trouble) as Trouble[];
            for (let step = 0; step < steps; step++) {
              if (pick(12) === 0) trouble[troubles[pick(troubles.length)]!]();
              CHANGES[pick(CHANGES.length)]!(users[pick(users.length)]!, pick);
              // Sometimes several changes go as one operation, sometimes others are heard in between.
              if (pick(3) > 0) await undefined;
              if (pick(4) === 0) await pause(pick(6));
            }
            udp.drop = 0;
            for (const doc of users) doc.connect();
            const states = () => users.map((doc) => Y.encodeStateAsUpdate(doc).toHex());
            const isSettled = () =>
              providers.every(({ synced }) => synced) &&
              clients.every(({ manager }) => manager.pending === 0) && new Set(states()).size === 1;
            await until(`all are the same (seed ${seed})`, isSettled);
            for (const { manager } of clients) seen.add(manager.getTransportType()!);
            changes += steps;
            compare([...users]);
          },
        ),
        { numRuns: 100, endOnFailure: true },
      );
    } finally {
      await Promise.all(clients.map((client) => client.close()));
      await tcp.close();
      await udp.close();
    }
    assert.deepEqual([...seen].sort(), ["quic", "websocket", "webtransport"]);
    assert.ok(changes > 2000);
  }).then(() =>
    // What waits half a second for a connection that was cut is over then.
    new Promise((resolve) => setTimeout(resolve, 600))
  ));
