import assert from "node:assert/strict";
import fc from "fast-check";
import { API, API_METHODS } from "../../src/protocol/api/table.ts";
import { ERRORS } from "../../src/protocol/mod.ts";
import { createApp } from "../../src/service/http/app.ts";
import type { OpenApi } from "../../src/service/http/api_openapi.ts";
import { startTestService } from "../support/service.ts";
import { KEY, LOCAL, makeDeps, request } from "./http_support.ts";
import { misfit, type Schema, valuesOf } from "./json_schema.ts";

async function described(url: string): Promise<OpenApi> {
  return await (await fetch(`${url}/api/openapi.json`)).json();
}

function schemasOf(document: OpenApi, method: string): { params: Schema; result: Schema } {
  const { requestBody, responses } = document.paths[`/api/${method}`]!.post;
  return {
    params: requestBody.content["application/json"]!.schema,
    result: responses["200"]!.content["application/json"]!.schema,
  };
}

/** Validates: the server API never fails of itself, and its answers are as it is described. */
Deno.test("Feature: quic-transport, Property 181: every method answers random bodies as its description says", async () => {
  const examples = new URL("../../src/functions/examples/", import.meta.url);
  const directory = await Deno.makeTempDir({ prefix: "skein-api-" });
  await Deno.copyFile(new URL("poll.ts", examples), `${directory}/poll.ts`);
  // Nothing of what it wants to be told of happens here.
  const secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"];
  const shop = { name: "shop", url: "http://127.0.0.1:9/", events: ["file"], secrets, allowPrivate: true };
  const service = await startTestService(
    {
      engine: { kind: "memory" },
      functions: { directory },
      webhooks: { endpoints: [shop] },
    } as Parameters<typeof startTestService>[0],
  );
  try {
    const document = await described(service.url);
    const failed = (document.components.schemas as Record<string, Schema>).Failure!;
    await using ann = await service.connect("websocket", "ann");
    await ann.ask("subscribe", { channel: "chat:a" });
    const calls = fc.constantFrom(...API_METHODS).chain((method) =>
      valuesOf(schemasOf(document, method).params).map((params) => ({ method, params }))
    );
    const seen = new Set<string>();
    const session = ann.messages.find(({ type }) => type === "auth_response")!.payload.sessionId;
    const of = { user: "ann", channel: "chat:b" };
    const succeeds = async (method: string, params: unknown) => {
      const init = { method: "POST", body: JSON.stringify(params) };
      const answer = await fetch(`${service.url}/api/${method}`, init);
      const body = await answer.json();
      assert.equal(answer.status, 200, `${method} ${JSON.stringify(body)}`);
      assert.equal(misfit(body, schemasOf(document, method).result), undefined, method);
      seen.add(method);
    };
    // What random parameters hardly meet.
    await succeeds("publish", { channel: "chat:a", text: "x" });
    await succeeds("edit", { channel: "chat:a", target: 1, text: "y" });
    await succeeds("delete", { channel: "chat:a", target: 1 });
    await succeeds("publish", { channel: "chat:a", text: "z", stream: true });
    await succeeds("append", { channel: "chat:a", target: 4, at: 1, text: "!" });
    await succeeds("subscribe", of);
    await succeeds("unsubscribe", of);
    await succeeds("refresh", { user: "ann", channels: ["chat:*"], expiresIn: null, info: { name: "Ann" } });
    await succeeds("connection", { session });
    await fc.assert(
      fc.asyncProperty(calls, async ({ method, params }) => {
        const answer = await fetch(`${service.url}/api/${method}`, {
          method: "POST",
          body: JSON.stringify(params) ?? "",
        });
        const body = await answer.json();
        assert.ok(answer.status < 500, `${method}: ${answer.status} ${JSON.stringify(body)}`);
        if (answer.ok) seen.add(method);
        const { result } = schemasOf(document, method);
        assert.equal(
          misfit(body, answer.ok ? result : failed),
          undefined,
          `${method} ${JSON.stringify(body)}`,
        );
        if (!answer.ok) assert.ok(Object.hasOwn(ERRORS, body.error.name));
      }),
      { numRuns: 1000 },
    );
    // What answers is checked for every method, not only what refuses.
    for (const method of API_METHODS) if (!seen.has(method)) await succeeds(method, API[method].example);
  } finally {
    await service.stop();
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("api description: every method's example fits its parameters", async () => {
  const app = createApp(makeDeps());
  const document: OpenApi = await (await app(request("/api/openapi.json"), LOCAL)).json();
  assert.equal(document.openapi, "3.1.0");
  assert.deepEqual(Object.keys(document.paths), API_METHODS.map((method) => `/api/${method}`));
  for (const { post } of Object.values(document.paths)) {
    const { schema, example } = post.requestBody.content["application/json"]!;
    assert.equal(misfit(example, schema), undefined, post.operationId);
  }
});

Deno.test("api description: a body that is a message is described as it is answered", async () => {
  const service = await startTestService({ engine: { kind: "memory" } });
  try {
    const document = await described(service.url);
    const { parameters, requestBody } = document.paths["/api/append"]!.post;
    const query = (parameters as { name: string; in: string; schema: Schema }[]).filter((one) =>
      one.in === "query"
    );
    const given: Record<string, string> = { channel: "chat:a", id: "m1", from: "model", priority: "low" };
    assert.deepEqual(query.map(({ name }) => name), Object.keys(given));
    for (const { name, schema } of query) assert.equal(misfit(given[name], schema), undefined, name);
    const [, ...types] = Object.keys(requestBody.content);
    assert.deepEqual(types, ["text/plain", "application/octet-stream"]);
    for (const [index, type] of types.entries()) {
      const asked = new URLSearchParams({ ...given, id: `m${index}` });
      const headers = { "content-type": type };
      const answer = await fetch(`${service.url}/api/append?${asked}`, {
        method: "POST",
        headers,
        body: "x",
      });
      const told = await answer.json();
      assert.equal(told.result.length, 1, JSON.stringify(told));
      assert.equal(misfit(told, schemasOf(document, "append").result), undefined, type);
    }
  } finally {
    await service.stop();
  }
});

Deno.test("api description: a method needs the right that is told, and a batch those of its calls alone", async () => {
  for (const right of ["publish", "manage", "read"] as const) {
    const app = createApp(makeDeps({ settings: { apiKeys: [{ key: KEY, rights: [right] }] } }));
    const document: OpenApi = await (await app(
      request("/api/openapi.json", { headers: { "x-api-key": KEY } }),
      LOCAL,
    )).json();
    for (const method of API_METHODS) {
      const { "x-right": told } = document.paths[`/api/${method}`]!.post;
      // A body that no method takes: the right is asked for first.
      const body = JSON.stringify({ nothing: true });
      const init = { method: "POST", headers: { "x-api-key": KEY }, body };
      const { error } = await (await app(request(`/api/${method}`, init), LOCAL)).json();
      const isRefused = error.name === "permission_denied";
      assert.equal(isRefused, told !== undefined && told !== right, `${method} with ${right}`);
    }
  }
});

Deno.test("api description: summaries are plain text, and every method is in one group that is described", async () => {
  const app = createApp(makeDeps());
  const { tags, paths }: OpenApi = await (await app(request("/api/openapi.json"), LOCAL)).json();
  const groups = new Set<string>();
  for (const method of API_METHODS) {
    const { summary, tags: [group, ...more] } = paths[`/api/${method}`]!.post;
    assert.match(summary, /^[A-Z][^`]{13,}[^`.:]$/, method);
    assert.deepEqual(more, [], method);
    groups.add(group!);
  }
  assert.deepEqual(tags.map(({ name }) => name).sort(), [...groups].sort());
});

Deno.test("api description: with an internal listener the public one has neither page nor description", async () => {
  const here = createApp(makeDeps());
  const away = createApp(makeDeps({ settings: { internal: true, apiKeys: [KEY] } }));
  for (const path of ["/api/docs", "/api/docs/page.js", "/api/openapi.json"]) {
    assert.equal((await here(request(path), LOCAL)).status, 200, path);
    assert.equal((await away(request(path), LOCAL)).status, 404, path);
  }
});
