/** What PROTOCOL.md says about streams and datagrams that a QUIC path allows, on real sockets. */

import assert from "node:assert/strict";
import { settles } from "../../src/async/deadline.ts";
import { connect, type Connection } from "../../src/quic/mod.ts";
import { page } from "../protocol/page.ts";
import { until, within } from "../quic/adapters.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { UdpProxy, type UdpProxyOptions } from "../support/udp_proxy.ts";
import { concat, decode, encode, frame, takeFrames, varint, type WireMessage } from "../support/wire.ts";

const KINDS = ["quic", "webtransport"] as const;
type Kind = typeof KINDS[number];

/** An authenticated connection, and what its lane 0 answers. */
interface Peer {
  readonly connection: Connection;
  readonly limits: { maxDatagram: number; maxStreams: number };
  ask(type: string, payload: Record<string, unknown>): Promise<WireMessage>;
}

function dial(service: TestService, kind: Kind, port: number): Promise<Connection> {
  const to = kind === "quic"
    ? { hostname: "127.0.0.1", port }
    : `https://127.0.0.1:${port}/connection/webtransport`;
  return connect(to, { serverCertificateHashes: [service.certificateHash] });
}

async function join(service: TestService, kind: Kind, port = service.quicPort): Promise<Peer> {
  const connection = await dial(service, kind, port);
  const control = await connection.openBidirectionalStream();
  await control.write(varint(0));
  let rest: Uint8Array = new Uint8Array();
  const ask = async (type: string, payload: Record<string, unknown>): Promise<WireMessage> => {
    const id = crypto.randomUUID();
    await control.write(frame(encode({ type, id, timestamp: 0, payload }, "json")));
    for (;;) {
      const got = await within(control.read(new Uint8Array(65_536)));
      assert.ok(got !== null, "lane 0 has ended");
      const { bodies, rest: left } = takeFrames(concat(rest, got));
      rest = left;
      const answer = bodies.map((body) => decode(body)).find(({ re }) => re === id);
      if (answer !== undefined) return answer;
    }
  };
  const { payload } = await ask("auth_request", { token: await service.token("ann") });
  return { connection, limits: payload.limits as Peer["limits"], ask };
}

async function withPeer(
  kind: Kind,
  maxStreams: number,
  path: Partial<UdpProxyOptions>,
  run: (peer: Peer) => Promise<void>,
): Promise<void> {
  const service = await startTestService({ quic: { maxStreams } });
  const proxy = new UdpProxy({ target: { hostname: "127.0.0.1", port: service.quicPort }, ...path });
  try {
    const peer = await join(service, kind, proxy.port);
    await run(peer);
    await peer.connection.close();
  } finally {
    await service.stop();
    await proxy.close();
  }
}

/** The numbers in the first passage of the page that fits. */
function said(passage: RegExp): number[] {
  const found = passage.exec(page);
  assert.ok(found !== null, `PROTOCOL.md does not say ${passage}`);
  return found.slice(1).map((number) => Number(number.replaceAll(",", "")));
}

for (const kind of KINDS) {
  Deno.test(`path limits: a ${kind} client that leaves an eighth of its streams alone always gets another one`, () => {
    said(/when they are more than an\s+eighth of `limits.maxStreams`.* Never count\s+on the last eighth/s);
    return withPeer(kind, 40, {}, async ({ connection, limits }) => {
      let lanes = 0;
      const open = async () => {
        const stream = await within(connection.openBidirectionalStream({ wait: true }));
        await stream.write(varint(++lanes));
        return stream;
      };
      // Lane 0 is one, and one more comes and goes.
      const kept = limits.maxStreams - Math.floor(limits.maxStreams / 8) - 2;
      await Promise.all(Array.from({ length: kept }, open));
      for (let i = 0; i < limits.maxStreams; i++) {
        const stream = await open();
        await stream.end();
        assert.equal(await within(stream.read(new Uint8Array(10))), null);
      }
    });
  });

  Deno.test(`path limits: with none left, the end of one ${kind} stream alone brings no credit`, () =>
    withPeer(kind, 40, {}, async ({ connection, ask, limits }) => {
      const streams = [];
      for (let lane = 1;; lane++) {
        const stream = await connection.openBidirectionalStream().catch(() => undefined);
        if (stream === undefined) break;
        // The server refuses what is above its limit, if QUIC lets a client open it.
        if (lane < limits.maxStreams) await stream.write(varint(lane));
        streams.push(stream);
      }
      const eighth = Math.floor(limits.maxStreams / 8);
      for (const stream of streams.slice(0, eighth)) {
        await stream.end();
        assert.equal(await within(stream.read(new Uint8Array(10))), null);
        await ask("ping", {});
        await assert.rejects(connection.openBidirectionalStream(), { code: "stream_limit" });
      }
      await streams[eighth]!.end();
      await within(connection.openBidirectionalStream({ wait: true }));
    }));

  Deno.test(`path limits: a second ${kind} stream before authentication, which QUIC allows, ends the connection`, async () => {
    said(
      /more streams than `limits.maxStreams` +\| QUIC prevents it; a stream that comes anyway gets close 3501/,
    );
    const service = await startTestService();
    try {
      const connection = await dial(service, kind, service.quicPort);
      const first = await connection.openBidirectionalStream();
      await first.write(varint(0));
      await (await connection.openBidirectionalStream()).write(varint(1));
      assert.equal((await within(connection.closed)).code, 3501);
    } finally {
      await service.stop();
    }
  });

  Deno.test(`path limits: a ${kind} path of 1,200-byte packets carries datagrams as large as PROTOCOL.md says`, () => {
    const [packet, ...sizes] = said(
      /where packets of ([\d,]+) bytes pass, a datagram of ([\d,]+) bytes\s+on QUIC and of ([\d,]+) on WebTransport/,
    );
    const size = sizes[KINDS.indexOf(kind)]!;
    const path = { maxPacketToServer: packet!, maxPacketToClient: packet! };
    return withPeer(kind, 40, path, async ({ connection, limits }) => {
      assert.equal(limits.maxDatagram, size);
      assert.equal(await pong(connection, size), true);
      await assert.rejects(connection.sendDatagram(pingOf(size + 1)), { code: "datagram_too_large" });
    });
  });

  Deno.test(`path limits: limits.maxDatagram is what a server sends, and a ${kind} client sends it more`, () => {
    said(
      /`limits.maxDatagram` is what the server could send when\s+it answered, .* it takes what arrives, larger ones too/,
    );
    return withPeer(kind, 40, { maxPacketToClient: 1200 }, async ({ connection, limits }) => {
      await until(() => connection.maxDatagramSize >= 1300, "larger packets found to pass");
      assert.ok(limits.maxDatagram < 1200);
      assert.equal(await pong(connection, 1300), true);
    });
  });
}

/** A `ping` of so many bytes. */
function pingOf(size: number): Uint8Array {
  const text = encode({ type: "ping", id: "p", timestamp: 0, payload: {} }, "json");
  // White space around JSON means nothing.
  const bytes = new Uint8Array(size).fill(0x20);
  bytes.set(text);
  return bytes;
}

/** Whether a `ping` in a datagram of this size is answered; it is sent again, because datagrams may be lost. */
async function pong(connection: Connection, size: number): Promise<boolean> {
  const datagrams = connection.datagrams[Symbol.asyncIterator]();
  const answer = datagrams.next();
  let isAnswered = false;
  void answer.then(() => isAnswered = true);
  for (let i = 0; i < 20 && !isAnswered; i++) {
    await connection.sendDatagram(pingOf(size));
    await settles(answer, 250);
  }
  return isAnswered && decode((await answer).value!).type === "pong";
}
