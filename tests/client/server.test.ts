import assert from "node:assert/strict";
import { API_METHODS } from "../../src/protocol/api/table.ts";
import { createServerClient, ServerApiError } from "../../src/client/server/mod.ts";
import { startTestService } from "../support/service.ts";

const KEY = "key-of-the-back-end-of-a-test";

/** The second one waits. */
async function* messages(answered: Promise<void>) {
  yield { channel: "chat:a", text: "one" };
  await answered;
  yield { channel: "chat:a", text: "two" };
}

Deno.test("server client: it has every method of the API", () => {
  const client = createServerClient({ url: "http://localhost" });
  assert.deepEqual(Object.keys(client).sort(), [...API_METHODS, "publishAll", "stream"].sort());
});

Deno.test("server client: calls give results, errors of the table, and answers to what is published in bulk", async () => {
  const service = await startTestService({ engine: { kind: "memory" }, api: { keys: [KEY] } });
  try {
    const client = createServerClient({ url: service.url, key: KEY });
    const { offset, duplicate } = await client.publish({ channel: "chat:a", text: "hello" });
    assert.deepEqual([offset, duplicate], [1, false]);
    assert.equal((await client.history({ channel: "chat:a" })).messages[0]!.payload.text, "hello");
    assert.equal(typeof (await client.info()).connections, "number");
    await assert.rejects(client.edit({ channel: "chat:a", target: 99, text: "x" }), (error) => {
      return error instanceof ServerApiError && error.error === "unknown_message" && !error.temporary;
    });
    const stranger = createServerClient({ url: service.url, key: `${KEY}-not` });
    await assert.rejects(stranger.info(), { error: "unauthorized" });
    const offsets = [];
    const messages = Array.from({ length: 2000 }, (_, n) => ({ channel: "chat:a", text: `${n}` }));
    for await (const reply of client.publishAll(messages)) {
      offsets.push("result" in reply ? (reply.result as { offset: number }).offset : reply.error);
    }
    assert.deepEqual(offsets, messages.map((_, n) => n + 2));
  } finally {
    await service.stop();
  }
});

Deno.test("server client: a call without an answer is sent again with one key, and has one effect", async () => {
  const service = await startTestService({ engine: { kind: "memory" }, api: { keys: [KEY] } });
  try {
    let calls = 0;
    const lossy: typeof fetch = async (input, init) => {
      const answer = await fetch(input, init);
      if (calls++ > 0) return answer;
      await answer.body?.cancel();
      throw new TypeError("the connection broke");
    };
    const client = createServerClient({ url: service.url, key: KEY, fetch: lossy });
    const { offset, duplicate } = await client.publish({ channel: "chat:a", text: "once" });
    assert.deepEqual([offset, duplicate, calls], [1, true, 2]);
    await assert.rejects(
      createServerClient({ url: "http://127.0.0.1:1", retries: 0 }).info(),
      { error: "unreachable", temporary: true },
    );
  } finally {
    await service.stop();
  }
});

Deno.test("server client: a message in bulk does not wait for the next one", async () => {
  const service = await startTestService({ engine: { kind: "memory" }, api: { keys: [KEY] } });
  try {
    const client = createServerClient({ url: service.url, key: KEY });
    const answered = Promise.withResolvers<void>();
    let count = 0;
    for await (const _ of client.publishAll(messages(answered.promise))) {
      count++;
      answered.resolve();
    }
    assert.equal(count, 2);
  } finally {
    await service.stop();
  }
});

Deno.test("server client: a message is streamed, text and bytes", async () => {
  const service = await startTestService({ engine: { kind: "memory" }, api: { keys: [KEY] } });
  try {
    const client = createServerClient({ url: service.url, key: KEY });
    const said = await client.stream({ channel: "chat:a", from: "model" }, ["The answer ", "is ", "42."]);
    assert.deepEqual([said.channel, said.offset, said.length], ["chat:a", 1, 17]);
    const bytes = (async function* () {
      yield new Uint8Array([1, 2]);
      yield new Uint8Array([3]);
    })();
    await client.stream({ channel: "chat:a" }, bytes);
    const [text, list] = (await client.history({ channel: "chat:a" })).messages;
    assert.deepEqual([text!.from, text!.payload], ["model", { text: "The answer is 42.", stream: "ended" }]);
    const data = list!.payload.data as string[];
    assert.deepEqual(data.flatMap((each) => [...Uint8Array.fromBase64(each)]), [1, 2, 3]);
    await assert.rejects(client.stream({ channel: "user:ann" }, ["x"]), { error: "bad_payload" });
  } finally {
    await service.stop();
  }
});
