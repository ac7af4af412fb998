import assert from "node:assert/strict";
import { makeCertificate } from "./certificate.ts";
import { dial, type DialTarget, KINDS } from "./client.ts";
import { concat, decode, encode, frame, readVarint, takeFrames, varint, type WireMessage } from "./wire.ts";

const encoder = new TextEncoder();

function answer(body: Uint8Array | string): WireMessage {
  const { type, id, payload } = decode(body);
  return { type: `${type}_answer`, id: crypto.randomUUID(), timestamp: 1, re: id, payload };
}

/** Answers every message on the lane it came on, in JSON; a `goodbye` ends the connection with code 7. */
async function serveStreams(source: {
  incomingBidirectionalStreams: ReadableStream<
    { readable: ReadableStream<Uint8Array<ArrayBuffer>>; writable: WritableStream<Uint8Array<ArrayBuffer>> }
  >;
}, end: () => void): Promise<void> {
  try {
    for await (const { readable, writable } of source.incomingBidirectionalStreams) {
      const writer = writable.getWriter();
      writer.closed.catch(() => {});
      void (async () => {
        let waiting: Uint8Array = new Uint8Array(0), lane: number | undefined;
        for await (const chunk of readable) {
          waiting = concat(waiting, chunk);
          if (lane === undefined) {
            const header = readVarint(waiting, 0);
            if (header === undefined) continue;
            lane = header.value;
            waiting = waiting.slice(header.next);
          }
          const { bodies, rest } = takeFrames(waiting);
          waiting = rest;
          for (const body of bodies) {
            if (decode(body).type === "goodbye") return end();
            await writer.write(frame(encode({ ...answer(body), payload: { lane } }, "json")));
          }
        }
      })().catch(() => {});
    }
  } catch {
    // The connection ended.
  }
}

/** A server of Deno's own parts, with nothing of Skein in it. */
async function withServer(body: (target: DialTarget) => Promise<void>): Promise<void> {
  const { cert, key, hash } = await makeCertificate();
  const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
  const listener = endpoint.listen({ cert, key, alpnProtocols: ["skein/1", "h3"] });
  const running: Promise<unknown>[] = [];
  running.push((async () => {
    try {
      for (;;) {
        const incoming = await listener.incoming();
        const connection = await incoming.accept();
        connection.closed.catch(() => {});
        if (connection.protocol === "h3") {
          const session = await Deno.upgradeWebTransport(connection);
          session.closed.catch(() => {});
          await session.ready;
          running.push(serveStreams(session as never, () => session.close({ closeCode: 7, reason: "done" })));
        } else {
          const end = () => connection.close({ closeCode: 7, reason: "done" });
          running.push(serveStreams(connection as never, end));
          running.push(
            (async () => {
              for (;;) await connection.sendDatagram(encode(answer(await connection.readDatagram()), "json"));
            })().catch(() => {}),
          );
        }
      }
    } catch {
      // The endpoint was closed.
    }
  })());
  const http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      const bodies = typeof data === "string" ? [data] : takeFrames(new Uint8Array(data)).bodies;
      if (bodies.some((body) => decode(body).type === "goodbye")) return socket.close(3007, "done");
      const answers = bodies.map((body) => encode({ ...answer(body), payload: { lane: 0 } }, "json"));
      if (typeof data === "string") return socket.send(new TextDecoder().decode(answers[0]!));
      socket.send(concat(...answers.map(frame)));
    };
    return response;
  });
  try {
    const target = { quicPort: endpoint.addr.port, httpPort: http.addr.port, certificateHash: hash };
    await body(target);
  } finally {
    await http.shutdown();
    endpoint.close();
    await Promise.all(running);
  }
}

Deno.test("varint: values are kept, in as few bytes as the range asks for", () => {
  const sizes: [number, number][] = [[0, 1], [63, 1], [64, 2], [16383, 2], [16384, 4], [2 ** 30 - 1, 4], [
    2 ** 30,
    8,
  ]];
  for (const [value, size] of sizes) {
    const bytes = varint(value);
    assert.equal(bytes.length, size);
    assert.deepEqual(readVarint(bytes, 0), { value, next: size });
    assert.equal(readVarint(bytes.subarray(0, size - 1), 0), undefined);
  }
});

Deno.test("frames: they are split wherever the bytes are cut", () => {
  const whole = concat(frame(encoder.encode("one")), frame(encoder.encode("two")));
  for (let cut = 0; cut <= whole.length; cut++) {
    const first = takeFrames(whole.subarray(0, cut));
    const second = takeFrames(concat(first.rest, whole.subarray(cut)));
    const texts = [...first.bodies, ...second.bodies].map((body) => new TextDecoder().decode(body));
    assert.deepEqual(texts, ["one", "two"]);
  }
});

for (const kind of KINDS) {
  for (const form of ["json", "msgpack"] as const) {
    Deno.test(`test client: it asks and is answered over ${kind} in ${form}`, async () => {
      await withServer(async (target) => {
        await using client = await dial({ kind, form, ...target });
        const reply = await client.request("hello", { bytes: new Uint8Array([1, 2]) });
        assert.equal(reply.type, "hello_answer");
        await client.openLane(300);
        const answered = await client.request("hello", {}, { lane: 300 });
        assert.equal(answered.lane, kind === "websocket" ? 0 : 300);
        assert.equal(answered.payload.lane, answered.lane);
        assert.equal(client.messages.length, 2);
      });
    });
  }

  Deno.test(`test client: a wait that fails over ${kind} lists what arrived`, async () => {
    await withServer(async (target) => {
      await using client = await dial({ kind, ...target });
      await client.request("hello", {});
      await assert.rejects(
        client.next("never", 50),
        /not within 50 ms: a message never[^]*hello_answer on lane 0/,
      );
    });
  });

  Deno.test(`test client: the end of a ${kind} connection is told with its code, and ends every wait`, async () => {
    await withServer(async (target) => {
      await using client = await dial({ kind, ...target });
      const waiting = client.next("never", 4_000);
      await client.send("goodbye", {});
      await assert.rejects(waiting, /the connection ended first/);
      const { code, reason } = await client.ended();
      // Deno's own WebTransport server does not deliver the code, so it is not checked.
      if (kind !== "webtransport") assert.deepEqual([code, reason], [kind === "quic" ? 7 : 3007, "done"]);
    });
  });
}

Deno.test("test client: raw bytes, raw streams and datagrams reach a QUIC server as they are", async () => {
  await withServer(async (target) => {
    await using client = await dial({ kind: "quic", ...target });
    const body = encode({ type: "raw", id: "1", timestamp: 1, payload: {} }, "json");
    const framed = frame(body);
    await client.writeRaw(framed.subarray(0, 3));
    await client.writeRaw(framed.subarray(3));
    assert.equal((await client.next("raw_answer")).re, "1");
    const stream = await client.openRawStream();
    await stream.write(concat(varint(5), framed));
    const { bodies } = takeFrames((await stream.read())!);
    assert.equal(decode(bodies[0]!).type, "raw_answer");
    await stream.end();
    await client.sendRawDatagram(body);
    assert.equal((await client.next("raw_answer")).datagram, true);
  });
});

Deno.test("test client: dialling where nobody listens fails within its time", async () => {
  for (const kind of ["quic", "websocket"] as const) {
    const nobody = { quicPort: 9, httpPort: 9, certificateHash: new Uint8Array(32), timeout: 500 };
    await assert.rejects(dial({ kind, ...nobody }));
  }
});
