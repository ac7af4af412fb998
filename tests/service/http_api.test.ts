import assert from "node:assert/strict";
import fc from "fast-check";
import { ERRORS, ProtocolError } from "../../src/protocol/mod.ts";
import { readJson } from "../../src/service/http/body.ts";
import { ApiCounters } from "../../src/service/http/api_counters.ts";
import { Exposition } from "../../src/service/metrics/exposition.ts";
import { createApp, createInternalApp } from "../../src/service/http/app.ts";
import { type HttpDeps } from "../../src/service/http/deps.ts";
import { type ServerApi } from "../../src/service/http/server_api.ts";
import { parseExposition } from "./metrics_support.ts";
import { KEY, LOCAL, makeDeps, post, request } from "./http_support.ts";

async function call(
  deps: HttpDeps,
  method: string,
  body: unknown,
  // deno-lint-ignore no-explicit-any
): Promise<{ status: number; body: any }> {
  const response = await createInternalApp(deps)(post(`/api/${method}`, body), LOCAL);
  return { status: response.status, body: await response.json() };
}

Deno.test("api: methods get what was asked, checked, and their results come back", async () => {
  const asked: [string, unknown][] = [];
  const record = (name: string) => (params: unknown) => {
    asked.push([name, params]);
    return { did: name };
  };
  const names = [
    "publish",
    "broadcast",
    "subscribe",
    "unsubscribe",
    "disconnect",
    "presence",
    "history",
    "connections",
    "channels",
    "delete_file",
  ] as const;
  const api = Object.fromEntries(names.map((name) => [name, record(name)])) as ServerApi;
  const deps = makeDeps({ api });
  const params: Record<typeof names[number], unknown> = {
    publish: { channel: "chat:a", data: { x: [1] }, id: "m1", from: "bot" },
    broadcast: { channels: ["chat:a", "chat:b"], text: "hello" },
    subscribe: { user: "ann", channel: "chat:a" },
    unsubscribe: { user: "ann", channel: "chat:a", session: "s1" },
    disconnect: { user: "ann", reason: "go" },
    presence: { channel: "chat:a" },
    history: { channel: "chat:a", since: 3, limit: 10, reverse: true },
    connections: { user: "ann", limit: 3 },
    channels: {},
    delete_file: { file: "f1" },
  };
  for (const name of names) {
    assert.deepEqual(await call(deps, name, params[name]), { status: 200, body: { result: { did: name } } });
    assert.deepEqual(asked.at(-1), [name, params[name]]);
  }
});

Deno.test("api: parameters that are not right are refused before a method runs, naming the field", async () => {
  const never = () => assert.fail("it ran");
  const deps = makeDeps({
    api: {
      publish: never,
      broadcast: never,
      subscribe: never,
      disconnect: never,
      history: never,
      delete_file: never,
    },
  });
  const bad: [string, unknown, RegExp][] = [
    ["publish", {}, /channel/],
    ["publish", { channel: "nocolon", text: "x" }, /channel/],
    ["publish", { channel: "chat:a" }, /exactly one of text and data/],
    ["publish", { channel: "chat:a", text: "x", data: 1 }, /exactly one of text and data/],
    ["publish", { channel: "chat:a", text: 5 }, /text/],
    ["publish", { channel: "chat:a", text: "x", id: "a b" }, /id/],
    ["broadcast", { channels: [], text: "x" }, /channels/],
    ["broadcast", { channels: Array(1001).fill("chat:a"), text: "x" }, /channels/],
    ["subscribe", { user: "", channel: "chat:a" }, /user/],
    ["disconnect", {}, /user/],
    ["history", { channel: "chat:a", limit: 0 }, /limit/],
    ["history", { channel: "chat:a", since: -1 }, /since/],
    ["delete_file", {}, /file/],
    ["delete_file", { file: "" }, /file/],
    ["batch", {}, /commands/],
    ["batch", { commands: Array(1001).fill({ method: "info" }) }, /commands/],
  ];
  for (const [method, params, says] of bad) {
    const { status, body } = await call(deps, method, params);
    assert.equal(status, 400, `${method} ${JSON.stringify(params).slice(0, 80)}`);
    assert.equal(body.error.code, ERRORS.bad_payload.code);
    assert.equal(body.error.name, "bad_payload");
    assert.match(body.error.message, says);
  }
});

Deno.test("api: a method that is not offered or does not exist is unknown", async () => {
  const deps = makeDeps({ api: {} });
  for (const method of ["publish", "nothing", "constructor", "__proto__", "toString"]) {
    const { status, body } = await call(deps, method, { channel: "chat:a", text: "x" });
    assert.equal(status, 404, method);
    assert.equal(body.error.name, "unknown_type");
  }
  const app = createInternalApp(deps);
  assert.equal((await app(request("/api/publish"), LOCAL)).status, 405);
  assert.equal((await app(post("/api/a/b", {}), LOCAL)).status, 404);
});

Deno.test("api: errors of methods are told by the protocol's table, others are internal and logged", async () => {
  const deps = makeDeps({
    api: {
      publish: () => Promise.reject(new ProtocolError("unknown_channel")),
      presence: () => {
        throw new ProtocolError("not_available");
      },
      history: () => Promise.reject(new Error("secret")),
    },
  });
  const unknown = await call(deps, "publish", { channel: "chat:a", text: "x" });
  assert.equal(unknown.status, 404);
  assert.deepEqual(unknown.body.error, {
    code: 102,
    name: "unknown_channel",
    message: "no such channel",
    temporary: false,
  });
  assert.equal((await call(deps, "presence", { channel: "chat:a" })).status, 503);
  const internal = await call(deps, "history", { channel: "chat:a" });
  assert.equal(internal.status, 500);
  assert.doesNotMatch(JSON.stringify(internal.body), /secret/);
  assert.equal(deps.logged.length, 1);
});

Deno.test("api: a batch runs in order, and one failure does not stop the others", async () => {
  const ran: unknown[] = [];
  const deps = makeDeps({
    api: {
      async publish({ text }) {
        await new Promise((resolve) => setTimeout(resolve, text === "first" ? 5 : 0));
        ran.push(text);
        if (text === "bad") throw new Error("secret");
        return { offset: ran.length };
      },
    },
  });
  const publish = (text: string) => ({ method: "publish", params: { channel: "chat:a", text } });
  const commands = [
    publish("first"),
    publish("bad"),
    { method: "batch", params: { commands: [] } },
    publish("last"),
  ];
  const { status, body } = await call(deps, "batch", { commands });
  assert.equal(status, 200);
  assert.deepEqual(ran, ["first", "bad", "last"]);
  assert.deepEqual(body.result.replies[0], { result: { offset: 1 } });
  assert.equal(body.result.replies[1].error.name, "internal");
  assert.equal(body.result.replies[2].error.name, "unknown_type");
  assert.deepEqual(body.result.replies[3], { result: { offset: 3 } });
  assert.equal(deps.logged.length, 1);
});

Deno.test("api: info is answered from the service's figures", async () => {
  const deps = makeDeps({ status: () => ({ node: "n1", connections: 2 }) });
  assert.deepEqual((await call(deps, "info", "")).body.result, { node: "n1", connections: 2 });
});

Deno.test("api: whatever a body holds, the answer is JSON with a result or an error of the table", async () => {
  const app = createApp(makeDeps({ settings: { apiKeys: [KEY] }, api: { publish: () => ({ ok: true }) } }));
  const known = new Set<string>(Object.keys(ERRORS));
  const bodies = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.json().map((text) => new TextEncoder().encode(text)),
    fc.record({ channel: fc.anything(), text: fc.anything(), data: fc.anything() }, { requiredKeys: [] })
      .map((value) => {
        try {
          return new TextEncoder().encode(JSON.stringify(value) ?? "");
        } catch {
          return new Uint8Array();
        }
      }),
  );
  await fc.assert(
    fc.asyncProperty(
      bodies,
      fc.constantFrom("publish", "batch", "history", "info"),
      async (bytes, method) => {
        const response = await app(
          request(`/api/${method}`, {
            method: "POST",
            body: new Uint8Array(bytes),
            headers: { "x-api-key": KEY },
          }),
          LOCAL,
        );
        const body = await response.json();
        if (response.status === 200) assert.ok("result" in body);
        else {
          assert.ok(known.has(body.error.name));
          assert.ok(response.status >= 400 && response.status < 500);
        }
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("api: a body above the bound is refused, announced or not", async () => {
  const announced = new Request("http://x/", {
    method: "POST",
    body: "{}",
    headers: { "content-length": "2000000" },
  });
  await assert.rejects(readJson(announced), { error: "message_too_large" });
  let pulled = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled++;
      controller.enqueue(new Uint8Array(1000));
    },
  });
  await assert.rejects(
    readJson(new Request("http://x/", { method: "POST", body: endless }), { maxBytes: 10_000 }),
    { error: "message_too_large" },
  );
  assert.ok(pulled < 20, `${pulled} chunks were read`);
});

Deno.test("api: a body that does not arrive is given up", async () => {
  const silent = new ReadableStream<Uint8Array>({ start: (c) => c.enqueue(new TextEncoder().encode("{")) });
  await assert.rejects(
    readJson(new Request("http://x/", { method: "POST", body: silent }), { timeout: 20 }),
    { error: "bad_request", message: "the body did not come in time" },
  );
});

Deno.test("api: calls are counted by method and result, those of a batch one by one", async () => {
  const counts = new ApiCounters();
  const api: ServerApi = {
    publish: () => ({}),
    history: () => Promise.reject(new ProtocolError("unknown_channel")),
    channels: () => {
      throw new Error("broken");
    },
  };
  const deps = makeDeps({ api, apiCall: counts.count });
  const publish = { channel: "chat:a", text: "x" };
  await call(deps, "publish", publish);
  await call(deps, "batch", {
    commands: [{ method: "publish", params: publish }, {
      method: "history",
      params: { channel: "chat:a" },
    }],
  });
  await call(deps, "channels", {});
  await call(deps, "no_such_method", {});
  const text = parseExposition(await new Exposition(counts.series).render());
  const calls = (method: string, result: string) => text.value("skein_api_calls_total", { method, result });
  assert.equal(calls("publish", "ok"), 2);
  assert.equal(calls("history", "unknown_channel"), 1);
  assert.equal(calls("channels", "internal"), 1);
  assert.equal(calls("other", "unknown_type"), 1);
  assert.equal(text.all("skein_api_calls_total", {}).length, 4);
  assert.equal(text.value("skein_api_seconds_count", { method: "publish" }), 2);
});
