/** The client against servers that send whatever they like. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { testCertificate, within } from "./adapters.ts";
import { connect, QuicError } from "../../src/quic/mod.ts";
import { encodeFrame, FRAME, STREAM } from "../../src/quic/h3/frames.ts";
import { encodeSection } from "../../src/quic/h3/qpack.ts";
import { encodeSettings } from "../../src/quic/h3/settings.ts";
import { encodeVarints } from "../../src/quic/h3/varint.ts";

const WAYS = ["control", "one way", "both ways", "datagram", "answer", "session stream", "capsule"] as const;

const step = fc.record({
  way: fc.constantFrom(...WAYS),
  noise: fc.uint8Array({ maxLength: 200 }),
  end: fc.boolean(),
});

type Step = { way: typeof WAYS[number]; noise: Uint8Array; end: boolean };

/** Takes a session as a server should, or not, and then does what the steps say. */
async function misbehave(conn: Deno.QuicConn, steps: readonly Step[], isHonest: boolean): Promise<void> {
  const kept: unknown[] = [];
  const open = async (bytes: Uint8Array, end = false): Promise<WritableStreamDefaultWriter<Uint8Array>> => {
    const stream = await conn.createUnidirectionalStream();
    const writer = stream.getWriter();
    kept.push(stream, writer);
    await writer.write(bytes);
    if (end) await writer.close();
    return writer;
  };
  const control = await open(Uint8Array.of(STREAM.CONTROL, ...encodeSettings()));
  let answer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  if (isHonest) {
    const { value: asked } = await conn.incomingBidirectionalStreams.getReader().read();
    kept.push(asked);
    answer = asked!.writable.getWriter();
    await answer.write(encodeFrame(FRAME.HEADERS, encodeSection([[":status", "200"]])));
  }
  for (const { way, noise, end } of steps) {
    if (way === "control") await control.write(noise);
    else if (way === "one way") await open(noise, end);
    else if (way === "session stream") {
      await open(Uint8Array.of(...encodeVarints(STREAM.WEBTRANSPORT, 0), ...noise), end);
    } else if (way === "datagram") await conn.sendDatagram(noise);
    else if (way === "both ways") {
      const stream = await conn.createBidirectionalStream();
      kept.push(stream);
      await stream.writable.getWriter().write(noise);
    } else if (answer !== undefined) {
      await answer.write(way === "answer" ? noise : encodeFrame(FRAME.DATA, noise));
    }
  }
  await conn.closed;
}

Deno.test("fuzz: random bytes of a server end a client's connection at worst", async () => {
  const { cert, key, hash } = await testCertificate();
  const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
  const listener = endpoint.listen({ cert, key, alpnProtocols: ["h3"] });
  const url = `https://127.0.0.1:${endpoint.addr.port}/`;
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        async (steps, isHonest) => {
          const dialled = connect(url, { serverCertificateHashes: [hash], timeout: 100 });
          const serving = listener.accept().then((conn) => misbehave(conn, steps, isHonest));
          serving.catch(() => {});
          try {
            const connection = await within(dialled);
            const consuming = [
              connection.incomingBidirectionalStreams,
              connection.incomingUnidirectionalStreams,
              connection.datagrams,
            ].map(async (items) => {
              for await (const _ of items);
            });
            await connection.measureRtt(5);
            await within(connection.close());
            await within(Promise.all(consuming));
          } catch (error) {
            // The dial may fail, and then it says why.
            assert.ok(error instanceof QuicError, String(error));
          }
          await within(serving.catch(() => {}));
        },
      ),
      { numRuns: 100 },
    );
  } finally {
    endpoint.close();
  }
});
