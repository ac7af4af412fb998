/** What a running service asks of connections, on real transports. */

import assert from "node:assert/strict";
import { connect, QuicError } from "../../src/quic/mod.ts";
import { KINDS } from "../support/client.ts";
import { until } from "../integration/support.ts";
import type { ConfigInput } from "../support/config.ts";
import { startTestService, type TestService } from "../support/service.ts";

async function withService(
  input: ConfigInput,
  run: (service: TestService) => Promise<void>,
): Promise<void> {
  const service = await startTestService(input);
  try {
    await run(service);
  } finally {
    await service.stop();
  }
}

Deno.test("origin: WebTransport of a page that is not allowed is refused, of one that is allowed it is taken", () =>
  withService({ http: { allowedOrigins: ["https://named.example"] } }, async (service) => {
    const dial = (origin: string) =>
      connect(service.webtransportUrl, {
        serverCertificateHashes: [service.certificateHash],
        headers: { origin },
      });
    for (const origin of ["https://evil.example", "null"]) {
      await assert.rejects(dial(origin), (error: QuicError) => error.code === "refused");
    }
    (await dial("https://named.example")).close(0, "");
  }));

for (const kind of KINDS) {
  Deno.test(`admission: an address is asked for its rate of new connections on ${kind}`, () =>
    withService({ session: { perIp: { rate: 1, burst: 2 } } }, async (service) => {
      // A dial takes milliseconds, and the address gets one more a second: some of these come too soon.
      const dials = await Promise.allSettled(
        Array.from({ length: 12 }, () => service.dial(kind, { timeout: 3000 })),
      );
      const made = dials.flatMap((dial) => dial.status === "fulfilled" ? [dial.value] : []);
      assert.ok(made.length >= 2 && made.length < 12, `${made.length} of 12`);
      const refused = service.lines.filter(({ event }) => event === "connection refused");
      assert.ok(refused.length > 0);
      for (const { reason } of refused) assert.equal(reason, "rate limited");
      for (const client of made) await client.close();
    }));

  Deno.test(`refresh: a channel that the new token forbids is left, and nothing of it comes any more on ${kind}`, () =>
    withService({}, async (service) => {
      const ann = await service.connect(kind, "ann");
      const bob = await service.connect("websocket", "bob");
      for (const channel of ["chat:kept", "chat:lost"]) await ann.ask("subscribe", { channel });
      const token = await service.token("ann", { channels: ["chat:kept"] });
      const answer = await ann.ask("auth_refresh", { token });
      assert.deepEqual(answer.payload.refused, { "chat:lost": "permission_denied" });
      for (const channel of ["chat:lost", "chat:kept"]) {
        await bob.ask("chat_message", { channel, text: channel });
      }
      const message = await ann.next("chat_message");
      assert.equal(message.payload.channel, "chat:kept");
      assert.equal(ann.messages.filter(({ type }) => type === "chat_message").length, 1);
      await ann.close();
      await bob.close();
    }));
}

Deno.test("rates: where reading cannot be paused a client that goes on and on is closed with 3013", () => {
  const slow = { messagesPerSecond: 0, messageBurst: 0, bytesPerSecond: 1, byteBurst: 65_536 };
  const input = {
    http: { websocket: "deno" },
    session: { rates: { connection: slow, user: slow } },
  } as const;
  return withService(input, async (service) => {
    const client = await service.connect("websocket", "ann");
    const say = (size: number) => client.send("ping", { text: "x".repeat(size) });
    const refusals = () => client.messages.filter(({ payload }) => payload.name === "rate_limited").length;
    // Some wait, up to a bound in bytes; what comes above it is refused, a hundred times.
    for (let i = 0; i < 40; i++) await say(16_000);
    await until("some are refused", () => refusals() > 0);
    for (let sent = 0; sent < 200 && client.messages.every(({ type }) => type !== "close"); sent++) {
      const before = refusals();
      await say(16_000);
      // One at a time: the close message is lost with a connection that has bytes which nobody read.
      await until(
        "an answer",
        () => refusals() > before || client.messages.some(({ type }) => type === "close"),
      );
    }
    const { code, announced } = await client.ended();
    assert.deepEqual([code, announced?.code, announced?.reconnect], [3013, 3013, true]);
    assert.equal(refusals(), 100);
    await client.close();
  });
});
