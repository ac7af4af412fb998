import assert from "node:assert/strict";
import { Discovery } from "../../src/client/discovery.ts";
import { resolveOptions } from "../../src/client/options.ts";

const DERIVED = {
  websocketUrl: "ws://127.0.0.1:8080/connection/websocket",
  websocketPath: "connection/websocket",
  quicUrl: "https://127.0.0.1:4433/connection/webtransport",
  rawQuicUrl: "quic://127.0.0.1:4433",
  quicPort: 4433,
  certificateHashes: [],
};

/** A web server that has documents at some URLs, and answers 404 elsewhere. */
function web(documents: Record<string, unknown>, redirects: Record<string, string> = {}) {
  const asked: string[] = [];
  const fetch = (url: URL): Promise<Response> => {
    asked.push(url.href);
    const at = redirects[url.href] ?? url.href;
    const body = documents[at];
    if (body instanceof Error) return Promise.reject(body);
    const response = body === undefined
      ? new Response("no", { status: 404 })
      : typeof body === "string"
      ? new Response(body)
      : Response.json(body);
    Object.defineProperty(response, "url", { value: at });
    return Promise.resolve(response);
  };
  return { asked, fetch };
}

async function find(url: string, { fetch }: ReturnType<typeof web>, rawQuic = false) {
  const discovery = new Discovery(resolveOptions({ url, rawQuic, token: "t", parts: { fetch } }));
  const { websocket, quic } = await discovery.find(new AbortController().signal);
  return { websocket: websocket?.href, quic: quic?.href };
}

Deno.test("discovery: scheme, host, port and path are those of the URL that worked", async () => {
  assert.deepEqual(
    await find(
      "https://chat.example:8443/rt",
      web({ "https://chat.example:8443/rt/client.json": DERIVED }),
    ),
    {
      websocket: "wss://chat.example:8443/rt/connection/websocket",
      quic: "https://chat.example:4433/connection/webtransport",
    },
  );
  assert.deepEqual(await find("http://[::1]:8080", web({ "http://[::1]:8080/client.json": DERIVED }), true), {
    websocket: "ws://[::1]:8080/connection/websocket",
    quic: "quic://[::1]:4433",
  });
});

Deno.test("discovery: the document is looked for below the path, beside the page, and at the root", async () => {
  const server = web({ "https://a.example/client.json": DERIVED });
  const { websocket } = await find("https://a.example/app/index.html?x=1#y", server);
  assert.equal(websocket, "wss://a.example/connection/websocket");
  assert.deepEqual(server.asked, [
    "https://a.example/app/index.html/client.json",
    "https://a.example/app/client.json",
    "https://a.example/client.json",
  ]);
});

Deno.test("discovery: a page that is served for every path is not taken for the document", async () => {
  const server = web({
    "https://a.example/rt/client.json": "<!doctype html>",
    "https://a.example/client.json": DERIVED,
  });
  assert.equal(
    (await find("https://a.example/rt/", server)).websocket,
    "wss://a.example/connection/websocket",
  );
});

Deno.test("discovery: a redirect counts, so that http becomes wss behind a proxy that asks for https", async () => {
  const server = web({ "https://a.example/client.json": DERIVED }, {
    "http://a.example/client.json": "https://a.example/client.json",
  });
  assert.equal((await find("http://a.example", server)).websocket, "wss://a.example/connection/websocket");
});

Deno.test("discovery: URLs that the operator configured are dialled as they are", async () => {
  const configured = {
    ...DERIVED,
    websocketUrl: "wss://ws.example/x",
    websocketPath: null,
    quicUrl: "https://quic.example/connection/webtransport",
    quicPort: null,
  };
  assert.deepEqual(
    await find("http://a.example/rt", web({ "http://a.example/rt/client.json": configured })),
    {
      websocket: "wss://ws.example/x",
      quic: "https://quic.example/connection/webtransport",
    },
  );
});

Deno.test("discovery: a page that came by https dials wss", async () => {
  const scope = globalThis as { location?: unknown };
  const before = Object.getOwnPropertyDescriptor(globalThis, "location");
  Object.defineProperty(globalThis, "location", {
    value: { protocol: "https:", href: "https://page.example/" },
    configurable: true,
  });
  try {
    const server = web({ "http://a.example/client.json": DERIVED });
    assert.equal((await find("http://a.example", server)).websocket, "wss://a.example/connection/websocket");
  } finally {
    if (before === undefined) delete scope.location;
    else Object.defineProperty(globalThis, "location", before);
  }
});

Deno.test("discovery: the error names every URL that was tried, and why it did not do", async () => {
  await assert.rejects(find("https://a.example/rt", web({})), {
    message: "https://a.example/rt/client.json, https://a.example/client.json: HTTP 404",
  });
  const dead = web({ "https://a.example/client.json": new Error("connection refused") });
  await assert.rejects(find("https://a.example", dead), {
    message: "https://a.example/client.json: connection refused",
  });
});
