/** Any bytes on any stream, datagram or socket, before or after authentication. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { KINDS, type TestClient } from "../support/client.ts";
import { startTestService } from "../support/service.ts";
import { CLOSES, ERRORS } from "../../src/protocol/mod.ts";
import { until } from "./support.ts";

const CODES = new Set<number>([
  ...Object.values(ERRORS).map(({ code }) => code),
  ...Object.values(CLOSES).map(({ code }) => code),
]);

const valid = fc.constantFrom(
  '{"type":"ping","id":"1","timestamp":1,"payload":{}}',
  '{"type":"chat_message","id":"1","timestamp":1,"payload":{"channel":"chat:a","text":"x"}}',
  '{"type":"subscribe","id":"1","timestamp":1,"payload":{"channel":"chat:a"}}',
  '{"type":"history","id":"1","timestamp":1,"payload":{"channel":"chat:a","limit":5}}',
);

const bytes = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 400 }),
  // Frames whose length is right and whose body is not.
  fc.uint8Array({ minLength: 1, maxLength: 60 }).map((body) => new Uint8Array([body.length, ...body])),
  // A message with some of its bytes changed.
  fc.tuple(valid, fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 4 })).map(([text, changes]) => {
    const body = new TextEncoder().encode(text);
    for (const [at, value] of changes) body[at % body.length] = value;
    return new Uint8Array([0x40 | (body.length >> 8), body.length & 0xff, ...body]);
  }),
  // JSON of any shape in a right frame.
  fc.jsonValue().map((value) => {
    const body = new TextEncoder().encode(
      JSON.stringify({ type: "chat_message", id: "1", timestamp: 1, payload: value }),
    ).slice(0, 8000);
    return new Uint8Array([0x40 | (body.length >> 8), body.length & 0xff, ...body]);
  }),
);

const step = fc.oneof(
  fc.record({ where: fc.constant("control" as const), bytes }),
  fc.record({ where: fc.constant("stream" as const), bytes }),
  fc.record({ where: fc.constant("unidirectional" as const), bytes }),
  fc.record({
    where: fc.constant("datagram" as const),
    bytes: fc.oneof(fc.constant(new Uint8Array()), bytes),
  }),
  fc.record({ where: fc.constant("text" as const), bytes }),
);

async function abuse(client: TestClient, where: string, bytes: Uint8Array): Promise<void> {
  const socket = client.kind === "websocket";
  if (socket && where === "text") return client.writeText(new TextDecoder().decode(bytes));
  if (socket || where === "control" || where === "text") return await client.writeRaw(bytes, 0);
  if (where === "datagram") return await client.sendRawDatagram(bytes);
  const stream = where === "stream"
    ? await client.openRawStream()
    : await client.openRawUnidirectionalStream();
  await stream.write(bytes);
  await stream.end();
}

for (const kind of KINDS) {
  /**
   * Validates: whatever bytes a client sends over real sockets, the answers are codes of the tables, the end of its
   * connection is one log line that names it, nothing of it is left, and others go on.
   */
  Deno.test(`Feature: quic-transport, Property 5: clean-up on error (any bytes over ${kind})`, async () => {
    const service = await startTestService({
      session: { perIp: { connections: 10_000, rate: 100_000, burst: 100_000 } },
    });
    const closedLines = () => service.lines.filter(({ event }) => event === "connection closed");
    try {
      const bystanders = await Promise.all(KINDS.map((kind) => service.connect(kind, "bystander")));
      const token = await service.token("mallory");
      let runs = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.boolean(),
          fc.array(step, { minLength: 1, maxLength: 6 }),
          async (authenticate, steps) => {
            let accepted: Record<string, unknown> | undefined;
            {
              await using client = await service.dial(kind);
              if (authenticate) accepted = (await client.authenticate(token)).payload;
              for (const { where, bytes } of steps) {
                // The server may have ended it by now.
                await abuse(client, where, bytes).catch(() => {});
              }
              // Answered, or ended by the server, or stuck in a frame that was never finished: all three are right.
              await client.request("ping", {}, { timeout: 20 }).catch(() => {});
              for (const { type, payload } of client.messages) {
                if (type === "error" || type === "close") {
                  assert.ok(CODES.has(payload.code), JSON.stringify(payload));
                }
              }
            }
            runs++;
            await until("it is gone", async () => (await service.stats()).connections <= bystanders.length);
            // The ends of many strangers share a line.
            if (accepted !== undefined) {
              const { connectionId, sessionId, userId } = accepted;
              const ends = () => closedLines().filter(({ connection }) => connection === connectionId);
              await until("the end is logged", () => ends().length > 0);
              assert.deepEqual(ends().map(({ session, user }) => [session, user]), [[sessionId, userId]]);
            }
            for (const { transport, connection, suppressed, remote, code, by } of closedLines()) {
              assert.equal(transport, kind);
              if (connection === undefined && suppressed !== undefined) continue;
              assert.match(String(remote), /^127\.0\.0\.1:\d+$/);
              assert.ok(typeof code === "number" && typeof by === "string");
            }
            assert.ok(closedLines().length <= runs);
            // They go on, and are not silent for so long that they time out.
            for (const client of bystanders) assert.equal((await client.ask("ping", {})).type, "pong");
            const { connections, connectionList } = await service.stats();
            assert.equal(connections, bystanders.length);
            assert.ok(
              connectionList.items.every(({ userId }: { userId: string }) => userId === "bystander"),
            );
          },
        ),
        { numRuns: 150, endOnFailure: true },
      );
      for (const client of bystanders) await client.close();
      const stats = await service.stats();
      assert.equal(stats.unhandledRejections, 0);
      assert.ok(
        !service.lines.some(({ level }) => level === "error"),
        JSON.stringify(service.lines.find(({ level }) => level === "error")),
      );
      assert.ok(!JSON.stringify(service.lines).includes(token));
    } finally {
      await service.stop();
    }
  });
}
