import assert from "node:assert/strict";
import fc from "fast-check";
import { loadConfig } from "../../src/service/config/load.ts";
import { problemLine } from "../../src/service/config/problem.ts";
import { AddressList, isAddressOrNetwork } from "../../src/service/http/addresses.ts";
import { sourceOf } from "../../src/service/http/forwarded.ts";
import { createApp, createInternalApp } from "../../src/service/http/app.ts";
import { type HttpSettings } from "../../src/service/http/deps.ts";
import { LOCAL, makeDeps, post, REMOTE, request } from "./http_support.ts";

const NOBODY = new AddressList([]);
const PROXIES = new AddressList(["127.0.0.1", "::1", "10.0.0.0/8", "2001:db8:1::/48"]);

function from(headers: Record<string, string>, peer = "127.0.0.1", trusted = PROXIES, httpVersion?: string) {
  const info = {
    remoteAddr: { hostname: peer, port: 4000, transport: "tcp" },
    ...(httpVersion === undefined ? {} : { httpVersion }),
  };
  return sourceOf(request("/", { headers }), info, trusted);
}

Deno.test("forwarded: without a trusted proxy the peer is the client, whatever the fields say", () => {
  const headers = {
    "x-forwarded-for": "203.0.113.9",
    "forwarded": "for=203.0.113.9;proto=https;host=evil.example",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "evil.example",
  };
  for (const source of [from(headers, "192.0.2.7"), from(headers, "127.0.0.1", NOBODY)]) {
    assert.notEqual(source.address, "203.0.113.9");
    assert.equal(source.port, 4000);
    assert.equal(source.secure, false);
    assert.equal(source.authority, "localhost:8080");
    assert.equal(source.local, false);
  }
});

Deno.test("forwarded: any field of a proxy shows that a request is not of this machine", () => {
  assert.equal(from({}, "127.0.0.1", NOBODY).local, true);
  for (
    const name of [
      "forwarded",
      "via",
      "x-forwarded-for",
      "x-forwarded-host",
      "x-forwarded-proto",
      "x-forwarded-server",
      "x-real-ip",
      "x-client-ip",
      "true-client-ip",
      "cf-connecting-ip",
    ]
  ) assert.equal(from({ [name]: "127.0.0.1" }, "127.0.0.1", NOBODY).local, false, name);
});

Deno.test("forwarded: HTTP/1.0, by which nginx asks when it is not told otherwise, is not of this machine", () => {
  assert.equal(from({}, "127.0.0.1", NOBODY, "1.0").local, false);
  assert.equal(from({}, "127.0.0.1", NOBODY, "1.1").local, true);
});

Deno.test("forwarded: a trusted proxy says who the client is", () => {
  const said = (headers: Record<string, string>, peer?: string) => {
    const { address, port } = from(headers, peer);
    return `${address} ${port}`;
  };
  assert.equal(said({ "x-forwarded-for": "203.0.113.9" }), "203.0.113.9 0");
  assert.equal(said({ "x-forwarded-for": "203.0.113.9:555" }), "203.0.113.9 555");
  assert.equal(said({ "x-forwarded-for": "[2001:DB8::7]:555" }), "2001:db8::7 555");
  assert.equal(said({ "x-forwarded-for": "2001:db8::7" }), "2001:db8::7 0");
  assert.equal(said({ "x-forwarded-for": "::ffff:203.0.113.9" }), "203.0.113.9 0");
  assert.equal(said({ "x-forwarded-for": "203.0.113.9" }, "::ffff:127.0.0.1"), "203.0.113.9 0");
  assert.equal(said({ forwarded: 'for="[2001:db8::7]:4711";by=_x;proto=https' }), "2001:db8::7 4711");
  assert.equal(said({ forwarded: "proto=https;For=203.0.113.9" }), "203.0.113.9 0");
});

Deno.test("forwarded: the client is the last address of the list that is not a trusted proxy", () => {
  const address = (list: string) => from({ "x-forwarded-for": list }).address;
  assert.equal(address("203.0.113.1, 198.51.100.2"), "198.51.100.2");
  assert.equal(address("203.0.113.1, 198.51.100.2, 10.1.1.1, 10.2.2.2"), "198.51.100.2");
  assert.equal(address("10.3.3.3, 10.1.1.1"), "10.3.3.3");
  assert.equal(address("203.0.113.1, unknown, 10.1.1.1"), "10.1.1.1");
  assert.equal(address("203.0.113.1, _hidden"), "127.0.0.1");
  assert.equal(
    from({ forwarded: 'for=203.0.113.1, for="a,b;c", for=198.51.100.2, for=10.1.1.1' }).address,
    "198.51.100.2",
  );
});

Deno.test("forwarded: when the two kinds of fields disagree, neither is believed", () => {
  assert.equal(
    from({ "x-forwarded-for": "203.0.113.1", forwarded: "for=198.51.100.2" }).address,
    "127.0.0.1",
  );
  assert.equal(
    from({ "x-forwarded-for": "203.0.113.1", forwarded: "for=203.0.113.1" }).address,
    "203.0.113.1",
  );
});

Deno.test("forwarded: scheme and host come from the trusted proxy", () => {
  const usual = from({
    "x-forwarded-for": "203.0.113.1",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "Chat.example:8443",
  });
  assert.deepEqual([usual.secure, usual.authority], [true, "chat.example:8443"]);
  const standard = from({ forwarded: "for=203.0.113.1;proto=https;host=chat.example" });
  assert.deepEqual([standard.secure, standard.authority], [true, "chat.example"]);
  assert.equal(from({ "x-forwarded-proto": "ftp" }).secure, false);
  assert.equal(from({ "x-forwarded-host": "a b" }).authority, "localhost:8080");
});

Deno.test("forwarded: what comes through a trusted proxy is never of this machine", () => {
  assert.equal(from({ "x-forwarded-for": "127.0.0.1" }).local, false);
  assert.equal(from({ "x-forwarded-for": "203.0.113.1" }).local, false);
  assert.equal(from({ "x-forwarded-for": "203.0.113.1, 127.0.0.1" }).local, false);
  assert.equal(from({}).local, false);
});

Deno.test("forwarded: any text in the fields is read without a throw, and the address is always one", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary-ascii", maxLength: 60 }).map((text) => text.replace(/[^\x20-\x7e]/g, "")),
    fc.array(fc.constantFrom("for=", '"', "\\", ",", ";", "[::1]", "1.2.3.4", ":80", "=", " ", "proto=https"))
      .map((parts) => parts.join("")),
  );
  const addresses = new AddressList(["0.0.0.0/0", "::/0"]);
  fc.assert(
    fc.property(text, text, (forwarded, usual) => {
      const source = from({ forwarded, "x-forwarded-for": usual });
      assert.ok(addresses.has(source.address), source.address);
      assert.ok(source.port >= 0);
    }),
    { numRuns: 500 },
  );
});

Deno.test("forwarded: a long list of quotes is read in no time", () => {
  const { address } = from({ forwarded: 'for="\\"'.repeat(600) });
  assert.equal(address, "127.0.0.1");
});

Deno.test("addresses: networks are told from other texts", () => {
  for (const good of ["127.0.0.1", "10.0.0.0/8", "::1", "fd00::/8", "0.0.0.0/0", "::/0", "192.0.2.1/32"]) {
    assert.equal(isAddressOrNetwork(good), true, good);
    new AddressList([good]);
  }
  for (
    const bad of [
      "",
      "localhost",
      "10.0.0.0/33",
      "::/129",
      "10.0.0/8",
      "10.0.0.0/",
      "10.0.0.0/8/8",
      "fe80::1%eth0",
    ]
  ) assert.equal(isAddressOrNetwork(bad), false, bad);
});

Deno.test("config: http.trustedProxies takes addresses and networks", async () => {
  const ask = async (entry: string) =>
    (await loadConfig({ text: JSON.stringify({ http: { trustedProxies: [entry] } }) })).problems.map(
      problemLine,
    ).join();
  assert.equal(await ask("10.0.0.0/8"), "");
  assert.match(await ask("proxy.example"), /^http\.trustedProxies: .* must be a list of addresses/);
});

function appOf(settings: Partial<HttpSettings>) {
  return createApp(makeDeps({ settings, api: { channels: () => ({ channels: [], more: false }) } }));
}

Deno.test("http app: in development, /stats and /api without a key are not open to what came through a proxy", async () => {
  const app = appOf({});
  assert.equal((await app(request("/stats"), LOCAL)).status, 200);
  for (
    const headers of [{ "x-forwarded-for": "127.0.0.1" }, { forwarded: "for=127.0.0.1" }, { via: "1.1 x" }, {
      "x-real-ip": "192.0.2.1",
    }]
  ) {
    assert.equal((await app(request("/stats", { headers }), LOCAL)).status, 403);
    assert.equal((await app(post("/api/channels", {}, headers), LOCAL)).status, 403);
  }
  assert.equal((await app(request("/stats"), { ...LOCAL, httpVersion: "1.0" })).status, 403);
});

Deno.test("http app: behind a trusted proxy /stats is open to nobody without a key", async () => {
  const app = appOf({ trustedProxies: PROXIES });
  const ask = async (headers: Record<string, string>) =>
    (await app(request("/stats", { headers }), LOCAL)).status;
  assert.equal(await ask({ "x-forwarded-for": "127.0.0.1" }), 403);
  assert.equal(await ask({ "x-forwarded-for": "203.0.113.1" }), 403);
  assert.equal(await ask({}), 403);
});

Deno.test("http app: the internal app is not opened by a forged field", async () => {
  const internal = createInternalApp(makeDeps({ settings: { internal: true } }));
  const headers = { host: "evil.example", "x-forwarded-for": "203.0.113.1" };
  assert.equal((await internal(request("/stats", { headers }), LOCAL)).status, 403);
});

Deno.test("http app: /client.json and origins go by what a trusted proxy says", async () => {
  const headers = {
    host: "127.0.0.1:8080",
    "x-forwarded-for": "203.0.113.1",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "chat.example:8443",
    origin: "https://chat.example:8443",
  };
  const settings = { allowedOrigins: ["https://named.example"], trustedProxies: PROXIES };
  const response = await appOf(settings)(request("/client.json", { headers }), LOCAL);
  assert.equal(response.headers.get("access-control-allow-origin"), "https://chat.example:8443");
  const { websocketUrl, quicUrl } = await response.json();
  assert.equal(websocketUrl, "wss://chat.example:8443/connection/websocket");
  assert.equal(quicUrl, "https://chat.example:4433/connection/webtransport");
  const untrusted = await appOf({ allowedOrigins: [] })(request("/client.json", { headers }), REMOTE);
  assert.equal(untrusted.headers.get("access-control-allow-origin"), null);
  assert.equal((await untrusted.json()).websocketUrl, "ws://127.0.0.1:8080/connection/websocket");
});
