import assert from "node:assert/strict";
import fc from "fast-check";
import { createConnection } from "node:net";
import {
  AnswerBudget,
  type AnswerLimits,
  type AnswerSource,
  ownBytes,
  PIECE,
  sharedBytes,
} from "../../src/service/http/answers.ts";
import { createApp } from "../../src/service/http/app.ts";
import { startHttp } from "../../src/service/http/serve.ts";
import { makeDeps, REMOTE, request } from "./http_support.ts";

const MANY: AnswerLimits = { perConnection: 1e9, perAddress: 1e9, total: 1e9 };

function budget(limits: Partial<AnswerLimits> = {}) {
  const refused: string[] = [];
  const clock = { now: 0 };
  const made = new AnswerBudget({
    limits: () => ({ ...MANY, ...limits }),
    refused: (reason) => refused.push(reason),
    now: () => clock.now,
  });
  return { budget: made, refused, clock };
}

function bytes(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => i % 251);
}

const ANN = { connection: "1", address: "a" };

Deno.test("answers: a body comes whole, in pieces, and then holds nothing", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 3 * PIECE + 5 }), fc.boolean(), async (length, isShared) => {
      const { budget: answers } = budget();
      const data = bytes(length);
      const body = answers.body((isShared ? sharedBytes : ownBytes)(data), ANN)!;
      assert.equal(answers.total, isShared ? Math.min(length, PIECE) : length);
      const sizes: number[] = [], parts: number[] = [];
      for await (const piece of body) {
        sizes.push(piece.length);
        parts.push(...piece);
      }
      assert.deepEqual(parts, [...data]);
      assert.ok(sizes.every((size) => size <= PIECE));
      assert.equal(answers.total, 0);
    }),
    { numRuns: 100 },
  );
});

Deno.test("answers: a shared copy is not copied for each", async () => {
  const data = bytes(PIECE * 2);
  const reader = budget().budget.body(sharedBytes(data), ANN)!.getReader();
  const { value } = await reader.read();
  assert.equal(value!.buffer, data.buffer);
  await reader.cancel();
});

Deno.test("answers: what a connection, an address and all of them hold is bounded", async () => {
  const { budget: answers, refused } = budget({ perConnection: 100, perAddress: 150, total: 400 });
  const ask = (connection: string, address: string, size: number) =>
    answers.body(ownBytes(bytes(size)), { connection, address });
  const first = ask("1", "a", 90);
  assert.equal(ask("1", "a", 20), undefined);
  assert.ok(ask("2", "a", 50));
  assert.equal(ask("3", "a", 50), undefined);
  assert.ok(ask("4", "b", 200), "the first answer of a connection may be larger than its bound");
  assert.ok(ask("5", "c", 60));
  assert.equal(ask("6", "d", 50), undefined);
  assert.deepEqual(refused, ["connection", "address", "total"]);
  await first!.cancel();
  assert.ok(ask("1", "a", 20));
});

Deno.test("answers: one that is not read is ended, and gives back what it held", async () => {
  const { budget: answers, refused, clock } = budget();
  let closed = 0;
  const source: AnswerSource = { ...ownBytes(bytes(PIECE * 3)), close: () => void closed++ };
  const reader = answers.body(source, ANN)!.getReader();
  await reader.read();
  clock.now = 19_000;
  answers.sweep();
  assert.equal(answers.total, PIECE * 3);
  clock.now = 21_000;
  answers.sweep();
  assert.deepEqual([answers.total, refused, closed], [0, ["unread"], 1]);
  await assert.rejects(reader.read(), /not read/);
});

Deno.test("answers: one that is read a little at a time for long is ended too", async () => {
  const { budget: answers, refused, clock } = budget();
  const reader = answers.body(sharedBytes(bytes(PIECE * 30)), ANN)!.getReader();
  for (clock.now = 0; clock.now < 60_000; clock.now += 19_000) {
    await reader.read().catch(() => {});
    answers.sweep();
  }
  assert.deepEqual(refused, []);
  for (; refused.length === 0; clock.now += 19_000) answers.sweep();
  assert.deepEqual(refused, ["unread"]);
  assert.ok(clock.now < 120_000);
});

Deno.test("answers: a source that fails or ends early fails the body, and is closed", async () => {
  for (const piece of [() => Promise.reject(new Error("disk")), () => new Uint8Array()]) {
    let closed = false;
    const source: AnswerSource = { length: 10, held: 10, read: piece, close: () => void (closed = true) };
    const { budget: answers } = budget();
    await assert.rejects(new Response(answers.body(source, ANN) as BodyInit).bytes());
    assert.deepEqual([closed, answers.total], [true, 0]);
  }
});

Deno.test("http app: an answer for which there is no room is 503, and HEAD tells its length", async () => {
  const { budget: answers } = budget({ total: PIECE });
  const body = "x".repeat(40_000);
  const app = createApp(makeDeps({
    answers,
    settings: { metricsPublic: true },
    metrics: { expose: () => Promise.resolve({ contentType: "text/plain", body }) },
  }));
  const head = await app(request("/metrics", { method: "HEAD" }), REMOTE);
  assert.equal(await head.text(), "");
  assert.equal(head.headers.get("content-length"), "40000");
  assert.equal(await (await app(request("/metrics"), REMOTE)).text(), body);
  answers.body(ownBytes(bytes(PIECE)), ANN);
  const refused = await app(request("/metrics"), REMOTE);
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get("retry-after"), "1");
});

Deno.test("http: an answer that its client does not read waits in the source, not in memory", async () => {
  const { budget: answers } = budget();
  let read = 0;
  const source: AnswerSource = {
    length: 256 * 1024 * 1024,
    held: PIECE,
    read(_at, size) {
      read += size;
      return new Uint8Array(size);
    },
  };
  const server = await startHttp({
    hostname: "127.0.0.1",
    port: 0,
    handler: () => new Response(answers.body(source, ANN) as BodyInit),
  });
  const socket = createConnection(server.address);
  socket.on("error", () => {});
  socket.pause();
  socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  let before = -1;
  while (read === 0 || read !== before) {
    before = read;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.ok(read < 64 * 1024 * 1024, `${read} bytes were read`);
  socket.destroy();
  while (answers.total > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await server.close(0);
});
