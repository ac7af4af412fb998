/** Attacks by ordinary requests, on every version of HTTP that the service offers. */

import assert from "node:assert/strict";
import { type ClientHttp2Session, connect } from "node:http2";
import type { Socket } from "node:net";
import { makeCertificate } from "../support/certificate.ts";
import { sampleBytes, uploadFile } from "../files/support.ts";
import { encodeFrame, FRAME } from "../../src/quic/h3/frames.ts";
import { encodeSection } from "../../src/quic/h3/qpack.ts";
import { Http3Peer } from "../quic/h3_peer.ts";
import {
  eventually,
  health,
  lasting,
  MEBIBYTE,
  openSockets,
  Pair,
  startTarget,
  type Target,
} from "./support.ts";

const OPEN = { perIp: { rate: 100_000, burst: 100_000, connections: 256 } };

/** A file of 4 MiB that anybody with the link may read; its path. */
async function share(target: Target, kind: "websocket" | "quic"): Promise<string> {
  await using client = await target.connect(kind, "carl");
  await client.ask("subscribe", { channel: "chat:files" });
  const { uploaded } = await uploadFile(client, { bytes: sampleBytes(4 * MEBIBYTE) });
  const { payload } = await client.ask("file_link", { fileId: uploaded!.fileId });
  return payload.url;
}

/** Watches the memory of the service while `work` goes on: the most of it, in bytes. */
async function mostMemory(target: Target, work: Promise<unknown>): Promise<number> {
  let most = 0, isOver = false;
  void work.then(() => isOver = true);
  while (!isOver) {
    most = Math.max(most, await target.residentBytes());
    await lasting(50);
  }
  return most;
}

/** Bytes that answers hold. */
async function heldBy(target: Target): Promise<number> {
  return Number(/^skein_http_answers_bytes (\d+)/m.exec(await target.metrics())?.[1]);
}

/** Asks again and again until `isOver`, one request after the other; returns how many were answered 200, and refused. */
async function askOn(isOver: () => boolean, ask: () => Promise<number>): Promise<Record<number, number>> {
  const statuses: Record<number, number> = {};
  while (!isOver()) {
    const status = await ask().catch(() => 0);
    if (!isOver()) statuses[status] = (statuses[status] ?? 0) + 1;
  }
  return statuses;
}

Deno.test("attack: clients of HTTP/1.1 that ask and do not read hold little, and give it back", async () => {
  await using target = await startTarget({ config: { http: OPEN } });
  await using pair = await Pair.start(target, "websocket");
  const path = await share(target, "websocket");
  const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
  const grown: number[] = [];
  // The second time shows whether the memory of the first one is used again.
  for (let round = 0; round < 2; round++) {
    const before = await target.residentBytes();
    let attackers: Socket[] = [];
    const most = await mostMemory(
      target,
      (async () => {
        // Up to eight requests of a connection may be under way: 1,600 answers of 4 MiB.
        attackers = await openSockets(target.port, 200, request.repeat(8));
        for (const socket of attackers) socket.pause();
        await lasting(1000);
      })(),
    );
    assert.equal(await health(target.port), "200");
    const holds = await heldBy(target);
    assert.ok(holds > 0 && holds <= 17 * MEBIBYTE, `answers hold ${holds} bytes`);
    grown.push(Math.round((most - before) / MEBIBYTE));
    for (const socket of attackers) socket.destroy();
    const began = performance.now();
    await eventually("what answers held is given back", async () => await heldBy(target) === 0);
    // Answers that nobody reads are ended after 20 s, the end of a connection ends all of its answers at once.
    assert.ok(performance.now() - began < 15_000);
  }
  // What they ask for is 6,400 MiB. How much the runtime takes before it collects depends on the load of the machine.
  assert.ok(grown[0]! < 384 && grown[1]! < 192, `${grown} MiB more`);
  await pair.check("unread answers over HTTP/1.1", `${grown.join(" and then ")} MiB more`);
});

Deno.test("attack: clients of HTTP/2 that ask and do not read hold little, where Deno.serve offers it", async () => {
  const { cert, key } = await makeCertificate();
  await using target = await startTarget({
    tls: { cert, key },
    config: { http: { ...OPEN, websocket: "deno" } },
  });
  await using pair = await Pair.start(target, "quic");
  const path = await share(target, "quic");
  const before = await target.residentBytes();
  const sessions: ClientHttp2Session[] = [];
  let answered = 0;
  const most = await mostMemory(
    target,
    (async () => {
      for (let i = 0; i < 20; i++) {
        const session = connect(`https://127.0.0.1:${target.port}`, { rejectUnauthorized: false });
        session.on("error", () => {});
        sessions.push(session);
        for (let n = 0; n < 100; n++) {
          const stream = session.request({ ":path": path });
          stream.on("error", () => {});
          stream.on("response", () => answered++);
          stream.pause();
        }
        await lasting(20);
      }
      await lasting(1500);
    })(),
  );
  assert.ok(answered > 0, "HTTP/2 was not spoken");
  const grown = most - before;
  assert.ok(grown < 160 * MEBIBYTE, `${grown} bytes more`);
  for (const session of sessions) session.destroy();
  await pair.check(
    "unread answers over HTTP/2",
    `${answered} answers, ${(grown / MEBIBYTE).toFixed(0)} MiB more`,
  );
});

Deno.test("attack: clients of HTTP/3 that ask and do not read hold little, and give it back", async () => {
  await using target = await startTarget({ config: { http: OPEN } });
  await using pair = await Pair.start(target, "webtransport");
  const path = await share(target, "websocket");
  const request = encodeFrame(
    FRAME.HEADERS,
    encodeSection([
      [":method", "GET"],
      [":scheme", "https"],
      [":authority", `127.0.0.1:${target.quicPort}`],
      [":path", path],
    ]),
  );
  const before = await target.residentBytes();
  const peers = await Promise.all(
    Array.from({ length: 3 }, () => Http3Peer.connect(target.quicPort, target.certificateHash)),
  );
  const most = await mostMemory(
    target,
    (async () => {
      for (const peer of peers) {
        await peer.control();
        for (let i = 0; i < 40; i++) await (await peer.bidirectional(request)).writer.close();
      }
      await lasting(1000);
    })(),
  );
  const grown = most - before;
  assert.ok(grown < 160 * MEBIBYTE, `${grown} bytes more`);
  assert.ok(await heldBy(target) > 0, "nothing is unread");
  for (const peer of peers) peer.close();
  await eventually("what answers held is given back", async () => await heldBy(target) === 0);
  await pair.check("unread answers over HTTP/3", `${(grown / MEBIBYTE).toFixed(0)} MiB more`);
});

Deno.test("attack: floods of requests over HTTP/1.1 and HTTP/3 get the rate of their address, health checks more", async () => {
  const rate = 200, burst = 200;
  await using target = await startTarget({ config: { http: { perIp: { rate, burst, connections: 256 } } } });
  await using pair = await Pair.start(target, "webtransport");
  const peers = await Promise.all(
    Array.from({ length: 4 }, () => Http3Peer.connect(target.quicPort, target.certificateHash)),
  );
  await Promise.all(peers.map((peer) => peer.control()));
  const began = performance.now();
  let isOver = false;
  const lines = [
    [":method", "GET"],
    [":scheme", "https"],
    [":authority", `127.0.0.1:${target.quicPort}`],
    [":path", "/client.json"],
  ] as const;
  const floods = [
    ...Array.from({ length: 16 }, () =>
      askOn(() => isOver, async () => {
        const answer = await fetch(`${target.url}/client.json`);
        await answer.body?.cancel();
        return answer.status;
      })),
    ...peers.flatMap((peer) =>
      Array.from({ length: 8 }, () => askOn(() => isOver, async () => (await peer.request(lines)).status))
    ),
  ];
  for (let i = 0; i < 5; i++) {
    await lasting(300);
    assert.equal(await health(target.port), "200");
  }
  isOver = true;
  const seconds = (performance.now() - began) / 1000;
  const all = await Promise.all(floods);
  for (const peer of peers) peer.close();
  const answered = all.reduce((sum, statuses) => sum + (statuses[200] ?? 0), 0);
  assert.ok(answered > 0);
  assert.ok(answered <= burst + rate * seconds + 50, `${answered} answers in ${seconds} s`);
  await pair.check("floods of requests", `${answered} answered in ${seconds.toFixed(1)} s`);
});
