/** A connection to a peer: when this side calls, and when it waits for the peer's call. */

import assert from "node:assert/strict";
import { PeerConnection, PeerError } from "../../src/peer/mod.ts";
import type { Connection } from "../../src/quic/mod.ts";
import { FakeClock, settle } from "../support/clock.ts";

/** A connection whose attempts are settled by the test. */
function calling(clock: FakeClock) {
  const attempts: PromiseWithResolvers<Connection | undefined>[] = [];
  const connection = new PeerConnection({
    peer: "A".repeat(43),
    clock,
    random: () => 0,
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
