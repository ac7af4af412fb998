import assert from "node:assert/strict";
import fc from "fast-check";
import { startTestService, type TestService } from "../support/service.ts";

const CHANNEL = "chat:a";

async function withService(run: (service: TestService) => Promise<void>): Promise<void> {
  const namespaces = { default: { streamPatience: "1s" } } as const;
  const service = await startTestService({ engine: { kind: "memory" }, namespaces });
  try {
    await run(service);
  } finally {
    await service.stop();
  }
}

// deno-lint-ignore no-explicit-any
type Json = any;

/** Sends pieces as one body, and what becomes of it. */
async function stream(
  url: string,
  pieces: readonly Uint8Array[],
  query = "",
  type = "text/plain",
): Promise<Json> {
  const answer = await fetch(`${url}/api/append?channel=${CHANNEL}${query}`, {
    method: "POST",
    headers: { "content-type": type },
    body: ReadableStream.from(pieces),
  });
  return await answer.json();
}

async function messages(url: string): Promise<Json[]> {
  const body = JSON.stringify({ channel: CHANNEL });
  const answer = await fetch(`${url}/api/history`, { method: "POST", body });
  return (await answer.json()).result.messages;
}

Deno.test("api stream: a text that is cut anywhere, also within characters, is said as it was", () =>
  withService(async ({ url }) => {
    const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.nat(800), { maxLength: 8 }), async (text, cuts) => {
        const bytes = new TextEncoder().encode(text);
        const places = [...new Set([0, ...cuts.filter((at) => at < bytes.length), bytes.length])];
        places.sort((a, b) => a - b);
        const pieces = places.slice(1).map((at, index) => bytes.slice(places[index], at));
        const { result } = await stream(url, pieces);
        assert.equal(result.length, text.length);
        const last = (await messages(url)).at(-1);
        assert.deepEqual([last.offset, last.payload], [result.offset, { text, stream: "ended" }]);
      }),
      { numRuns: 100 },
    );
  }));

Deno.test("api stream: subscribers see the pieces before the body has ended", () =>
  withService(async ({ url, connect }) => {
    const reader = await connect("websocket", "ann");
    await reader.ask("subscribe", { channel: CHANNEL });
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const asked = fetch(`${url}/api/append?channel=${CHANNEL}&from=model`, {
      method: "POST",
      headers: { "content-type": "text/plain; charset=utf-8" },
      body: readable,
    });
    await writer.write(new TextEncoder().encode("Hello"));
    const opened = await reader.next("chat_message");
    assert.deepEqual([opened.payload.from, opened.payload.text, opened.payload.stream], [
      "model",
      "",
      "open",
    ]);
    assert.equal((await reader.next("message_append")).payload.text, "Hello");
    await writer.write(new TextEncoder().encode(", world"));
    assert.equal((await reader.next("message_append")).payload.text, ", world");
    await writer.close();
    assert.equal((await reader.next("message_append")).payload.final, "ended");
    assert.equal((await (await asked).json()).result.length, 12);
    await reader.close();
  }));

Deno.test("api stream: what a body said that breaks stays, and is interrupted after its time", () =>
  withService(async ({ url, connect }) => {
    const reader = await connect("websocket", "ann");
    await reader.ask("subscribe", { channel: CHANNEL });
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const broken = fetch(`${url}/api/append?channel=${CHANNEL}`, {
      method: "POST",
      headers: { "content-type": "text/plain" },
      body: readable,
    }).catch(() => {});
    await writer.write(new TextEncoder().encode("half of"));
    assert.equal((await reader.next("message_append")).payload.text, "half of");
    await writer.abort(new Error("the model broke")).catch(() => {});
    await broken;
    assert.equal((await reader.next("message_append")).payload.final, "interrupted");
    assert.deepEqual((await messages(url)).at(-1).payload, { text: "half of", stream: "interrupted" });
    await reader.close();
  }));

Deno.test("api stream: a body that is not UTF-8, empty or too long is refused, and what it said ends as failed", () =>
  withService(async ({ url }) => {
    const said = new TextEncoder().encode("so far");
    assert.equal((await stream(url, [said, new Uint8Array([0xff])])).error.name, "bad_payload");
    assert.equal((await stream(url, [said, new Uint8Array([0xe2, 0x82])])).error.name, "bad_payload");
    const long = Array.from({ length: 4 }, () => new Uint8Array(20_000).fill(97));
    assert.equal((await stream(url, long)).error.name, "message_too_large");
    // What comes in one piece with what is wrong is not said at all.
    const kept = await messages(url);
    assert.ok(kept.every(({ payload }) => payload.stream === "failed"));
    assert.match(kept.at(-1).payload.text, /^a{20000,65536}$/);
    assert.equal((await stream(url, [said], "&color=red")).error.name, "bad_payload");
    assert.equal((await messages(url)).length, kept.length);
    const { result } = await stream(url, []);
    assert.equal(result.length, 0);
  }));

Deno.test("api stream: a request that is sent again with its id goes on where the first one stood", () =>
  withService(async ({ url }) => {
    const pieces = ["one, ", "two"].map((text) => new TextEncoder().encode(text));
    const first = await stream(url, pieces, "&id=m1");
    const again = await stream(url, pieces, "&id=m1");
    assert.deepEqual([again.result.offset, again.result.duplicate], [first.result.offset, true]);
    assert.deepEqual((await messages(url)).map(({ payload }) => payload.text), ["one, two"]);
  }));

Deno.test("api append: pieces of a message that publish began, each once", () =>
  withService(async ({ url }) => {
    const call = async (method: string, params: unknown): Promise<Json> => {
      const answer = await fetch(`${url}/api/${method}`, { method: "POST", body: JSON.stringify(params) });
      return await answer.json();
    };
    const { result } = await call("publish", { channel: CHANNEL, text: "a", stream: true });
    const place = { channel: CHANNEL, target: result.offset };
    assert.deepEqual(await call("append", { ...place, at: 1, text: "b" }), {
      result: { ...place, length: 2 },
    });
    assert.equal((await call("append", { ...place, at: 1, text: "b" })).result.length, 2);
    assert.equal((await call("append", { ...place, at: 9, text: "c" })).error.name, "stream_gap");
    assert.equal((await call("append", { ...place, at: 2, data: [1] })).error.name, "bad_payload");
    assert.equal(
      (await call("append", { ...place, at: 2, text: "c", from: "eve" })).error.name,
      "foreign_message",
    );
    assert.equal((await call("append", { ...place, at: 2, text: "c", final: "ended" })).result.length, 3);
    assert.equal((await call("append", { ...place, at: 3, text: "d" })).error.name, "stream_ended");
    assert.deepEqual((await messages(url)).at(-1).payload, { text: "abc", stream: "ended" });
    for (const channel of ["user:ann", "broadcast:all", "doc:a"]) {
      const refused = await call("publish", { channel, text: "a", stream: true });
      assert.equal(refused.error.name, "bad_payload");
    }
  }));
