import assert from "node:assert/strict";
import { createApp } from "../../src/service/http/app.ts";
import { isExempt, RequestRates } from "../../src/service/http/request_rates.ts";
import { Http3Peer } from "../quic/h3_peer.ts";
import { startTestService } from "../support/service.ts";
import { KEY, makeDeps, post, REMOTE, request } from "./http_support.ts";

Deno.test("http rates: an address above its rate waits for its turn, and is refused when that takes too long", () => {
  let now = 0;
  const rates = new RequestRates(() => now);
  rates.set({ rate: 10, burst: 2 });
  assert.deepEqual([rates.take("a"), rates.take("a")], [0, 0]);
  assert.equal(rates.take("a"), 100);
  for (let i = 0; i < 49; i++) rates.take("a");
  assert.equal(rates.take("a"), Infinity);
  assert.equal(rates.refused, 1);
  assert.equal(rates.take("b"), 0);
  now += 60_000;
  assert.equal(rates.take("a"), 0);
});

Deno.test("http rates: a configuration with the same rate forgives no debt, another holds at once", () => {
  const rates = new RequestRates(() => 0);
  rates.set({ rate: 10, burst: 1 });
  rates.take("a");
  rates.set({ rate: 10, burst: 1 });
  assert.equal(rates.take("a"), 100);
  rates.set({ rate: 10, burst: 5 });
  assert.equal(rates.take("a"), 0);
});

Deno.test("http rates: IPv6 addresses of one network share a rate", () => {
  const rates = new RequestRates(() => 0);
  rates.set({ rate: 10, burst: 1 });
  assert.equal(rates.take("2001:db8:1:2::1"), 0);
  assert.equal(rates.take("2001:db8:1:2:ffff::9"), 100);
  assert.equal(rates.take("2001:db8:1:3::1"), 0);
});

function refusing() {
  const asked: string[] = [];
  const pace = (address: string) => {
    asked.push(address);
    return Infinity;
  };
  return { asked, pace };
}

Deno.test("http rates: whoever asks too often gets 429, health checks are answered all the same", async () => {
  const { asked, pace } = refusing();
  const app = createApp(makeDeps({ pace }));
  const answer = await app(request("/client.json"), { ...REMOTE, httpVersion: "1.1" });
  assert.equal(answer.status, 429);
  assert.equal(answer.headers.get("retry-after"), "1");
  assert.equal(answer.headers.get("connection"), "close");
  assert.deepEqual(asked, [REMOTE.remoteAddr.hostname]);
  for (const path of ["/healthz", "/readyz"]) {
    assert.equal((await app(request(path), REMOTE)).status, 200);
  }
  assert.equal(isExempt("/files/x"), false);
});

Deno.test("http rates: requests with a key are not counted, refused keys are", async () => {
  const { asked, pace } = refusing();
  const app = createApp(makeDeps({
    pace,
    settings: { apiKeys: [KEY], development: false },
    api: { channels: () => ({ channels: [], more: false }) },
  }));
  assert.equal((await app(post("/api/channels", {}, { "x-api-key": KEY }), REMOTE)).status, 200);
  assert.deepEqual(asked, []);
  assert.equal((await app(post("/api/channels", {}, { "x-api-key": `${KEY}x` }), REMOTE)).status, 429);
  assert.equal((await app(request("/stats"), REMOTE)).status, 429);
  assert.equal(asked.length, 2);
});

Deno.test("http rates: a request that waits is answered after that", async () => {
  const app = createApp(makeDeps({ pace: () => 5 }));
  assert.equal((await app(request("/client.json"), REMOTE)).status, 200);
});

Deno.test("http rates: requests over HTTP/1.1 and HTTP/3 share the rate of their address", async () => {
  const service = await startTestService({ http: { perIp: { rate: 1, burst: 1 } } });
  try {
    // A rate of one a second lets five wait.
    const asking = Array.from({ length: 12 }, async () => {
      const answer = await fetch(`${service.url}/client.json`);
      await answer.body?.cancel();
      return answer.status;
    });
    await Promise.any(asking);
    const peer = await Http3Peer.connect(service.quicPort, service.certificateHash);
    await peer.control();
    const ask = async (path: string) =>
      (await peer.request([
        [":method", "GET"],
        [":scheme", "https"],
        [":authority", `127.0.0.1:${service.quicPort}`],
        [":path", path],
      ])).status;
    const overHttp3 = await ask("/client.json");
    assert.equal(await ask("/healthz"), 200);
    peer.close();
    assert.equal(overHttp3, 429);
    const statuses = await Promise.all(asking);
    assert.ok(statuses.filter((status) => status === 429).length >= 5, statuses.join());
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    assert.match(metrics, /skein_http_requests_refused_total [1-9]/);
  } finally {
    await service.stop();
  }
});
