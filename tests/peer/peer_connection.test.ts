/** A connection to a peer: when this side calls, and when it waits for the peer's call. */

import assert from "node:assert/strict";
import { deadline } from "../../src/async/deadline.ts";
import { SkeinClient } from "../../src/client/mod.ts";
import { SkeinPeer } from "../../src/client/peer.ts";
import { BrowserPeer } from "../../src/client/peer_browser.ts";
import { PeerConnection, PeerError } from "../../src/peer/mod.ts";
import type { Connection } from "../../src/quic/mod.ts";
import { FakeClock, settle } from "../support/clock.ts";
import { SignallingHub } from "./support.ts";

/** A connection whose attempts are settled by the test. */
function calling(clock: FakeClock, patience?: number) {
  const attempts: PromiseWithResolvers<Connection | undefined>[] = [];
  const connection = new PeerConnection({
    peer: "A".repeat(43),
    clock,
    random: () => 0,
    patience,
    attempt: () => {
      const attempt = Promise.withResolvers<Connection | undefined>();
      attempts.push(attempt);
      return attempt.promise;
    },
    onClosing() {},
    onClosed() {},
  });
  connection.start();
  return { connection, attempts };
}

const HOUR = 3_600_000;

const quic = (): Connection =>
  ({ closed: new Promise(() => {}), close: () => Promise.resolve() }) as unknown as Connection;

Deno.test("peer connection: while the peer's call is answered this side does not call again", async () => {
  const clock = new FakeClock();
  const { connection, attempts } = calling(clock);
  attempts[0]!.reject(new PeerError("peer_unreachable"));
  await settle();
  assert.equal(connection.state, "failed");
  connection.expectCall();
  // Twice the pause before the next attempt.
  await clock.advance(1_000);
  assert.equal(attempts.length, 1);
  connection.adopt(quic());
  await clock.advance(60_000);
  assert.equal(attempts.length, 1);
});

Deno.test("peer connection: a call of the peer that leads to nothing is waited for ten seconds", async () => {
  const clock = new FakeClock();
  const { connection, attempts } = calling(clock);
  attempts[0]!.reject(new PeerError("peer_unreachable"));
  await settle();
  connection.expectCall();
  await clock.advance(10_000);
  assert.equal(attempts.length, 2);
  assert.equal(connection.isCalling, true);
});

Deno.test("peer connection: an attempt that fails after the peer's call has come changes nothing", async () => {
  const clock = new FakeClock();
  const { connection, attempts } = calling(clock);
  connection.adopt(quic());
  attempts[0]!.reject(new PeerError("peer_unreachable"));
  await settle();
  await clock.advance(60_000);
  assert.equal(connection.state, "connected");
  assert.equal(attempts.length, 1);
});

Deno.test("peer connection: after a call that gave way to the peer's there is one attempt at a time", async () => {
  const clock = new FakeClock();
  const { connection, attempts } = calling(clock);
  connection.expectCall();
  await clock.advance(5_000);
  attempts[0]!.resolve(undefined);
  await settle();
  await clock.advance(9_000);
  assert.equal(attempts.length, 1, "ten seconds from when it gave way");
  await clock.advance(1_000);
  assert.equal(attempts.length, 2);
});

Deno.test("peer connection: a peer that is away for an hour is given up, and it is said why", async () => {
  const clock = new FakeClock();
  const { connection, attempts } = calling(clock);
  const states: string[] = [];
  connection.on({ state: (state, error) => void states.push(`${state} ${error?.code}`) });
  const ready = assert.rejects(connection.ready(), (error: PeerError) => {
    assert.equal(error.code, "gave_up");
    assert.equal(error.message, "the peer was away for 3600 s: the peer is not reachable now");
    assert.equal((error.cause as PeerError).code, "peer_unreachable");
    return true;
  });
  const failing = async (ms: number): Promise<void> => {
    for (const end = clock.now() + ms; clock.now() < end;) {
      attempts.at(-1)!.reject(new PeerError("peer_unreachable"));
      await clock.advance(Math.min(1_000, end - clock.now()));
    }
  };
  await failing(HOUR - 1_000);
  assert.notEqual(connection.state, "disconnected");
  await failing(1_000);
  assert.equal(connection.state, "disconnected");
  await ready;
  assert.equal(states.at(-1), "disconnected gave_up");
  const made = attempts.length;
  await clock.advance(HOUR);
  assert.equal(attempts.length, made);
  assert.equal(clock.pending, 0);
});

Deno.test("peer connection: an attempt that hangs is given up too", async () => {
  const clock = new FakeClock();
  const { connection, attempts } = calling(clock, 5_000);
  const ready = assert.rejects(connection.ready(), { code: "gave_up" });
  await clock.advance(5_000);
  assert.equal(connection.isClosed, true);
  await ready;
  assert.equal(attempts.length, 1);
});

Deno.test("peer connection: the time of a peer that is away begins anew with each connection", async () => {
  const clock = new FakeClock();
  const { connection, attempts } = calling(clock, 10_000);
  await clock.advance(9_000);
  const closed = Promise.withResolvers<{ by: string; code: number }>();
  attempts[0]!.resolve(
    { closed: closed.promise, close: () => Promise.resolve() } as unknown as Connection,
  );
  await settle();
  await clock.advance(60_000);
  assert.equal(connection.state, "connected");
  closed.resolve({ by: "remote", code: 0 });
  await settle();
  await clock.advance(9_999);
  assert.equal(connection.state, "reconnecting");
  await clock.advance(1);
  assert.equal(connection.state, "disconnected");
});

Deno.test("peer connection: with a patience that has no end a peer is called until it is closed", async () => {
  const clock = new FakeClock();
  const { connection, attempts } = calling(clock, Infinity);
  for (let hour = 0; hour < 30; hour++) {
    attempts.at(-1)!.reject(new PeerError("peer_unreachable"));
    await clock.advance(HOUR);
  }
  assert.equal(connection.state, "reconnecting");
  assert.equal(attempts.length, 31);
  await connection.close();
});

Deno.test("peer connection: a patience that is no time is refused", async () => {
  const hub = new SignallingHub();
  for (const patience of [0, -1, NaN]) await assert.rejects(hub.peer({ patience }), RangeError);
});

const AWAY = "A".repeat(43);

/** Within a time that is long for every machine: one that is never given up must not hang the test. */
async function isGivenUp(connection: PeerConnection): Promise<void> {
  const late = (): Error => new Error(`it is ${connection.state} still`);
  await assert.rejects(deadline(connection.ready(), 30_000, late), { code: "gave_up" });
}

Deno.test("peer connection: a node gives up after the time that it was opened with", async () => {
  const ann = await new SignallingHub().peer({ patience: 20 });
  await isGivenUp(ann.connect(AWAY));
  assert.equal(ann.connections.size, 0);
  await ann.close();
});

for (const kind of [SkeinPeer, BrowserPeer]) {
  Deno.test(`peer connection: a ${kind.name} whose service is away gives up after its time, too`, async () => {
    const client = new SkeinClient({ url: "http://127.0.0.1:1", token: "none", autoConnect: false });
    const peer = await kind.open(client, { patience: 20 });
    await isGivenUp(peer.connect(AWAY));
    assert.equal(peer.connections.size, 0);
    await peer.close();
    await client.close();
  });
}
