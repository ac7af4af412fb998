/** Requests to `/fn`, and what functions fetch from other hosts. */

import assert from "node:assert/strict";
import { Http3Peer } from "../quic/h3_peer.ts";
import { source } from "./support.ts";
import { functionService } from "./service_support.ts";

const WEB = source(
  `
    const path = event.path;
    if (path === "/echo") {
      return new Response(event.body, { status: 201, headers: [["x-method", event.method], ["set-cookie", "a=1"], ["set-cookie", "b=2"]] });
    }
    if (path === "/json") return { query: event.query, agent: event.headers["x-agent"], address: event.address };
    if (path === "/text") return "plain";
    if (path === "/nothing") return;
    if (path === "/status") return new Response(null, { status: 304 });
    if (path === "/throw") throw new Error("secret words");
    if (path === "/slow") await new Promise(() => {});
    if (path === "/big") return new Response(new Uint8Array(3_000_000).fill(7));
    if (path === "/splitting") return new Response("x", { headers: { "connection": "close", "transfer-encoding": "chunked", "x-hono-already-sent": "true" } });
    if (path === "/endless") {
      let sent = 0;
      return new Response(new ReadableStream({
        async pull(controller) {
          await new Promise((done) => setTimeout(done, 1));
          controller.enqueue(new TextEncoder().encode("piece " + sent++ + "\\n"));
        },
        cancel() {},
      }), { headers: { "content-type": "text/event-stream" } });
    }
    if (path === "/pieces") {
      let sent = 0;
      return new Response(new ReadableStream({
        async pull(controller) {
          await new Promise((done) => setTimeout(done, 5));
          controller.enqueue(new TextEncoder().encode("piece " + sent++ + "\\n"));
          if (sent === 3) controller.close();
        },
      }), { status: 203, headers: { "content-type": "text/event-stream" } });
    }
    if (path === "/broken stream" || path === "/broken%20stream") {
      let sent = 0;
      return new Response(new ReadableStream({
        async pull(controller) {
          await new Promise((done) => setTimeout(done, 5));
          if (sent++ > 2) throw new Error("broken");
          controller.enqueue(new TextEncoder().encode("piece\\n"));
        },
      }));
    }
    return new Response("no such page", { status: 404 });`,
  "",
  'on: { http: { methods: ["GET", "HEAD", "POST"] } }, timeout: "3s",',
);

Deno.test("functions: an HTTP request is answered with what the handler returns", async () => {
  const service = await functionService({ "web.ts": WEB, "other.ts": source("return 1;") });
  const get = (path: string, init?: RequestInit) => fetch(`${service.url}/fn/web${path}`, init);
  const status = async (path: string) => {
    const answer = await get(path);
    await answer.body?.cancel();
    return answer.status;
  };
  try {
    const echo = await get("/echo", { method: "POST", body: "hello" });
    assert.equal(echo.status, 201);
    assert.equal(echo.headers.get("x-method"), "POST");
    assert.deepEqual(echo.headers.getSetCookie(), ["a=1", "b=2"]);
    assert.equal(echo.headers.get("x-content-type-options"), "nosniff");
    assert.equal(await echo.text(), "hello");
    assert.deepEqual(await (await get("/json?a=1&b=two%20words", { headers: { "x-agent": "me" } })).json(), {
      query: { a: "1", b: "two words" },
      agent: "me",
      address: "127.0.0.1",
    });
    assert.equal(await (await get("/text")).text(), "plain");
    assert.equal(await status("/nothing"), 204);
    assert.equal(await status("/status"), 304);
    assert.equal(await status("/elsewhere"), 404);
    assert.equal(await (await get("")).text(), "no such page");
    assert.equal(await (await fetch(`${service.url}/fn/%77eb/text`)).text(), "plain");
    const head = await get("/text", { method: "HEAD" });
    assert.equal(head.status, 200);
    assert.equal(await head.text(), "");
    const big = await (await get("/big")).bytes();
    assert.equal(big.length, 3_000_000);
    assert.ok(big.every((byte) => byte === 7));
    assert.equal(await (await get("/splitting")).text(), "x");
    const put = await get("/text", { method: "PUT" });
    assert.equal(put.status, 405);
    assert.equal(put.headers.get("allow"), "GET, HEAD, POST");
    await put.body?.cancel();
  } finally {
    await service.stop();
  }
});

Deno.test("functions: what fails is told without a word of the function's own", async () => {
  const service = await functionService({ "web.ts": WEB, "other.ts": source("return 1;") });
  const status = async (path: string, init?: RequestInit) => {
    const answer = await fetch(`${service.url}${path}`, init);
    return [answer.status, await answer.text()];
  };
  try {
    // First: a body that nobody reads may leave a timer of the HTTP library, and the slow call below takes longer.
    const large = await fetch(`${service.url}/fn/web/echo`, {
      method: "POST",
      body: new Uint8Array(1024 * 1024 + 1),
    });
    assert.equal(large.status, 413);
    await large.text();
    assert.deepEqual(await status("/fn/web/throw"), [502, "the function failed\n"]);
    assert.deepEqual(await status("/fn/web/slow"), [504, "the function did not answer in time\n"]);
    // One without `on.http`, one that does not exist, and names that no function has.
    for (const name of ["other", "absent", "skein", "..%2Fweb", "__proto__", "web.ts"]) {
      assert.deepEqual(await status(`/fn/${name}`), [404, "not found\n"], name);
    }
    const line = service.lines.find(({ kind }) => kind === "threw");
    assert.match(String(line?.reason), /^web\.ts:\d+:\d+: secret words$/);
  } finally {
    await service.stop();
  }
});

Deno.test("functions: a streamed response comes piece by piece, and ends with its reader", async () => {
  const service = await functionService({ "web.ts": WEB });
  try {
    const answer = await fetch(`${service.url}/fn/web/endless`);
    assert.equal(answer.headers.get("content-type"), "text/event-stream");
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("piece 20\n")) text += (await reader.read()).value;
    await reader.cancel();
    await assert.rejects((await fetch(`${service.url}/fn/web/broken stream`)).text());
    // The calls are over: no isolate is held by a reader that has gone.
    for (;;) {
      const { functions } = await service.stats();
      if (functions.functions.web.active === 0) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } finally {
    await service.stop();
  }
});

Deno.test("functions: requests over HTTP/3 are answered alike, whole and piece by piece", async () => {
  const service = await functionService({ "web.ts": WEB });
  const peer = await Http3Peer.connect(service.quicPort, service.certificateHash);
  try {
    await peer.control();
    const ask = (path: string) =>
      peer.request([
        [":method", "GET"],
        [":scheme", "https"],
        [":authority", `127.0.0.1:${service.quicPort}`],
        [":path", `/fn/web${path}`],
      ]);
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    const whole = await ask("/text");
    assert.deepEqual([whole.status, text(whole.body)], [200, "plain"]);
    const pieces = await ask("/pieces");
    assert.deepEqual([pieces.status, text(pieces.body)], [203, "piece 0\npiece 1\npiece 2\n"]);
    assert.equal(pieces.headers.get("content-type"), "text/event-stream");
    assert.equal((await ask("/throw")).status, 502);
  } finally {
    peer.close();
    await service.stop();
  }
});

const FETCHER = source(
  `
    const { url, init, read } = event.data;
    const answer = await context.fetch(url, init);
    if (read === false) return answer.status;
    return { status: answer.status, url: answer.url, type: answer.headers.get("content-type"), text: await answer.text() };`,
  "",
  'on: { rpc: { methods: ["fetch"] } },',
);

Deno.test("functions: hosts that are granted can be fetched, no others", async () => {
  const seen: { path: string; authorization: string | null; body: string; host: string | null }[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    const { headers } = request;
    seen.push({
      path: `${request.method} ${pathname}`,
      authorization: headers.get("authorization"),
      host: headers.get("host"),
      body: await request.text(),
    });
    if (pathname === "/away") return Response.redirect("http://169.254.169.254/latest", 302);
    if (pathname === "/here") return new Response(null, { status: 307, headers: { location: "/end" } });
    if (pathname === "/round") return new Response(null, { status: 302, headers: { location: "/round" } });
    if (pathname === "/big") return new Response(new Uint8Array(20_000_000));
    if (pathname === "/hang") return new Response(new ReadableStream({ pull: () => new Promise(() => {}) }));
    return new Response("the end", { headers: { "content-type": "text/x" } });
  });
  const { port } = server.addr;
  const service = await functionService({
    "getter.ts": FETCHER,
    "poor.ts": FETCHER.replace('"fetch"', '"poor"'),
  }, {
    timeout: "3s",
    grants: { getter: { hosts: ["localhost", "api.example.org"], privateHosts: [`127.0.0.1:${port}`] } },
  });
  try {
    await using ann = await service.connect("websocket", "ann");
    const ask = (data: unknown, method = "fetch") => ann.request("rpc", { method, data });
    const base = `http://127.0.0.1:${port}`;
    const good = await ask({
      url: `${base}/x`,
      init: { method: "POST", body: "said", headers: { authorization: "a b", host: "evil" } },
    });
    assert.deepEqual(good.payload.data, { status: 200, url: `${base}/x`, type: "text/x", text: "the end" });
    assert.deepEqual(seen.at(-1), {
      path: "POST /x",
      authorization: "a b",
      host: `127.0.0.1:${port}`,
      body: "said",
    });
    const moved = await ask({ url: `${base}/here`, init: { method: "POST", body: "again" } });
    assert.equal((moved.payload.data as { text: string }).text, "the end");
    assert.deepEqual([seen.at(-1)!.path, seen.at(-1)!.body], ["POST /end", "again"]);
    assert.equal(
      (await ask({ url: `${base}/here`, init: { redirect: "manual" }, read: false })).payload.data,
      307,
    );
    const before = seen.length;
    for (
      const [url, why] of [
        ["http://169.254.169.254/latest", /not granted/],
        [`http://localhost:${port}/`, /not granted/],
        ["http://localhost/", /private address/],
        ["https://example.com/", /not granted/],
        ["http://2130706433/", /not granted/],
        [`http://[::ffff:127.0.0.1]:${port}/`, /not granted/],
        ["file:///etc/passwd", /only http and https/],
        ["http://user:word@api.example.org/", /user or password/],
        ["no url", /not a URL/],
      ] as const
    ) {
      service.lines.length = 0;
      assert.equal((await ask({ url })).type, "error", url);
      assert.match(String(service.lines.find(({ kind }) => kind === "threw")?.reason), why, url);
    }
    assert.equal((await ask({ url: `${base}/x` }, "poor")).type, "error");
    assert.equal(seen.length, before);
    for (const path of ["/away", "/round", "/big", "/hang"]) {
      assert.equal((await ask({ url: base + path })).type, "error", path);
    }
    // The function and the service go on.
    assert.equal((await ask({ url: `${base}/x`, read: false })).payload.data, 200);
  } finally {
    await service.stop();
    await server.shutdown();
  }
});
