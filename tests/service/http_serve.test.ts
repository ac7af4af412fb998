import assert from "node:assert/strict";
import { createApp } from "../../src/service/http/app.ts";
import { type FetchHandler } from "../../src/service/http/deps.ts";
import { startHttp } from "../../src/service/http/serve.ts";
import type { Encoded } from "../../src/protocol/mod.ts";
import { makeDeps } from "./http_support.ts";
import { makeCertificate } from "../support/certificate.ts";

const ADAPTERS = ["skein", "deno"] as const;
type Adapter = typeof ADAPTERS[number];

/** The same test on both adapters. */
function each(name: string, run: (websocket: Adapter) => Promise<void>): void {
  for (const websocket of ADAPTERS) Deno.test(`${name} (${websocket})`, () => run(websocket));
}

async function serving(
  websocket: Adapter,
  handler: FetchHandler,
  run: (port: number) => Promise<void>,
): Promise<void> {
  const server = await startHttp({ websocket, hostname: "127.0.0.1", port: 0, handler });
  try {
    await run(server.address.port);
  } finally {
    await server.close(0);
  }
}

/** Sends bytes over TCP and returns what comes until the other side ends or `until` is seen. */
async function raw(port: number, bytes: string, until = /\r\n\r\n/): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(bytes));
  const buffer = new Uint8Array(4096);
  let text = "";
  while (!until.test(text)) {
    const n = await connection.read(buffer);
    if (n === null) break;
    text += new TextDecoder().decode(buffer.subarray(0, n));
  }
  return text;
}

const UPGRADE = {
  Host: "127.0.0.1",
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
};

function upgrade(over: Record<string, string | undefined> = {}): string {
  const fields = Object.entries({ ...UPGRADE, ...over }).filter(([, value]) => value !== undefined);
  return `GET /connection/websocket HTTP/1.1\r\n${fields.map(([k, v]) => `${k}: ${v}\r\n`).join("")}\r\n`;
}

each(
  "http: a WebSocket upgrade is handed on with the address of the peer",
  async (websocket) => {
    const peers: string[] = [];
    const app = createApp(makeDeps({
      upgradeWebSocket(info) {
        peers.push(info.remoteAddr.hostname);
        const { socket, response } = info.upgradeWebSocket!({ maxMessage: 1000 })!;
        const text = (text: string) => void socket.sendText({ text: () => `echo ${text}` } as Encoded);
        socket.start({
          text,
          opened() {},
          binary() {},
          drained() {},
          heldBack() {},
          failed() {},
          closed() {},
        });
        return response;
      },
    }));
    await serving(websocket, app, async (port) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/connection/websocket`);
      const answer = await new Promise((resolve, reject) => {
        socket.onopen = () => socket.send("x");
        socket.onmessage = ({ data }) => resolve(data);
        socket.onerror = () => reject(new Error("no socket"));
      });
      assert.equal(answer, "echo x");
      assert.deepEqual(peers, ["127.0.0.1"]);
      const closed = new Promise((resolve) => socket.onclose = resolve);
      socket.close();
      await closed;
    });
  },
);

each(
  "http: an invalid upgrade or one of a forbidden origin is refused before a session begins",
  async (websocket) => {
    const app = createApp(makeDeps({
      settings: { allowedOrigins: ["https://named.example"] },
      upgradeWebSocket: () => new Response("taken", { status: 299 }),
    }));
    await serving(websocket, app, async (port) => {
      const status = async (text: string) => Number(/^HTTP\/1.1 (\d+)/.exec(await raw(port, text))?.[1]);
      assert.equal(await status(upgrade()), 299);
      assert.equal(await status(upgrade({ Origin: "https://named.example" })), 299);
      assert.equal(await status(upgrade({ Origin: "http://127.0.0.1:9" })), 299);
      assert.equal(await status(upgrade({ Origin: "https://evil.example" })), 403);
      assert.equal(await status(upgrade({ Origin: "null" })), 403);
      assert.equal(await status(upgrade({ Upgrade: undefined })), 426);
      assert.equal(await status(upgrade({ Upgrade: "h2c" })), 426);
      assert.equal(await status(upgrade({ "Sec-WebSocket-Version": "8" })), 426);
      assert.equal(await status(upgrade({ "Sec-WebSocket-Key": undefined })), 400);
      assert.equal(await status(upgrade({ "Sec-WebSocket-Key": "short" })), 400);
      assert.match(await raw(port, upgrade({ Upgrade: undefined })), /upgrade: websocket/i);
    });
  },
);

each("http: odd requests get an answer, and the next one is served", async (websocket) => {
  await serving(websocket, createApp(makeDeps()), async (port) => {
    for (
      const text of [
        "GET /client.json HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n",
        "GET /client.json HTTP/1.0\r\n\r\n",
        "GET /client.json HTTP/1.1\r\nHost: [\r\nConnection: close\r\n\r\n",
        "GET //evil.example/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "POST /dev/token HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\nConnection: close\r\n\r\n",
      ]
    ) {
      const answer = await raw(port, text, /^$a/);
      assert.match(
        answer,
        /^HTTP\/1\.[01] [2-4]\d\d /,
        `${JSON.stringify(text)} got ${JSON.stringify(answer)}`,
      );
    }
    const next = await fetch(`http://127.0.0.1:${port}/healthz`);
    assert.equal(await next.text(), "ok\n");
  });
});

each("http: a handler that throws is answered with 500 and reported", async (websocket) => {
  const told: unknown[] = [];
  const server = await startHttp({
    websocket,
    hostname: "127.0.0.1",
    port: 0,
    handler: () => {
      throw new Error("secret");
    },
    onError: (error) => told.push(error),
  });
  const response = await fetch(`http://127.0.0.1:${server.address.port}/`);
  assert.equal(response.status, 500);
  assert.doesNotMatch(await response.text(), /secret/);
  assert.equal(told.length, 1);
  await server.close(0);
});

each("http: a port in use is reported at once, with TLS too", async (websocket) => {
  const { cert, key } = await makeCertificate();
  const tls = { cert, key };
  const first = await startHttp({
    websocket,
    hostname: "127.0.0.1",
    port: 0,
    tls,
    handler: () => new Response("x"),
  });
  const { port } = first.address;
  for (const material of [undefined, tls]) {
    await assert.rejects(
      startHttp({ websocket, hostname: "127.0.0.1", port, tls: material, handler: () => new Response("y") }),
      Deno.errors.AddrInUse,
    );
  }
  await first.close(0);
});

each("http: close lets a request in progress end, and cuts it when it does not", async (websocket) => {
  const release = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const server = await startHttp({
    websocket,
    hostname: "127.0.0.1",
    port: 0,
    handler: async (request) => {
      arrived.resolve();
      if (new URL(request.url).pathname === "/stuck") await new Promise(() => {});
      await release.promise;
      return new Response("done");
    },
  });
  const url = `http://127.0.0.1:${server.address.port}`;
  const answer = fetch(url).then((response) => response.text());
  await arrived.promise;
  const stuck = fetch(`${url}/stuck`).then(() => "answered", () => "cut");
  const closed = server.close(500);
  release.resolve();
  assert.equal(await answer, "done");
  assert.equal(await stuck, "cut");
  await closed;
});

each(
  "http: new connections get a new certificate at the same port without a gap",
  async (websocket) => {
    const one = await makeCertificate();
    const two = await makeCertificate();
    const server = await startHttp({
      websocket,
      hostname: "127.0.0.1",
      port: 0,
      tls: one,
      handler: () => new Response("hello"),
    });
    const url = `https://127.0.0.1:${server.address.port}/`;
    const trusting = (cert: string) => Deno.createHttpClient({ caCerts: [cert], poolMaxIdlePerHost: 0 });
    const ask = async (cert: string) => {
      using client = trusting(cert);
      return await fetch(url, { client } as RequestInit).then(
        (response) => response.text(),
        () => "not trusted",
      );
    };
    assert.equal(await ask(one.cert), "hello");
    assert.equal(await ask(two.cert), "not trusted");
    await server.setCertificate(two);
    assert.equal(await ask(two.cert), "hello");
    assert.equal(await ask(one.cert), "not trusted");
    await assert.rejects(server.setCertificate({ cert: one.cert, key: "no key" }));
    if (websocket === "skein") await assert.rejects(server.setCertificate({ cert: one.cert, key: two.key }));
    assert.equal(await ask(two.cert), "hello");
    await server.close(0);
  },
);
