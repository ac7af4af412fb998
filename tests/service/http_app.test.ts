import assert from "node:assert/strict";
import { ProtocolError } from "../../src/protocol/mod.ts";
import { createApp, createInternalApp } from "../../src/service/http/app.ts";
import { type ServerApi } from "../../src/service/http/api_contract.ts";
import { KEY, LOCAL, makeDeps, post, REMOTE, request } from "./http_support.ts";

const keyed = { settings: { apiKeys: ["another-key-of-16", KEY], development: false } };

const WEB = new URL("../../src/web/", import.meta.url);

Deno.test("http app: the page and its files come with their types, an entity tag and the security fields", async () => {
  const app = createApp(makeDeps());
  for (
    const [path, file, type] of [
      ["/", "page.html", "text/html; charset=utf-8"],
      ["/page.js", "page.js", "text/javascript; charset=utf-8"],
      ["/style.css", "style.css", "text/css; charset=utf-8"],
      ["/admin", "admin.html", "text/html; charset=utf-8"],
      ["/admin.js", "admin.js", "text/javascript; charset=utf-8"],
    ] as const
  ) {
    const response = await app(request(path), REMOTE);
    assert.equal(response.status, 200, path);
    assert.equal(response.headers.get("content-type"), type);
    assert.equal(response.headers.get("x-content-type-options"), "nosniff");
    assert.match(response.headers.get("content-security-policy")!, /default-src 'none'/);
    assert.equal(await response.text(), await Deno.readTextFile(new URL(file, WEB)), path);
    const etag = response.headers.get("etag")!;
    const again = await app(request(path, { headers: { "if-none-match": `"x", W/${etag}` } }), REMOTE);
    assert.equal(again.status, 304);
    assert.equal(await again.text(), "");
    assert.equal((await app(request(path, { headers: { "if-none-match": '"x"' } }), REMOTE)).status, 200);
  }
});

Deno.test("http app: HEAD answers as GET without a body, other methods are told which are allowed", async () => {
  const app = createApp(makeDeps());
  for (const path of ["/", "/healthz", "/client.json"]) {
    const head = await app(request(path, { method: "HEAD" }), REMOTE);
    assert.equal(head.status, 200);
    assert.equal(await head.text(), "");
    const put = await app(request(path, { method: "PUT" }), REMOTE);
    assert.equal(put.status, 405);
    assert.equal(put.headers.get("allow"), "GET, HEAD");
  }
});

Deno.test("http app: a path that is not served is 404, whatever it looks like", async () => {
  const app = createApp(makeDeps());
  for (
    const path of ["/page.html", "/..%2f..%2fetc/passwd", "/src/main.ts", "/%00", "/%ff%fe", "//", "/api"]
  ) {
    assert.equal((await app(request(path), LOCAL)).status, 404, path);
  }
});

Deno.test("http app: /client.json names the host that was asked for, with the ports and schemes of the listeners", async () => {
  const app = createApp(makeDeps());
  const ask = async (headers: Record<string, string>, transport = "tcp") => {
    const info = { remoteAddr: { ...REMOTE.remoteAddr, transport } };
    const response = await app(request("/client.json", { headers }), info);
    assert.equal(response.headers.get("cache-control"), "no-store");
    return await response.json();
  };
  assert.deepEqual(await ask({ host: "chat.example:8081" }), {
    websocketUrl: "ws://chat.example:8081/connection/websocket",
    websocketPath: "connection/websocket",
    quicUrl: "https://chat.example:4433/connection/webtransport",
    rawQuicUrl: "quic://chat.example:4433",
    quicPort: 4433,
    alpn: "skein/1",
    certificateHashes: ["q83v"],
    quic: { enabled: true },
    limits: { message: 65536 },
    heartbeat: { interval: 7000, timeout: 10000 },
  });
  assert.equal((await ask({ host: "[::1]:8080" })).quicUrl, "https://[::1]:4433/connection/webtransport");
  const claimed = await ask({ host: "chat.example", "x-forwarded-proto": "https" });
  assert.equal(claimed.websocketUrl, "ws://chat.example/connection/websocket");
  const http3 = await ask({ host: "chat.example:4433" }, "udp");
  assert.equal(http3.websocketUrl, "ws://chat.example:8080/connection/websocket");
  assert.equal(http3.websocketPath, null);
});

Deno.test("http app: /client.json says so when QUIC is off, and tells configured URLs instead of guesses", async () => {
  const info = makeDeps().clientInfo();
  const off = createApp(makeDeps({ clientInfo: () => ({ ...info, quic: undefined }) }));
  const none = await (await off(request("/client.json"), REMOTE)).json();
  assert.deepEqual([none.quicUrl, none.rawQuicUrl, none.certificateHashes, none.quic.enabled], [
    null,
    null,
    [],
    false,
  ]);
  const configured = createApp(makeDeps({
    clientInfo: () => ({
      ...info,
      websocket: { port: 1, tls: false, publicUrl: "wss://ws.example/connection/websocket" },
      quic: { ...info.quic!, publicUrl: "https://quic.example/connection/webtransport" },
    }),
  }));
  const told = await (await configured(request("/client.json"), REMOTE)).json();
  assert.equal(told.websocketUrl, "wss://ws.example/connection/websocket");
  assert.equal(told.quicUrl, "https://quic.example/connection/webtransport");
  assert.equal(told.rawQuicUrl, "quic://quic.example:443");
  assert.deepEqual([told.websocketPath, told.quicPort], [null, null]);
});

Deno.test("http app: /client.json may be read by pages of allowed origins alone", async () => {
  const allowed = async (origins: string[], origin: string) => {
    const app = createApp(makeDeps({ settings: { allowedOrigins: origins } }));
    const response = await app(request("/client.json", { headers: { origin } }), REMOTE);
    return response.headers.get("access-control-allow-origin");
  };
  assert.equal(await allowed(["*"], "https://a.example"), "*");
  assert.equal(await allowed(["https://a.example"], "https://a.example"), "https://a.example");
  assert.equal(await allowed(["https://a.example"], "https://b.example"), null);
});

Deno.test("http app: /readyz is 503 with the reason while no new client should come, /healthz stays 200", async () => {
  const state: { reason?: string } = {};
  const app = createApp(makeDeps({ notReady: () => state.reason }));
  assert.equal((await app(request("/readyz"), REMOTE)).status, 200);
  state.reason = "draining";
  const response = await app(request("/readyz"), REMOTE);
  assert.equal(response.status, 503);
  assert.match(await response.text(), /draining/);
  assert.equal((await app(request("/healthz"), REMOTE)).status, 200);
});

Deno.test("http app: operators' endpoints take a key in either header and refuse everything else", async () => {
  const app = createApp(makeDeps(keyed));
  for (const path of ["/metrics", "/stats"]) {
    assert.equal((await app(request(path), LOCAL)).status, 401);
    for (const wrong of ["", "x", KEY.slice(0, -1), `${KEY}x`, KEY.toUpperCase()]) {
      const response = await app(request(path, { headers: { "x-api-key": wrong } }), LOCAL);
      assert.equal(response.status, 401);
      assert.equal((await response.json()).error.name, "unauthorized");
    }
    assert.equal((await app(request(path, { headers: { "x-api-key": KEY } }), REMOTE)).status, 200);
    assert.equal(
      (await app(request(path, { headers: { authorization: `Bearer ${KEY}` } }), REMOTE)).status,
      200,
    );
  }
});

Deno.test("http app: a change of the keys counts at once", async () => {
  let apiKeys = [KEY];
  const deps = makeDeps();
  const app = createApp({ ...deps, settings: () => ({ ...deps.settings(), apiKeys }) });
  const status = async (key: string) =>
    (await app(request("/stats", { headers: { "x-api-key": key } }), REMOTE)).status;
  assert.deepEqual([await status(KEY), await status("a-new-key-of-many")], [200, 401]);
  apiKeys = ["a-new-key-of-many"];
  assert.deepEqual([await status(KEY), await status("a-new-key-of-many")], [401, 200]);
});

Deno.test("http app: without keys operators' endpoints are open to this machine in development mode, to nobody else", async () => {
  const development = createApp(makeDeps());
  assert.equal((await development(request("/stats"), LOCAL)).status, 200);
  assert.equal((await development(request("/stats"), REMOTE)).status, 403);
  const production = createApp(makeDeps({ settings: { development: false } }));
  assert.equal((await production(request("/stats"), LOCAL)).status, 403);
});

Deno.test("http app: a page of another site in a browser of this machine gets nothing without a key", async () => {
  const api: ServerApi = { publish: () => assert.fail("it ran") };
  const app = createApp(makeDeps({ api }));
  const internal = createInternalApp(makeDeps({ api }));
  const body = { channel: "chat:a", text: "x" };
  for (const serve of [app, internal]) {
    const foreign: Record<string, string>[] = [
      { origin: "https://evil.example" },
      { origin: "null" },
      { "sec-fetch-site": "cross-site" },
      // A name of the attacker's that points to 127.0.0.1.
      { host: "evil.example:8080", origin: "http://evil.example:8080" },
      { host: "evil.example:8080" },
    ];
    for (const headers of foreign) {
      assert.equal((await serve(post("/api/publish", body, headers), LOCAL)).status, 403);
    }
  }
});

Deno.test("http app: with an internal listener operators' endpoints are there without a key, and not on the public one", async () => {
  const deps = makeDeps({ settings: { internal: true, apiKeys: [KEY] } });
  const open = createApp(deps);
  const internal = createInternalApp(deps);
  const headers = { "x-api-key": KEY };
  for (const path of ["/metrics", "/stats", "/admin", "/admin.js"]) {
    assert.equal((await open(request(path, { headers }), LOCAL)).status, 404, path);
    assert.equal((await internal(request(path), LOCAL)).status, 200, path);
  }
  assert.equal((await open(post("/api/info", {}, headers), LOCAL)).status, 404);
  assert.equal((await internal(post("/api/info", {}), LOCAL)).status, 200);
  assert.equal((await open(request("/readyz"), LOCAL)).status, 200);
  assert.equal((await internal(request("/readyz"), LOCAL)).status, 200);
  assert.equal((await internal(request("/"), LOCAL)).status, 404);
});

Deno.test("http app: public metrics need no key, the server API still does", async () => {
  const app = createApp(makeDeps({ settings: { ...keyed.settings, metricsPublic: true } }));
  const metrics = await app(request("/metrics"), REMOTE);
  assert.equal(metrics.status, 200);
  assert.equal(metrics.headers.get("content-type"), "text/plain; version=0.0.4");
  assert.equal(await metrics.text(), "skein_users 1\n");
  assert.equal((await app(post("/api/info", {}), REMOTE)).status, 401);
});

Deno.test("http app: /admin can be switched off", async () => {
  const app = createApp(makeDeps({ settings: { adminEnabled: false } }));
  assert.equal((await app(request("/admin"), LOCAL)).status, 404);
  assert.equal((await app(request("/style.css"), LOCAL)).status, 200);
});

Deno.test("http app: /stats lists connections up to the limit and says when there are more", async () => {
  const app = createApp(makeDeps({ status: () => ({ node: "n1", connections: 2 }) }));
  const all = await (await app(request("/stats"), LOCAL)).json();
  assert.equal(all.node, "n1");
  assert.equal(all.connections, 2);
  assert.equal(all.connectionList.items.length, 3);
  assert.equal(all.connectionList.more, false);
  const two = await (await app(request("/stats?limit=2"), LOCAL)).json();
  assert.deepEqual(two.connectionList.items.map((c: { connectionId: string }) => c.connectionId), [
    "c1",
    "c2",
  ]);
  assert.equal(two.connectionList.more, true);
  for (const bad of ["-1", "1e3", "10001", "x", "", "1.5", "9".repeat(400)]) {
    assert.equal((await app(request(`/stats?limit=${bad}`), LOCAL)).status, 400, bad);
  }
});

Deno.test("http app: a failure inside is told as an internal error, without its text, and logged", async () => {
  const deps = makeDeps({
    connections: () => {
      throw new Error("secret place /root/x.ts:1");
    },
  });
  const response = await createApp(deps)(request("/stats"), LOCAL);
  assert.equal(response.status, 500);
  const text = await response.text();
  assert.deepEqual(JSON.parse(text).error, {
    code: 100,
    name: "internal",
    message: "internal error",
    temporary: true,
  });
  assert.doesNotMatch(text, /secret|x\.ts/);
  assert.equal(deps.logged[0]?.event, "http_failed");
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
});

Deno.test("http app: /dev/token makes tokens in development mode and does not exist otherwise", async () => {
  const asked: unknown[] = [];
  const app = createApp(makeDeps({
    devToken: (given) => {
      asked.push(given);
      if (given["rights"] === 1) throw new ProtocolError("bad_payload", "rights: a list");
      return "the-token";
    },
  }));
  const response = await app(post("/dev/token", { user: "ann", channels: ["chat:*"] }), REMOTE);
  assert.deepEqual(await response.json(), { token: "the-token" });
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.deepEqual(asked, [{ user: "ann", channels: ["chat:*"] }]);
  for (
    const bad of ["", "[]", "{", '{"user":1}', '{"user":""}', '{"user":"a b"}', '{"user":"ann","rights":1}']
  ) {
    assert.equal((await app(post("/dev/token", bad), REMOTE)).status, 400, bad);
  }
  assert.equal((await app(post("/dev/token", { user: "a".repeat(20_000) }), REMOTE)).status, 413);
  assert.equal((await app(request("/dev/token"), REMOTE)).status, 405);
  const without = createApp(makeDeps());
  assert.equal((await without(post("/dev/token", { user: "ann" }), LOCAL)).status, 404);
  assert.equal((await without(request("/dev/token"), LOCAL)).status, 404);
});

Deno.test("http app: /dev/token answers pages of this host, of this machine and of named origins alone", async () => {
  const app = createApp(makeDeps({
    settings: { allowedOrigins: ["*", "https://named.example"] },
    devToken: () => "t",
  }));
  const ask = async (origin: string, host = "localhost:8080") => {
    const response = await app(post("/dev/token", { user: "ann" }, { origin, host }), REMOTE);
    return [response.status, response.headers.get("access-control-allow-origin")];
  };
  assert.deepEqual(await ask("http://localhost:5173"), [200, "http://localhost:5173"]);
  assert.deepEqual(await ask("http://192.168.1.5:8080", "192.168.1.5:8080"), [
    200,
    "http://192.168.1.5:8080",
  ]);
  assert.deepEqual(await ask("https://named.example"), [200, "https://named.example"]);
  assert.deepEqual(await ask("https://evil.example"), [403, null]);
  assert.deepEqual(await ask("null"), [403, null]);
});

Deno.test("http app: files travel compressed to clients that take gzip, and each form has its own tag", async () => {
  const app = createApp(makeDeps({}));
  const get = (accepted?: string, etag?: string): Promise<Response> => {
    const headers = new Headers();
    if (accepted !== undefined) headers.set("accept-encoding", accepted);
    if (etag !== undefined) headers.set("if-none-match", etag);
    return Promise.resolve(app(request("/style.css", { headers }), REMOTE));
  };
  const plain = await get();
  const text = await plain.text();
  assert.equal(plain.headers.get("content-encoding"), null);
  assert.equal(plain.headers.get("vary"), "accept-encoding");

  const packed = await get("br, GZIP;q=0.5");
  assert.equal(packed.headers.get("content-encoding"), "gzip");
  assert.equal(packed.headers.get("vary"), "accept-encoding");
  const bytes = await packed.bytes();
  assert.equal(packed.headers.get("content-length"), String(bytes.length));
  assert.ok(bytes.length < text.length / 2);
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  assert.equal(await new Response(unpacked).text(), text);

  const [plainTag, packedTag] = [plain, packed].map(({ headers }) => headers.get("etag")!) as [
    string,
    string,
  ];
  assert.notEqual(plainTag, packedTag);
  assert.equal((await get("gzip", packedTag)).status, 304);
  const other = await get("gzip", plainTag);
  assert.equal(other.status, 200);
  await other.body?.cancel();

  for (
    const [accepted, isPacked] of [["*", true], ["gzip;q=0", false], ["gzip; q=0.0, *", false], [
      "br",
      false,
    ]] as const
  ) {
    const answer = await get(accepted);
    assert.equal(answer.headers.get("content-encoding") === "gzip", isPacked, accepted);
    await answer.body?.cancel();
  }
});
