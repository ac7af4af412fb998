/** Attacks by little that is to become much: heads, compressed messages, streams that are begun and cut, answers to forged packets. */

import assert from "node:assert/strict";
import { connect } from "node:http2";
import type { Socket } from "node:net";
import { deflateRawSync } from "node:zlib";
import { makeCertificate } from "../support/certificate.ts";
import { encodeFrame, FRAME } from "../../src/quic/h3/frames.ts";
import { Http3Peer } from "../quic/h3_peer.ts";
import { frame, RawClient } from "../websocket/raw_client.ts";
import { forgeInitials } from "./initials.ts";
import { eventually, health, lasting, MEBIBYTE, openSockets, Pair, startTarget } from "./support.ts";

const TEXT = 1, CLOSE = 8, COMPRESSED = 0x40;

Deno.test("attack: heads above the limit are refused on HTTP/1.1 and HTTP/3", async () => {
  await using target = await startTarget({ config: { http: { perIp: { connections: 1000 } } } });
  await using pair = await Pair.start(target, "webtransport");
  const sockets: Socket[] = await openSockets(
    target.port,
    200,
    `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(400_000)}\r\n\r\n`,
  );
  const answers = new Set<string>();
  for (const socket of sockets) socket.on("data", (bytes) => answers.add(String(bytes).split("\r\n")[0]!));
  await eventually("all of them are cut", () => Promise.resolve(sockets.every(({ destroyed }) => destroyed)));
  assert.deepEqual([...answers], ["HTTP/1.1 431 Request Header Fields Too Large"]);

  // A byte for each line: of entry 17 of the static table, `:method: GET`.
  const section = Uint8Array.of(0, 0, ...new Array<number>(10_000).fill(0xd1));
  const peer = await Http3Peer.connect(target.quicPort, target.certificateHash);
  await peer.control();
  for (let i = 0; i < 50; i++) {
    const stream = await peer.bidirectional(encodeFrame(FRAME.HEADERS, section));
    assert.equal((await peer.answer(stream)).status, 431);
  }
  peer.close();
  assert.equal(await health(target.port), "200");
  await pair.check("heads above the limit");
});

Deno.test("attack: compressed messages that are damaged, or become too large, end their own socket", async () => {
  await using target = await startTarget({ config: { http: { deflateFrom: 1024 } } });
  await using pair = await Pair.start(target, "websocket");
  const before = await target.residentBytes();
  const packed = (bytes: Uint8Array) => deflateRawSync(bytes, { finishFlush: 2 }).subarray(0, -4);
  const messages = {
    damaged: { bytes: new Uint8Array(1000).fill(0xff), code: 1007 },
    // 7 MiB in 7 KiB: before authentication a client may send no more.
    bomb: { bytes: packed(new Uint8Array(7 * MEBIBYTE)), code: 3507 },
  };
  let count = 0;
  for (const [what, { bytes, code }] of Object.entries(messages)) {
    for (let i = 0; i < 60; i++) {
      const client = await RawClient.open(target.port, "/connection/websocket", [
        "Sec-WebSocket-Extensions: permessage-deflate",
      ]);
      assert.match(client.head, /permessage-deflate/);
      await client.send(frame(TEXT, bytes, { rsv: COMPRESSED }));
      const close = (await client.rest()).find(({ opcode }) => opcode === CLOSE)!;
      assert.equal(close.payload[0]! << 8 | close.payload[1]!, code, what);
      client.close();
      count++;
    }
  }
  const grown = await target.residentBytes() - before;
  assert.ok(grown < 96 * MEBIBYTE, `${grown} bytes more`);
  await pair.check("bombs in compressed messages", `${count}, ${(grown / MEBIBYTE).toFixed(0)} MiB more`);
});

Deno.test("attack: streams of HTTP/2 that are begun and cut at once, where Deno.serve offers it, delay nobody for long", async () => {
  const { cert, key } = await makeCertificate();
  await using target = await startTarget({ tls: { cert, key }, config: { http: { websocket: "deno" } } });
  await using pair = await Pair.start(target, "quic");
  const until = performance.now() + 1500;
  let cut = 0;
  while (performance.now() < until) {
    const session = connect(`https://127.0.0.1:${target.port}`, { rejectUnauthorized: false });
    session.on("error", () => {});
    await new Promise<void>((resolve) => {
      session.once("connect", () => resolve());
      session.once("close", () => resolve());
    });
    for (let i = 0; i < 90 && !session.closed && !session.destroyed; i++) {
      const stream = session.request({ ":path": "/" });
      stream.on("error", () => {});
      stream.close(8);
      cut++;
    }
    await lasting(5);
    session.destroy();
  }
  assert.ok(cut > 0);
  using client = Deno.createHttpClient({ caCerts: [cert] });
  const answer = await fetch(`${target.url}/healthz`, { client });
  assert.equal(await answer.text(), "ok\n");
  await pair.check("streams of HTTP/2 that are cut", `${cut} streams`);
});

Deno.test("attack: an address that has proved nothing gets at most three times what it sent", async () => {
  const initial = await forgeInitials();
  await using target = await startTarget();
  await using pair = await Pair.start(target, "quic");
  const to: Deno.NetAddr = { transport: "udp", hostname: "127.0.0.1", port: target.quicPort };
  const shares: number[] = [];
  for (let i = 0; i < 10; i++) {
    const socket = Deno.listenDatagram({ transport: "udp", hostname: `127.0.${60 + i}.1`, port: 0 });
    let received = 0;
    const reading = (async () => {
      for await (const [packet] of socket) received += packet.length;
    })();
    const packet = initial();
    await socket.send(packet, to);
    await eventually("it is answered", () => Promise.resolve(received > 0));
    // What is not acknowledged is sent again, for the three seconds that a handshake may last.
    await lasting(400);
    shares.push(received / packet.length);
    socket.close();
    await reading;
  }
  assert.ok(shares.every((share) => share <= 3), `${shares}`);
  await pair.check("forged packets", `${Math.max(...shares).toFixed(2)} times as many bytes back`);
});
