/** The SDK where UDP is dropped. */

import assert from "node:assert/strict";
import { QuicTransport } from "../../src/client/mod.ts";
import { UdpProxy } from "../support/udp_proxy.ts";
import { converse, crowd, pause, until } from "./crowd.ts";

Deno.test(
  "black hole: with UDP dropped the session is on WebSocket, and on QUIC soon after UDP passes again, without a gap",
  async () => {
    await using people = await crowd();
    const { service } = people;
    const proxy = new UdpProxy({ target: { hostname: "127.0.0.1", port: service.quicPort } });
    try {
      proxy.blackHole = true;
      const ann = people.join("ann", {
        quicUrl: `https://127.0.0.1:${proxy.port}/connection/webtransport`,
        quicTimeout: 1000,
      });
      const bob = people.join("bob");
      await ann.connect();
      assert.equal(ann.manager.getTransportType(), "websocket");
      const { sessionId } = ann.manager;
      const moves: string[] = [];
      ann.on("transportchange", ({ from, to }) => moves.push(`${from}>${to}`));
      await converse(ann, bob, 500, async (i) => {
        if (i === 50) proxy.blackHole = false;
        if (i > 50 && moves.length === 0) await pause(10);
      });
      await until("the session has moved", () => moves.length > 0, 60_000);
      assert.deepEqual(moves, ["websocket>webtransport"]);
      assert.equal(ann.manager.sessionId, sessionId);
      assert.equal(ann.manager.measure().fallbacks, 1);
      const stats = await service.stats();
      assert.deepEqual(stats.fallbacks, { webtransport: 1 });
    } finally {
      await proxy.close();
    }
  },
);

Deno.test(
  "black hole: a path that dies under traffic is left for WebSocket, with all that was on its way",
  async () => {
    await using people = await crowd();
    const { service } = people;
    const proxy = new UdpProxy({ target: { hostname: "127.0.0.1", port: service.quicPort } });
    try {
      const ann = people.join("ann", {
        quicUrl: `https://127.0.0.1:${proxy.port}/connection/webtransport`,
        quicTimeout: 1000,
        headStart: 30_000,
        probing: false,
      });
      const bob = people.join("bob");
      await Promise.all([ann.connect(), bob.connect()]);
      assert.equal(ann.manager.getTransportType(), "webtransport");
      await converse(ann, bob, 300, async (i) => {
        if (i === 100) proxy.blackHole = true;
        if (i % 20 === 0) await pause(5);
      });
      assert.equal(ann.manager.getTransportType(), "websocket");
    } finally {
      await proxy.close();
    }
  },
);

Deno.test(
  "black hole: WebTransport to where nobody answers is given up in time, and at once when it is aborted",
  async () => {
    const nobody = () =>
      new QuicTransport("https://127.0.0.1:9/", { timeout: 200, certificateHashes: [new Uint8Array(32)] });
    await assert.rejects(nobody().connect(), { code: "timeout" });
    const abort = new AbortController();
    const connecting = nobody().connect(abort.signal);
    abort.abort(new Error("not wanted"));
    await assert.rejects(connecting, /not wanted/);
  },
);
