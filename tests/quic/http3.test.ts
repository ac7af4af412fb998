import assert from "node:assert/strict";
import { bytes, first, readAll, readExactly, testCertificate, text, within } from "./adapters.ts";
import { Http3Peer } from "./h3_peer.ts";
import { encodeClose } from "../../src/quic/h3/capsule.ts";
import { H3 } from "../../src/quic/h3/errors.ts";
import { encodeFrame, FRAME, STREAM } from "../../src/quic/h3/frames.ts";
import { encodeSection, type FieldLine } from "../../src/quic/h3/qpack.ts";
import { encodeSettings, SETTING } from "../../src/quic/h3/settings.ts";
import { encodeVarints } from "../../src/quic/h3/varint.ts";
import { type Connection, listen, type ListenOptions } from "../../src/quic/mod.ts";
import { join } from "./adapters.ts";

async function server(options: Partial<ListenOptions> = {}) {
  const { cert, key } = await testCertificate();
  const listener = listen({ hostname: "127.0.0.1", cert, key, ...options });
  const { port } = listener.address;
  const peers: Http3Peer[] = [];
  const connections = listener.connections[Symbol.asyncIterator]();
  return {
    port,
    peer: async (): Promise<Http3Peer> => {
      const peer = await Http3Peer.connect(port);
      peers.push(peer);
      return peer;
    },
    next: async (): Promise<Connection> => (await within(connections.next())).value!,
    async [Symbol.asyncDispose]() {
      for (const peer of peers) peer.close();
      await listener.close();
    },
  };
}

function head(method: string, path = "/", more: FieldLine[] = []): FieldLine[] {
  return [[":method", method], [":scheme", "https"], [":authority", "localhost"], [":path", path], ...more];
}

const echo: ListenOptions["onRequest"] = async (request) =>
  new Response(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`, {
    headers: { "x-agent": request.headers.get("user-agent") ?? "none" },
  });

Deno.test("http3: a request with a body is answered before the peer opens a control stream", async () => {
  await using s = await server({ onRequest: echo });
  const peer = await s.peer();
  const got = await peer.request(head("POST", "/path", [["user-agent", "test/1"]]), [
    bytes("two "),
    bytes("parts"),
  ]);
  assert.equal(got.status, 200);
  assert.equal(got.headers.get("x-agent"), "test/1");
  assert.equal(text(got.body), "POST /path two parts");
  const get = await peer.request(head("GET"));
  assert.equal(text(get.body), "GET / ");
});

Deno.test("http3: a body is streamed through as it comes", async () => {
  await using s = await server({
    onRequest: (request) =>
      request.method === "HEAD" ? new Response("not sent") : new Response(request.body, { status: 201 }),
  });
  const peer = await s.peer();
  const body = new Uint8Array(300_000).map((_, i) => i & 0xff);
  const got = await peer.request(head("PUT"), [body.subarray(0, 100_000), body.subarray(100_000)]);
  assert.equal(got.status, 201);
  assert.deepEqual(got.body, body);
  assert.deepEqual((await peer.request(head("HEAD"))).body.length, 0);
});

Deno.test("http3: a body that is too long or not as long as declared is refused", async () => {
  await using s = await server({ onRequest: echo, maxRequestBody: 1000 });
  const peer = await s.peer();
  assert.equal((await peer.request(head("POST"), [new Uint8Array(900), new Uint8Array(200)])).status, 413);
  assert.equal((await peer.request(head("POST", "/", [["content-length", "2000"]]))).status, 413);
  assert.equal(
    (await peer.request(head("POST", "/", [["content-length", "3"]]), [bytes("four")])).status,
    400,
  );
  assert.equal(
    (await peer.request(head("POST", "/", [["content-length", "4"]]), [bytes("four")])).status,
    200,
  );
});

Deno.test("http3: a handler that throws is answered with 500 and reported", async () => {
  const stages: string[] = [];
  await using s = await server({
    onRequest: () => {
      throw new Error("broken");
    },
    onError: (_, { stage }) => stages.push(stage),
  });
  assert.equal((await (await s.peer()).request(head("GET"))).status, 500);
  assert.deepEqual(stages, ["request"]);
});

Deno.test("http3: malformed requests and unknown tunnels are refused without ending the connection", async () => {
  await using s = await server({ onRequest: echo });
  const peer = await s.peer();
  for (
    const lines of [head("GET", "no-slash"), head("GET", "/", [["connection", "x"]]), head("GET").slice(1)]
  ) {
    assert.equal((await peer.request(lines)).status, 400);
  }
  assert.equal((await peer.request(head("CONNECT"))).status, 501);
  assert.equal(
    (await peer.request(head("CONNECT", "/", []).toSpliced(1, 0, [":protocol", "connect-udp"]))).status,
    501,
  );
  assert.equal((await peer.request(head("GET", "/", [["x", "y".repeat(40_000)]]))).status, 431);
  assert.equal((await peer.request(head("GET"))).status, 200);
});

Deno.test("http3: unknown frames, streams and settings are ignored", async () => {
  await using s = await server({ onRequest: echo });
  const peer = await s.peer();
  const grease = 0x21 + 0x1f * 9;
  const settings = encodeSettings([[grease, 5], [SETTING.ENABLE_WEBTRANSPORT, 1]]);
  await peer.unidirectional(
    join([encodeVarints(STREAM.CONTROL), settings, encodeFrame(grease, new Uint8Array(5000))]),
  );
  await peer.unidirectional(join([encodeVarints(grease), bytes("whatever")]));
  const stream = await peer.bidirectional(join([
    encodeFrame(grease, bytes("before")),
    encodeFrame(FRAME.HEADERS, encodeSection(head("POST"))),
    encodeFrame(grease, bytes("between")),
    encodeFrame(FRAME.DATA, bytes("data")),
    encodeFrame(FRAME.HEADERS, encodeSection([["trailer", "x"]])),
  ]));
  await stream.writer.close();
  assert.equal(text((await peer.answer(stream)).body), "POST / data");
});

const VIOLATIONS: [string, number, (peer: Http3Peer) => Promise<unknown>][] = [
  [
    "a control stream without SETTINGS",
    H3.MISSING_SETTINGS,
    (p) => p.unidirectional(encodeVarints(0, 7, 1, 0)),
  ],
  ["a second control stream", H3.STREAM_CREATION_ERROR, async (p) => {
    await p.control();
    await p.control();
  }],
  ["the end of the control stream", H3.CLOSED_CRITICAL_STREAM, async (p) => (await p.control()).close()],
  ["a push stream", H3.STREAM_CREATION_ERROR, (p) => p.unidirectional(encodeVarints(STREAM.PUSH, 0))],
  [
    "DATA on the control stream",
    H3.FRAME_UNEXPECTED,
    async (p) => (await p.control()).write(encodeVarints(0, 0)),
  ],
  [
    "a reserved setting",
    H3.SETTINGS_ERROR,
    (p) => p.unidirectional(join([encodeVarints(0), encodeSettings([[2, 1]])])),
  ],
  ["DATA before HEADERS", H3.FRAME_UNEXPECTED, (p) => p.bidirectional(encodeFrame(FRAME.DATA, bytes("x")))],
  ["SETTINGS on a request stream", H3.FRAME_UNEXPECTED, (p) => p.bidirectional(encodeSettings())],
  ["a frame that its stream cuts off", H3.FRAME_ERROR, async (p) => {
    await (await p.bidirectional(encodeVarints(FRAME.HEADERS, 100))).writer.close();
  }],
  [
    "a header section that refers to a dynamic table",
    H3.QPACK_DECOMPRESSION_FAILED,
    (p) => p.bidirectional(encodeFrame(FRAME.HEADERS, Uint8Array.of(0, 0, 0x80))),
  ],
  [
    "an insertion into a dynamic table",
    H3.QPACK_ENCODER_STREAM_ERROR,
    (p) => p.unidirectional(Uint8Array.of(STREAM.QPACK_ENCODER, 0xc0, 0)),
  ],
  [
    "an acknowledgement of nothing",
    H3.QPACK_DECODER_STREAM_ERROR,
    (p) => p.unidirectional(Uint8Array.of(STREAM.QPACK_DECODER, 0x80)),
  ],
  [
    "a WebTransport stream of an impossible session",
    H3.ID_ERROR,
    (p) => p.bidirectional(encodeVarints(FRAME.WEBTRANSPORT_STREAM, 3)),
  ],
];

for (const [what, code, act] of VIOLATIONS) {
  Deno.test(`http3: ${what} closes the connection with 0x${code.toString(16)}`, async () => {
    await using s = await server();
    const peer = await s.peer();
    await act(peer);
    assert.equal(await peer.closeCode(), code);
  });
}

Deno.test("session: a silent stream does not hold up others", async () => {
  await using s = await server();
  const peer = await s.peer();
  await peer.control();
  const silent = await peer.bidirectional(Uint8Array.of(0x40)); // half a varint
  await peer.unidirectional(Uint8Array.of(0x40));
  // Before the session is asked for: it waits for its session.
  const before = await peer.bidirectional(
    join([encodeVarints(FRAME.WEBTRANSPORT_STREAM, 8), bytes("first")]),
  );
  void before;
  const { status, id } = await peer.session(s.port);
  assert.deepEqual([status, id], [200, 8]);
  const session = await s.next();
  const incoming = session.incomingBidirectionalStreams[Symbol.asyncIterator]();
  assert.equal(text(await within(readExactly((await within(incoming.next())).value!, 5))), "first");
  await silent.writer.write(join([Uint8Array.of(0x41), encodeVarints(8), bytes("late")]));
  assert.equal(text(await within(readExactly((await within(incoming.next())).value!, 4))), "late");
});

Deno.test("session: a stream without a header is given up after the deadline", async () => {
  await using s = await server({ headerTimeout: 200 });
  const peer = await s.peer();
  const { status } = await peer.session(s.port);
  assert.equal(status, 200);
  const silent = await peer.bidirectional(Uint8Array.of(0x40));
  assert.equal((await within(silent.reader.read(new Uint8Array(1)))).done, true);
  const orphan = await peer.bidirectional(encodeVarints(FRAME.WEBTRANSPORT_STREAM, 400));
  assert.equal((await within(orphan.reader.read(new Uint8Array(1)))).done, true);
  const session = await s.next();
  const good = await peer.bidirectional(join([encodeVarints(FRAME.WEBTRANSPORT_STREAM, 0), bytes("ok")]));
  await good.writer.close();
  assert.equal(text(await within(readAll(await first(session.incomingBidirectionalStreams)))), "ok");
});

Deno.test("http3: an idle connection is closed without an error", async () => {
  await using s = await server({ headerTimeout: 150 });
  const peer = await s.peer();
  await peer.control();
  assert.equal(await peer.closeCode(), H3.NO_ERROR);
});

Deno.test("session: a second one on the connection is refused", async () => {
  await using s = await server();
  const peer = await s.peer();
  const asked = await peer.session(s.port, [["origin", "https://a.example"], [
    "sec-webtransport-http3-draft02",
    "1",
  ]]);
  assert.equal(asked.status, 200);
  const session = await s.next();
  assert.equal(session.headers.get("origin"), "https://a.example");
  assert.equal(session.url?.pathname, "/wt");
  assert.equal((await peer.session(s.port)).status, 429);
  assert.equal((await peer.request(head("GET"))).status, 404);
});

Deno.test("session: the peer's close capsule ends it and the drain capsule does not", async () => {
  await using s = await server();
  const peer = await s.peer();
  const connect = await peer.session(s.port);
  const session = await s.next();
  await connect.writer.write(encodeFrame(FRAME.DATA, encodeFrame(0x78ae, new Uint8Array(0))));
  await connect.writer.write(encodeFrame(FRAME.DATA, encodeFrame(0x1f * 4 + 0x17, new Uint8Array(9000))));
  await session.openUnidirectionalStream().then((stream) => stream.write(bytes("still here")));
  const close = encodeClose(4242, "done ✓");
  await connect.writer.write(encodeFrame(FRAME.DATA, close.subarray(0, 5)));
  await connect.writer.write(encodeFrame(FRAME.DATA, close.subarray(5)));
  assert.deepEqual(await within(session.closed), { code: 4242, reason: "done ✓", by: "remote" });
  assert.equal(await peer.closeCode(), H3.NO_ERROR);
});

Deno.test("session: the end of the CONNECT stream is a close without a code", async () => {
  await using s = await server();
  const peer = await s.peer();
  const connect = await peer.session(s.port);
  const session = await s.next();
  await connect.writer.close();
  assert.deepEqual(await within(session.closed), { code: 0, reason: "", by: "remote" });
});

Deno.test("session: our close reaches the peer as a capsule and the end of the stream", async () => {
  await using s = await server();
  const peer = await s.peer();
  const connect = await peer.session(s.port, [["user-agent", "browser"]]);
  const session = await s.next();
  session.close(3001, "shutdown");
  const expected = encodeFrame(FRAME.DATA, encodeClose(3001, "shutdown"));
  const got: number[] = [];
  for (;;) {
    const { value, done } = await within(connect.reader.read(new Uint8Array(100)));
    if (done) break;
    got.push(...value);
  }
  assert.deepEqual(got, [...expected]);
  await connect.writer.close();
  assert.equal(await peer.closeCode(), H3.NO_ERROR);
});

Deno.test("session: a malformed capsule ends the connection", async () => {
  await using s = await server();
  const peer = await s.peer();
  const connect = await peer.session(s.port);
  const session = await s.next();
  await connect.writer.write(encodeFrame(FRAME.DATA, encodeFrame(0x2843, Uint8Array.of(1))));
  assert.equal(await peer.closeCode(), H3.MESSAGE_ERROR);
  assert.equal((await within(session.closed)).by, "error");
});

Deno.test("session: datagrams of other sessions are dropped", async () => {
  await using s = await server();
  const peer = await s.peer();
  const connect = await peer.session(s.port);
  assert.equal(connect.id, 0);
  const session = await s.next();
  const datagrams = session.datagrams[Symbol.asyncIterator]();
  const got = datagrams.next();
  await peer.conn.sendDatagram(join([encodeVarints(9), bytes("other")]));
  await peer.conn.sendDatagram(join([encodeVarints(0), bytes("ours")]));
  assert.equal(text((await within(got)).value!), "ours");
  await peer.conn.sendDatagram(encodeVarints(0));
  assert.equal((await within(datagrams.next())).value?.length, 0);
  const last = datagrams.next();
  await peer.conn.sendDatagram(Uint8Array.of(0x40));
  assert.equal((await within(last)).done, true);
  assert.equal(await peer.closeCode(), H3.DATAGRAM_ERROR);
});
