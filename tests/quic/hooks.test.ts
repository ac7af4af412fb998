/** The authenticator, the rate limiter and the validator that plug into `listen`. */

import assert from "node:assert/strict";
import { bytes, first, text, until, within } from "./adapters.ts";
import { Http3Peer } from "./h3_peer.ts";
import { serve } from "./setup.ts";
import {
  type AuthenticationResult,
  type Authenticator,
  type BidirectionalStream,
  connect,
  createRateLimiter,
  type RateLimiter,
} from "../../src/quic/mod.ts";
import type { FieldLine } from "../../src/quic/h3/qpack.ts";

const SCHEMES = ["raw", "https"] as const;

/** Takes tokens that end with a newline at the beginning of a stream. */
const byToken: Authenticator = {
  firstBytes(head) {
    const end = head.indexOf(10);
    if (end < 0) return "more";
    const token = text(head.subarray(0, end))!;
    if (!token.startsWith("token-")) return { accept: false, code: 4001, reason: "bad token" };
    return { accept: true, principal: token.slice(6), consumed: end + 1 };
  },
};

for (const scheme of SCHEMES) {
  Deno.test(`authenticator: the first bytes of a stream say who a peer is, by ${scheme}`, async () => {
    await using s = await serve({ authenticator: byToken });
    const client = await connect(s[scheme], s.trust);
    // Opened before and silent: it waits for its turn, and holds up nothing.
    const stream = await client.openBidirectionalStream();
    await stream.write(bytes("token-"));
    const later = await client.openBidirectionalStream();
    await later.write(bytes("second"));
    await stream.write(bytes("ann\nand the first words"));
    const there = await s.next();
    assert.equal(there.principal, "ann");
    const incoming = there.incomingBidirectionalStreams[Symbol.asyncIterator]();
    assert.equal(text(await within((await incoming.next()).value!.readExact(19))), "and the first words");
    assert.equal(text(await within((await incoming.next()).value!.readExact(6))), "second");
  });

  Deno.test(`authenticator: a peer with wrong first bytes is closed with the code given, by ${scheme}`, async () => {
    await using s = await serve({ authenticator: byToken });
    const client = await connect(s[scheme], s.trust);
    await (await client.openBidirectionalStream()).write(bytes("password\n"));
    const { code, reason } = await within(client.closed);
    assert.deepEqual([code, reason], [4001, "bad token"]);
    await until(() => s.listener.stats().refused === 1, "the refusal to be counted");
    assert.equal(s.listener.stats().handedOut, 0);
  });

  Deno.test(`authenticator: a peer that never says who it is is closed, by ${scheme}`, async () => {
    await using s = await serve({ authenticator: byToken, headerTimeout: 150 });
    await using patient = await serve({ authenticator: byToken });
    const other = await connect(patient[scheme], patient.trust);
    const client = await connect(s[scheme], s.trust);
    // With the default of five seconds the other one, which is older, would be closed first.
    const { code, reason } = await within(Promise.race([
      client.closed,
      other.closed.then(() => assert.fail("it waited for as long as by default")),
    ]));
    assert.deepEqual([code, reason], [401, "unauthorized"]);
  });

  Deno.test(`authenticator: first bytes without an end are refused at 4,096, by ${scheme}`, async () => {
    let most = 0;
    const authenticator: Authenticator = {
      firstBytes(head) {
        most = Math.max(most, head.length);
        return "more";
      },
    };
    await using s = await serve({ authenticator });
    const client = await connect(s[scheme], s.trust);
    await (await client.openBidirectionalStream()).write(new Uint8Array(10_000)).catch(() => {});
    assert.equal((await within(client.closed)).reason, "too many first bytes");
    assert.equal(most, 4_096);
  });

  Deno.test(`authenticator: a connection is looked at before its streams, by ${scheme}`, async () => {
    const seen: (string | undefined)[] = [];
    const connection = async (connection: Parameters<NonNullable<Authenticator["connection"]>>[0]): Promise<
      AuthenticationResult
    > => {
      await Promise.resolve();
      seen.push(connection.remoteAddress?.hostname, connection.url?.pathname);
      return { accept: true, principal: { name: "bob" } };
    };
    await using s = await serve({ authenticator: { connection } });
    await connect(s[scheme], s.trust);
    assert.deepEqual((await s.next()).principal, { name: "bob" });
    assert.deepEqual(seen, ["127.0.0.1", scheme === "raw" ? undefined : "/"]);
  });

  Deno.test(`authenticator: one that throws refuses and is reported, by ${scheme}`, async () => {
    await using s = await serve({
      authenticator: {
        connection() {
          throw new Error("no database");
        },
      },
    });
    const client = await connect(s[scheme], s.trust);
    assert.equal((await within(client.closed)).code, 401);
    await until(() => s.errors.length === 1, "the report");
  });

  Deno.test(`validator: streams and datagrams that do not pass never arrive, by ${scheme}`, async () => {
    await using s = await serve({
      // The silent stream is not to be given up for its silence, however slow the machine is.
      headerTimeout: 60_000,
      validator: {
        stream: (head) => head[0] !== 66,
        datagram: (datagram) => datagram.length > 1,
      },
    });
    const client = await connect(s[scheme], s.trust);
    const there = await s.next();
    const incoming = there.incomingBidirectionalStreams[Symbol.asyncIterator]();
    // It has no byte the validator could see yet, and holds up no other.
    const silent = await client.openUnidirectionalStream();
    const bad = await client.openBidirectionalStream();
    await bad.write(bytes("Bad"));
    const good = await client.openBidirectionalStream();
    await good.write(bytes("Good"));
    assert.equal(text(await within((await within(incoming.next())).value!.readExact(4))), "Good");
    await assert.rejects(
      within((async () => {
        for (;;) await bad.write(bytes("more"));
      })()),
      { code: "stream_reset" },
    );
    assert.equal(s.listener.stats().streamsRefused, 1);
    await silent.write(bytes("late"));
    const late = await first(there.incomingUnidirectionalStreams);
    assert.equal(text(await within(late.readExact(4))), "late");

    const datagrams = there.datagrams[Symbol.asyncIterator]();
    await client.sendDatagram(Uint8Array.of(1));
    await client.sendDatagram(Uint8Array.of(1, 2));
    assert.equal((await within(datagrams.next())).value?.length, 2);
    assert.equal(there.stats().datagramsDropped, 1);
  });

  Deno.test(`rate limiter: streams wait or are refused, datagrams are dropped, by ${scheme}`, async () => {
    const asked: string[] = [];
    let waits = [0, 40, Infinity];
    const rateLimiter: RateLimiter = {
      stream: ({ hostname }) => {
        asked.push(hostname);
        return waits.shift()!;
      },
      datagram: () => asked.push("datagram") > 5,
    };
    await using s = await serve({ rateLimiter });
    const client = await connect(s[scheme], s.trust);
    const there = await s.next();
    const streams = [];
    for (let i = 0; i < 3; i++) {
      const stream = await client.openBidirectionalStream();
      await stream.write(Uint8Array.of(i));
      streams.push(stream);
      await until(() => asked.length === i + 1, "the limiter to be asked");
    }
    const incoming = there.incomingBidirectionalStreams[Symbol.asyncIterator]();
    for (let i = 0; i < 2; i++) {
      const stream: BidirectionalStream = (await within(incoming.next())).value!;
      assert.deepEqual([...await within(stream.readExact(1))], [i]);
    }
    await assert.rejects(
      within((async () => {
        for (;;) await streams[2]!.write(bytes("more"));
      })()),
      { code: "stream_reset" },
    );
    assert.equal(s.listener.stats().streamsRefused, 1);
    assert.deepEqual(asked, ["127.0.0.1", "127.0.0.1", "127.0.0.1"]);
    waits = [];
    const datagrams = there.datagrams[Symbol.asyncIterator]();
    for (let i = 0; i < 3; i++) await client.sendDatagram(Uint8Array.of(i));
    assert.deepEqual([...(await within(datagrams.next())).value!], [2]);
  });
}

Deno.test("rate limiter: connections above the rate are closed at once", async () => {
  await using s = await serve({
    rateLimiter: createRateLimiter({ connections: { perAddress: { perSecond: 0.001, burst: 2 } } }),
  });
  await connect(s.raw, s.trust);
  await connect(s.raw, s.trust);
  await s.next();
  await s.next();
  // Depending on who is faster the dial fails, or the connection ends at once.
  const third = await connect(s.raw, s.trust).catch(() => undefined);
  if (third !== undefined) assert.notEqual((await within(third.closed)).by, "local");
  assert.equal(s.listener.stats().refused, 1);
  assert.equal(s.listener.stats().handedOut, 2);
});

function get(path: string): FieldLine[] {
  return [[":method", "GET"], [":scheme", "https"], [":authority", "localhost"], [":path", path]];
}

Deno.test("rate limiter: requests above the rate wait for their turn, and health checks do not", async () => {
  let now = 0;
  let handled = 0;
  await using s = await serve({
    rateLimiter: createRateLimiter({
      requests: { perAddress: { perSecond: 100, burst: 3 } },
      isExempt: ({ pathname }) => pathname === "/healthz",
      maxWait: 15,
      now: () => now,
    }),
    onRequest: () => {
      handled++;
      return new Response("x");
    },
  });
  const peer = await Http3Peer.connect(s.port);
  const statuses = async (path: string, count: number): Promise<number[]> => {
    const answers = [];
    for (let i = 0; i < count; i++) answers.push((await peer.request(get(path))).status);
    return answers;
  };
  // Three at once, one that waits 10 ms, and the others would have to wait longer than they may.
  assert.deepEqual(await statuses("/", 6), [200, 200, 200, 200, 429, 429]);
  assert.deepEqual(await statuses("/healthz", 6), [200, 200, 200, 200, 200, 200]);
  assert.equal(handled, 10);
  const { requests, requestsRefused } = s.listener.stats();
  assert.deepEqual([requests, requestsRefused], [12, 2]);
  now += 20;
  assert.deepEqual(await statuses("/", 3), [200, 200, 429]);
  peer.close();
});

Deno.test("rate limiter: a refused request says when to come again", async () => {
  await using s = await serve({ rateLimiter: { request: () => Infinity } });
  const peer = await Http3Peer.connect(s.port);
  const { status, headers } = await peer.request(get("/"));
  assert.deepEqual([status, headers.get("retry-after")], [429, "1"]);
  peer.close();
});
