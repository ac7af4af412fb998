import assert from "node:assert/strict";
import { startTestService, type TestService } from "../support/service.ts";

const LINES = { "content-type": "application/x-ndjson" };

async function withService(run: (service: TestService) => Promise<void>): Promise<void> {
  const service = await startTestService({ engine: { kind: "memory" } });
  try {
    await run(service);
  } finally {
    await service.stop();
  }
}

// deno-lint-ignore no-explicit-any
async function publish(url: string, body: BodyInit, headers: Record<string, string> = {}): Promise<any[]> {
  const answer = await fetch(`${url}/api/publish`, {
    method: "POST",
    body,
    headers: { ...LINES, ...headers },
  });
  assert.equal(answer.status, 200);
  return (await answer.text()).trimEnd().split("\n").map((line) => JSON.parse(line));
}

Deno.test("api lines: 10,000 messages are published in order, with an answer for each", () =>
  withService(async ({ url }) => {
    const lines = Array.from(
      { length: 10_000 },
      (_, n) => JSON.stringify({ channel: "chat:a", text: `${n}` }),
    );
    const answers = await publish(url, lines.join("\n"), { "idempotency-key": "bulk" });
    assert.deepEqual(answers.map(({ result }) => result.offset), lines.map((_, n) => n + 1));
    const again = await publish(url, lines.slice(0, 600).join("\n"), { "idempotency-key": "bulk" });
    assert.ok(again.every(({ result }) => result.duplicate));
  }));

Deno.test("api lines: a line that is wrong has an error, and the others are published", () =>
  withService(async ({ url }) => {
    const good = JSON.stringify({ channel: "chat:a", text: "x" });
    const long = JSON.stringify({ channel: "chat:a", text: "y".repeat(1_100_000) });
    const answers = await publish(url, `${good}\n{no json}\n\n{"channel":"chat:a"}\r\n${long}\n${good}\n`);
    assert.deepEqual(
      answers.map(({ result, error }) => result?.offset ?? error.name),
      [1, "bad_request", "bad_payload", "message_too_large", 2],
    );
  }));

Deno.test("api lines: a line that is not UTF-8 has an error, and the others are published as they are", () =>
  withService(async ({ url }) => {
    const line = (text: string) => new TextEncoder().encode(JSON.stringify({ channel: "chat:a", text }));
    // The "?" is cut to a byte that begins a character and does not end, or to one that begins none.
    const broken = (byte: number) => line("a?").map((at) => at === 0x3f ? byte : at);
    const feed = Uint8Array.of(0x0a);
    const good = line("é€😀");
    const parts = [
      good,
      feed,
      broken(0xe2),
      feed,
      good,
      feed,
      broken(0xff),
      feed,
      good,
      feed,
      good.slice(0, -3),
    ];
    const answers = await publish(url, new Blob(parts));
    assert.deepEqual(
      answers.map(({ result, error }) => result?.offset ?? `${error.name} ${error.message}`),
      [
        1,
        "bad_request the line is not UTF-8",
        2,
        "bad_request the line is not UTF-8",
        3,
        "bad_request the line is not UTF-8",
      ],
    );
    // Characters that are cut by the chunks of the body are whole.
    const bytes = new Uint8Array(await new Blob([good, feed, broken(0xff), feed, good]).arrayBuffer());
    let at = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) =>
        at < bytes.length ? controller.enqueue(bytes.slice(at, ++at)) : controller.close(),
    });
    const again = await publish(url, body);
    assert.deepEqual(again.map(({ result, error }) => result?.offset ?? error.name), [4, "bad_request", 5]);
    const asked = await fetch(`${url}/api/history`, {
      method: "POST",
      body: JSON.stringify({ channel: "chat:a" }),
    });
    const { result: { messages } } = await asked.json();
    assert.deepEqual(
      messages.map(({ payload }: { payload: { text: string } }) => payload.text),
      Array(5).fill("é€😀"),
    );
  }));

Deno.test("api lines: answers come while the body is still open", () =>
  withService(async ({ url }) => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const say = (text: string) =>
      writer.write(new TextEncoder().encode(`${JSON.stringify({ channel: "chat:a", text })}\n`));
    const asked = fetch(`${url}/api/publish`, { method: "POST", body: readable, headers: LINES });
    await say("one");
    const reader = (await asked).body!.pipeThrough(new TextDecoderStream()).getReader();
    assert.match((await reader.read()).value!, /"offset":1/);
    await say("two");
    assert.match((await reader.read()).value!, /"offset":2/);
    await writer.close();
    assert.equal((await reader.read()).done, true);
  }));

Deno.test("api lines: a client that reads no answers is read from no further", () =>
  withService(async ({ url }) => {
    let sent = 0;
    const line = new TextEncoder().encode(
      `${JSON.stringify({ channel: "chat:a", text: "x".repeat(200) })}\n`.repeat(256),
    );
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += line.length;
        controller.enqueue(line);
      },
    });
    const abort = new AbortController();
    const answer = await fetch(`${url}/api/publish`, {
      method: "POST",
      body,
      headers: LINES,
      signal: abort.signal,
    });
    const reader = answer.body!.getReader();
    await reader.read();
    let before = -1;
    // It stands still when what the network holds is full.
    while (before !== sent) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    abort.abort();
    await reader.closed.catch(() => {});
    assert.ok(sent < 200 * 1024 * 1024, `${sent} bytes were taken`);
    assert.equal(await (await fetch(`${url}/healthz`)).text(), "ok\n");
  }));

Deno.test({
  name: "api lines: a body of 100 MB for one call is refused, and the service goes on",
  // The HTTP library goes on to drain the body for half a second after the answer.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: () =>
    withService(async ({ url }) => {
      let sent = 0;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if ((sent += 1024 * 1024) > 100 * 1024 * 1024) controller.close();
          else controller.enqueue(new Uint8Array(1024 * 1024).fill(0x20));
        },
      });
      const answer = await fetch(`${url}/api/publish`, { method: "POST", body }).catch(() => undefined);
      if (answer !== undefined) {
        assert.equal(answer.status, 413);
        await answer.body?.cancel();
      }
      const next = await fetch(`${url}/api/publish`, {
        method: "POST",
        body: '{"channel":"chat:a","text":"x"}',
      });
      assert.equal((await next.json()).result.offset, 1);
    }),
});
