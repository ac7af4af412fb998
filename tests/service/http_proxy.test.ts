/** The service behind real reverse proxies, as they are usually configured. */

import assert from "node:assert/strict";
import { createConnection } from "node:net";
import { TransportManager } from "../../src/client/mod.ts";
import type { ConfigInput } from "../support/config.ts";
import { makeCertificate } from "../support/certificate.ts";
import { testWith } from "../support/needs.ts";
import { type ReverseProxy, startCaddy, startNginx } from "../support/reverse_proxy.ts";
import { startTestService, type TestService } from "../support/service.ts";

const WEBSOCKET = `proxy_http_version 1.1;
  proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";`;
const TRUSTING = { trustedProxies: ["127.0.0.1"] };

/** A service, a proxy in front of it, and what is asked of both. */
async function behind(
  start: (upstream: number) => Promise<ReverseProxy>,
  http: ConfigInput["http"],
  run: (service: TestService, proxy: ReverseProxy) => Promise<void>,
  more: ConfigInput = {},
): Promise<void> {
  const service = await startTestService({ ...more, http });
  try {
    await using proxy = await start(Number(new URL(service.url).port));
    await run(service, proxy);
  } finally {
    await service.stop();
  }
}

function location(lines: string, path = "/"): (upstream: number) => Promise<ReverseProxy> {
  return (upstream) =>
    startNginx((port) =>
      `server { listen 127.0.0.1:${port}; location ${path} {
        proxy_pass http://127.0.0.1:${upstream}/; ${WEBSOCKET} ${lines} } }`
    );
}

/** Connects with the SDK by a URL; returns the WebSocket's URL that it dialled. */
async function connect(service: TestService, url: string): Promise<string> {
  const dialled: string[] = [];
  class Watched extends WebSocket {
    constructor(url: string | URL) {
      super(url);
      dialled.push(String(url));
    }
  }
  const client = new TransportManager({
    url,
    token: await service.token("ann"),
    enableQuic: false,
    WebSocket: Watched,
    maxReconnectAttempts: 0,
  });
  try {
    await client.connect();
  } finally {
    await client.close();
  }
  return dialled.join();
}

/** The status of a request that is sent from an address of this machine. */
function ask(
  port: number,
  from: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: "127.0.0.1", port, localAddress: from });
    const lines = Object.entries({ Host: `127.0.0.1:${port}`, Connection: "close", ...headers });
    socket.write(`GET ${path} HTTP/1.1\r\n${lines.map(([k, v]) => `${k}: ${v}\r\n`).join("")}\r\n`);
    socket.once("data", (chunk) => {
      socket.destroy();
      resolve(chunk.toString().split(" ")[1]!);
    });
    socket.once("error", reject);
  });
}

/** The answers to upgrades from an address; the sockets stay open until the end. */
async function upgrades(port: number, from: string, count: number): Promise<string[]> {
  const sockets = Array.from(
    { length: count },
    () => createConnection({ host: "127.0.0.1", port, localAddress: from }),
  );
  try {
    const answers: string[] = [];
    for (const socket of sockets) {
      socket.write(
        "GET /connection/websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
      );
      answers.push(
        await new Promise((resolve, reject) => {
          socket.once("data", (chunk) => resolve(chunk.toString().split(" ")[1]!));
          socket.once("error", reject);
        }),
      );
    }
    return answers;
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

// Each of these kept clients out: the service cannot know the URL, and the SDK took its word.
for (
  const [name, lines] of [
    ["the host without its port", "proxy_set_header Host $host;"],
    ["no line for the host", ""],
    ["the host with its port", "proxy_set_header Host $http_host;"],
  ] as const
) {
  testWith(
    ["nginx"],
    `proxy: the SDK connects through nginx that passes on ${name}`,
    () =>
      behind(location(lines), {}, async (service, { port }) => {
        const url = `http://127.0.0.1:${port}`;
        assert.equal(await connect(service, url), `ws://127.0.0.1:${port}/connection/websocket`);
      }),
  );
}

testWith(
  ["nginx"],
  "proxy: the SDK connects through nginx with a path in front",
  () =>
    behind(location("", "/rt/"), {}, async (service, { port }) => {
      for (const url of [`http://127.0.0.1:${port}/rt`, `http://127.0.0.1:${port}/rt/`]) {
        assert.equal(await connect(service, url), `ws://127.0.0.1:${port}/rt/connection/websocket`);
      }
    }),
);

testWith(["nginx"], "proxy: http.publicUrl is dialled whatever URL the SDK was given", async () => {
  const elsewhere = await startTestService();
  try {
    const publicUrl = elsewhere.websocketUrl;
    await behind(location(""), { publicUrl }, async (_service, { port }) => {
      assert.equal(await connect(elsewhere, `http://127.0.0.1:${port}`), publicUrl);
    });
  } finally {
    await elsewhere.stop();
  }
});

testWith(["nginx"], "proxy: the SDK connects through nginx with TLS that does not say so", async () => {
  const { cert, key } = await makeCertificate();
  const directory = await Deno.makeTempDir();
  await Deno.writeTextFile(`${directory}/cert`, cert);
  await Deno.writeTextFile(`${directory}/key`, key);
  const start = (upstream: number) =>
    startNginx((port) =>
      `server { listen 127.0.0.1:${port} ssl; ssl_certificate ${directory}/cert; ssl_certificate_key ${directory}/key;
        location / { proxy_pass http://127.0.0.1:${upstream}; ${WEBSOCKET} proxy_set_header Host $host; } }`
    );
  try {
    await behind(start, {}, async (service, { port }) => {
      const said = await connectOverTls(`https://127.0.0.1:${port}`, await service.token("ann"), directory);
      assert.equal(said, "connected");
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

/** The SDK in a process that trusts the certificate. */
async function connectOverTls(url: string, token: string, directory: string): Promise<string> {
  const sdk = new URL("../../src/client/mod.ts", import.meta.url).href;
  await Deno.writeTextFile(
    `${directory}/client.ts`,
    `import { TransportManager } from ${JSON.stringify(sdk)};
    const client = new TransportManager({ url: ${JSON.stringify(url)}, token: ${JSON.stringify(token)},
      enableQuic: false, maxReconnectAttempts: 0 });
    try {
      await client.connect();
      console.log("connected");
    } catch (error) {
      console.log(error.message);
    }
    await client.close();`,
  );
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "-A",
      `--config=${config}`,
      `--cert=${directory}/cert`,
      `${directory}/client.ts`,
    ],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return decoder.decode(stdout).trim() || decoder.decode(stderr);
}

testWith(
  ["nginx"],
  "proxy: in development /stats without a key is refused through nginx, configured as it may be",
  async () => {
    for (
      const lines of [
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header X-Real-IP $remote_addr;",
        "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;",
      ]
    ) {
      await behind(location(lines), {}, async (service, { port }) => {
        assert.equal(await ask(Number(new URL(service.url).port), "127.0.0.1", "/stats"), "200");
        assert.equal(await ask(port, "127.0.0.1", "/healthz"), "200");
        assert.equal(await ask(port, "127.0.0.1", "/stats"), "403");
      });
    }
    // nginx that was told nothing but where to pass requests on to.
    const plain = (upstream: number) =>
      startNginx((port) =>
        `server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${upstream}; } }`
      );
    await behind(plain, {}, async (_service, { port }) => {
      assert.equal(await ask(port, "127.0.0.1", "/stats"), "403");
    });
  },
);

testWith(
  ["nginx"],
  "proxy: limits of an address hold for the clients behind a trusted nginx, each for itself",
  () =>
    behind(
      location("proxy_set_header X-Forwarded-For $remote_addr;"),
      TRUSTING,
      async (service, { port }) => {
        const forged = { "X-Forwarded-For": "203.0.113.9" };
        assert.equal(await ask(port, "127.0.0.5", "/client.json", forged), "200");
        const held = await Promise.all([upgrades(port, "127.0.0.2", 3), upgrades(port, "127.0.0.3", 2)]);
        assert.deepEqual(held, [["101", "101", "503"], ["101", "101"]]);
        const refused = service.lines.find((line) => line["event"] === "connection refused");
        assert.match(String(refused?.["remote"]), /^127\.0\.0\.2:/);
      },
      { session: { perIp: { connections: 2 } } },
    ),
);

const DEPLOY = new URL("../../deploy/", import.meta.url);

/** `text` with each of `changes` made, every one of which must apply. */
function adapt(text: string, changes: Record<string, string>): string {
  for (const [from, to] of Object.entries(changes)) {
    assert.ok(text.includes(from), `the sample has no ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

/** What holds behind the samples. */
async function checkSample(service: TestService, port: number, directory: string): Promise<void> {
  const url = `https://localhost:${port}`;
  assert.equal(await connectOverTls(url, await service.token("ann"), directory), "connected");
  using client = Deno.createHttpClient({ caCerts: [await Deno.readTextFile(`${directory}/cert`)] });
  const get = (path: string) =>
    fetch(url + path, { client, headers: { forwarded: "for=127.0.0.1" } } as RequestInit);
  const document = await (await get("/client.json")).json();
  assert.equal(document.websocketUrl, `wss://localhost:${port}/connection/websocket`);
  const stats = await get("/stats");
  await stats.body?.cancel();
  assert.equal(stats.status, 403);
}

testWith(["nginx"], "proxy: the sample for nginx serves pages, the SDK and foreign clients", async () => {
  const { cert, key } = await makeCertificate();
  const directory = await Deno.makeTempDir();
  await Deno.writeTextFile(`${directory}/cert`, cert);
  await Deno.writeTextFile(`${directory}/key`, key);
  const sample = await Deno.readTextFile(new URL("nginx.conf", DEPLOY));
  const start = (upstream: number) =>
    startNginx((port) =>
      adapt(sample, {
        "listen 443 ssl": `listen 127.0.0.1:${port} ssl`,
        "server 127.0.0.1:8080": `server 127.0.0.1:${upstream}`,
        "/etc/skein/tls/tls.crt": `${directory}/cert`,
        "/etc/skein/tls/tls.key": `${directory}/key`,
      })
    );
  try {
    await behind(start, TRUSTING, (service, { port }) => checkSample(service, port, directory));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

testWith(["caddy"], "proxy: the sample for Caddy serves pages, the SDK and foreign clients", async () => {
  const { cert, key } = await makeCertificate();
  const directory = await Deno.makeTempDir();
  await Deno.writeTextFile(`${directory}/cert`, cert);
  await Deno.writeTextFile(`${directory}/key`, key);
  const sample = await Deno.readTextFile(new URL("Caddyfile", DEPLOY));
  const start = (upstream: number) =>
    startCaddy((port) =>
      "{\n admin off\n auto_https disable_redirects\n servers {\n  protocols h1 h2\n }\n}\n" + adapt(sample, {
        "\nrt.example.com {":
          `\nlocalhost:${port} {\n bind 127.0.0.1\n tls ${directory}/cert ${directory}/key`,
        "reverse_proxy 127.0.0.1:8080 {": `reverse_proxy 127.0.0.1:${upstream} {`,
      })
    );
  try {
    await behind(start, TRUSTING, (service, { port }) => checkSample(service, port, directory));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
