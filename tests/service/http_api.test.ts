import assert from "node:assert/strict";
import fc from "fast-check";
import { ERRORS, ProtocolError } from "../../src/protocol/mod.ts";
import { readJson } from "../../src/service/http/body.ts";
import { ApiCounters } from "../../src/service/http/api_counters.ts";
import { Exposition } from "../../src/service/metrics/exposition.ts";
import { createApp, createInternalApp } from "../../src/service/http/app.ts";
import { type HttpDeps } from "../../src/service/http/deps.ts";
import { type ServerApi } from "../../src/service/http/api_contract.ts";
import { parseExposition } from "./metrics_support.ts";
import { KEY, LOCAL, makeDeps, post, request } from "./http_support.ts";

const published = { channel: "chat:a", offset: 1, epoch: "e", duplicate: false };

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
    return { did: name } as never;
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
    "file_delete",
  ] as const;
  const api = Object.fromEntries(names.map((name) => [name, record(name)])) as unknown as ServerApi;
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
    file_delete: { file: "f1" },
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
      file_delete: never,
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
    ["subscribe", { user: "ann", channel: "chat:a", sesion: "s" }, /sesion: no such field/],
    ["disconnect", {}, /user/],
    ["revoke", {}, /jti alone/],
    ["revoke", { jti: "a", user: "ann" }, /jti alone/],
    ["refresh", { user: "ann", rights: ["all"] }, /rights/],
    ["history", { channel: "chat:a", limit: 0 }, /limit/],
    ["history", { channel: "chat:a", since: -1 }, /since/],
    ["file_delete", {}, /file/],
    ["file_delete", { file: "" }, /file/],
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
      async unsubscribe({ user }) {
        await new Promise((resolve) => setTimeout(resolve, user === "first" ? 5 : 0));
        ran.push(user);
        if (user === "bad") throw new Error("secret");
        return { sessions: ran.length };
      },
    },
  });
  const take = (user: string) => ({ method: "unsubscribe", params: { channel: "chat:a", user } });
  const commands = [take("first"), take("bad"), { method: "batch", params: { commands: [] } }, take("last")];
  const { status, body } = await call(deps, "batch", { commands });
  assert.equal(status, 200);
  assert.deepEqual(ran, ["first", "bad", "last"]);
  assert.equal(body.result.replies[0].result.sessions, 1);
  assert.equal(body.result.replies[1].error.name, "internal");
  assert.equal(body.result.replies[2].error.name, "unknown_type");
  assert.equal(body.result.replies[3].result.sessions, 3);
  assert.equal(deps.logged.length, 1);
});

Deno.test("api: an unknown method is answered with the nearest name", async () => {
  const { body } = await call(makeDeps(), "publsh", {});
  assert.match(body.error.message, /did you mean publish\?/);
});

Deno.test("api: a key has the rights that are configured for it, in a batch too", async () => {
  const keys = [
    { key: "key-that-may-publish", rights: ["publish"] as const },
    { key: "key-that-may-read-it", rights: ["read"] as const },
    { key: "key-that-may-read-it", rights: ["manage"] as const },
    KEY,
  ];
  const deps = makeDeps({
    settings: { apiKeys: keys },
    api: {
      publish: () => published,
      disconnect: () => ({ connections: 0 }),
      channels: () => ({ channels: [], more: false }),
    },
  });
  const app = createApp(deps);
  const status = async (key: string, method: string, params: unknown) =>
    (await app(post(`/api/${method}`, params, { "x-api-key": key }), LOCAL)).status;
  const calls = [["publish", { channel: "chat:a", text: "x" }], ["disconnect", { user: "a" }], [
    "channels",
    {},
  ]] as const;
  const tried = async (key: string) => {
    const statuses = [];
    for (const [method, params] of calls) statuses.push(await status(key, method, params));
    return statuses;
  };
  assert.deepEqual(await tried("key-that-may-publish"), [200, 403, 403]);
  assert.deepEqual(await tried("key-that-may-read-it"), [403, 200, 200]);
  assert.deepEqual(await tried(KEY), [200, 200, 200]);
  assert.deepEqual(await tried(`${KEY}x`), [401, 401, 401]);
  const commands = calls.map(([method, params]) => ({ method, params }));
  const answer = await app(post("/api/batch", { commands }, { "x-api-key": "key-that-may-publish" }), LOCAL);
  const { result } = await answer.json();
  assert.deepEqual(
    result.replies.map((reply: { error?: { name: string } }) => reply.error?.name),
    [undefined, "permission_denied", "permission_denied"],
  );
  const stats = (key: string) => app(request("/stats", { headers: { "x-api-key": key } }), LOCAL);
  assert.equal((await stats("key-that-may-publish")).status, 403);
  assert.equal((await stats("key-that-may-read-it")).status, 200);
});

Deno.test("api: the Idempotency-Key of a call is the id of what it publishes, with numbers in a batch", async () => {
  const ids: unknown[] = [];
  const deps = makeDeps({
    api: {
      publish: ({ id }) => {
        ids.push(id);
        return published;
      },
      channels: () => ({ channels: [], more: false }),
    },
  });
  const app = createInternalApp(deps);
  const send = (method: string, body: unknown, key: string) =>
    app(post(`/api/${method}`, body, { "idempotency-key": key }), LOCAL);
  const params = { channel: "chat:a", text: "x" };
  await send("publish", params, "k1");
  await send("publish", { ...params, id: "own" }, "k1");
  const commands = [{ method: "publish", params }, { method: "publish", params: { ...params, id: "own" } }, {
    method: "publish",
    params,
  }];
  await send("batch", { commands }, "k2");
  assert.equal((await send("channels", {}, "k3")).status, 200);
  assert.deepEqual(ids, ["k1", "own", "k2-0", "own", "k2-2"]);
  assert.equal((await send("publish", params, "x".repeat(57))).status, 400);
});

Deno.test("api: parameters that are nested too deeply are refused", async () => {
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  const { status, body } = await call(makeDeps(), "publish", `{"channel":"chat:a","data":${deep}}`);
  assert.equal(status, 400);
  assert.match(body.error.message, /levels/);
});

Deno.test("api: whatever a body holds, the answer is JSON with a result or an error of the table", async () => {
  const app = createApp(makeDeps({ settings: { apiKeys: [KEY] }, api: { publish: () => published } }));
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
    publish: () => published,
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
