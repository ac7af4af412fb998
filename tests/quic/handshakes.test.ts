import assert from "node:assert/strict";
import { UdpProxy } from "../support/udp_proxy.ts";
import { until, within } from "./adapters.ts";
import { serve, type TestServer } from "./setup.ts";
import { connect, type ListenOptions } from "../../src/quic/mod.ts";

/** Longer than any test: packets held so long never arrive. */
const NEVER = 3_600_000;

/** Runs with `count` handshakes that the clients cannot finish, as with forged addresses. */
async function withHalfOpen(
  count: number,
  options: Partial<ListenOptions>,
  run: (server: TestServer) => Promise<void>,
): Promise<void> {
  await using s = await serve(options);
  const proxy = new UdpProxy({ target: s.listener.address, delayToClient: NEVER });
  const over = new AbortController();
  const dials = Array.from(
    { length: count },
    () => connect(`quic://127.0.0.1:${proxy.port}`, { ...s.trust, signal: over.signal, timeout: NEVER }),
  );
  const dialled = Promise.allSettled(dials);
  try {
    await run(s);
  } finally {
    over.abort();
    await dialled;
    await proxy.close();
  }
}

Deno.test("handshakes: the oldest gives way, so that unfinished ones keep nobody out", async () => {
  await withHalfOpen(12, { maxPendingConnections: 4, handshakeTimeout: 60_000 }, async (s) => {
    await until(() => s.listener.stats().failedHandshakes >= 8, "the oldest to give way");
    assert.equal(s.listener.stats().handshaking, 4);
    await within(connect(s.raw, s.trust));
    await within(connect(s.https, s.trust));
    assert.equal((await s.next()).kind, "quic");
    assert.equal((await s.next()).kind, "webtransport");
    assert.equal(s.listener.stats().connectionsActive, 2);
  });
});

Deno.test("handshakes: one that is not finished in time is given up and reported", async () => {
  await withHalfOpen(2, { handshakeTimeout: 100 }, async (s) => {
    await until(() => s.listener.stats().failedHandshakes >= 2, "both to be given up");
    assert.ok(s.errors.includes("handshake"));
    assert.equal(s.listener.stats().connectionsActive, 0);
  });
});
