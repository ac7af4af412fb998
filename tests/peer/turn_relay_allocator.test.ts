/** Which relay is used, and for how long, with servers that only seem to be there and a clock moved by hand. */

import assert from "node:assert/strict";
import { PeerError } from "../../src/peer/errors.ts";
import type { RelayServer } from "../../src/peer/ports.ts";
import { RelayAllocator } from "../../src/peer/relay_allocator.ts";
import type { Allocation } from "../../src/peer/turn/allocation.ts";
import { FakeClock, settle } from "../support/clock.ts";

/** An allocation without a server. */
function relay(name: string): Allocation & { readonly name: string; isClosed: boolean } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const made = {
    name,
    isClosed: false,
    closed: promise,
    close() {
      made.isClosed = true;
      resolve();
    },
  };
  return made as unknown as Allocation & typeof made;
}

const EXPIRES = 600_000;

/** An allocator, and what it told. @param servers What each server does when it is asked. */
function allocator(servers: Record<string, () => Promise<Allocation>>) {
  const clock = new FakeClock();
  const log: string[] = [], asked: string[] = [];
  const turn = Object.keys(servers).map((url): RelayServer => ({ url, username: "u", credential: "c" }));
  const relays = new RelayAllocator({
    clock,
    servers: () => Promise.resolve({ stun: [], turn, expiresIn: EXPIRES }),
    onOpen: (one) => void log.push(`open ${(one as unknown as { name: string }).name}`),
    onClose: (one) => void log.push(`close ${(one as unknown as { name: string }).name}`),
    allocate: ({ url }) => {
      asked.push(url);
      return servers[url]!();
    },
  });
  return { clock, log, asked, relays };
}

Deno.test("relay allocator: a server that agrees at once is the only one asked", async () => {
  const first = relay("first");
  const { relays, asked } = allocator({
    a: () => Promise.resolve(first),
    b: () => Promise.resolve(relay("second")),
  });
  assert.equal(await relays.open(), first);
  assert.deepEqual(asked, ["a"]);
});

Deno.test("relay allocator: the next server is asked when one is silent, and the late one is given back", async () => {
  const late = Promise.withResolvers<Allocation>();
  const first = relay("first"), second = relay("second");
  const { clock, relays, asked } = allocator({ a: () => late.promise, b: () => Promise.resolve(second) });
  const opened = relays.open();
  await clock.advance(200);
  assert.deepEqual(asked, ["a"]);
  await clock.advance(100);
  assert.equal(await opened, second);
  late.resolve(first);
  await settle();
  assert.equal(first.isClosed, true);
  assert.equal(second.isClosed, false);
});

Deno.test("relay allocator: a server that refuses does not end the wait for a slow one", async () => {
  const slow = Promise.withResolvers<Allocation>(), second = relay("second");
  const { clock, relays } = allocator({
    a: () => Promise.reject(new PeerError("relay_refused")),
    b: () => slow.promise,
  });
  const opened = relays.open();
  await clock.advance(2_000);
  slow.resolve(second);
  assert.equal(await opened, second);
});

Deno.test("relay allocator: after a refusal by all nobody is asked for five seconds", async () => {
  const { clock, relays, asked } = allocator({ a: () => Promise.reject(new PeerError("relay_refused")) });
  const refused = (error: PeerError): boolean => error.code === "relay_refused";
  await assert.rejects(relays.open(), refused);
  await clock.advance(4_900);
  await assert.rejects(relays.open(), refused);
  assert.deepEqual(asked, ["a"]);
  await clock.advance(200);
  await assert.rejects(relays.open(), refused);
  assert.deepEqual(asked, ["a", "a"]);
});

Deno.test("relay allocator: before its credentials end another relay is there, and only then the first goes", async () => {
  const made: ReturnType<typeof relay>[] = [];
  const { clock, log, relays } = allocator({
    a: () => {
      made.push(relay(`${made.length + 1}`));
      return Promise.resolve(made.at(-1)!);
    },
  });
  relays.use();
  await relays.open();
  await clock.advance(EXPIRES - 60_000 - 1);
  assert.deepEqual(log, ["open 1"]);
  await clock.advance(1);
  assert.deepEqual(log, ["open 1", "open 2"]);
  assert.equal(relays.relay, made[1]);
  await clock.advance(10_000);
  assert.deepEqual(log, ["open 1", "open 2", "close 1"]);
  assert.equal(relays.relay, made[1]);
  relays.close();
});

Deno.test("relay allocator: a relay that cannot be replaced ends with its credentials", async () => {
  const only = relay("only");
  let agrees = true;
  const { clock, log, relays } = allocator({
    a: () => agrees ? Promise.resolve(only) : Promise.reject(new PeerError("relay_refused")),
  });
  relays.use();
  await relays.open();
  agrees = false;
  await clock.advance(EXPIRES - 60_000);
  await clock.advance(1_000);
  assert.deepEqual(log, ["open only", "close only"]);
  assert.equal(relays.relay, undefined);
});

Deno.test("relay allocator: a relay that nobody uses ends after five minutes", async () => {
  const only = relay("only");
  const { clock, relays } = allocator({ a: () => Promise.resolve(only) });
  const release = relays.use();
  await relays.open();
  await clock.advance(200_000);
  assert.equal(only.isClosed, false);
  release();
  release();
  await clock.advance(299_000);
  assert.equal(only.isClosed, false);
  await clock.advance(1_000);
  assert.equal(only.isClosed, true);
});

Deno.test("relay allocator: its end is the end of one that was replaced a moment ago, too", async () => {
  const made: ReturnType<typeof relay>[] = [];
  const { clock, relays } = allocator({
    a: () => {
      made.push(relay(`${made.length + 1}`));
      return Promise.resolve(made.at(-1)!);
    },
  });
  relays.use();
  await relays.open();
  await clock.advance(EXPIRES - 60_000);
  relays.close();
  assert.deepEqual(made.map(({ isClosed }) => isClosed), [true, true]);
  assert.equal(clock.pending, 0);
});
