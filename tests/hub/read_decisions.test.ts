/** Decisions about the files of channels, remembered for a while. */

import assert from "node:assert/strict";
import { Admissions } from "../../src/hub/admissions.ts";
import type { ReadAttempt } from "../../src/hub/mod.ts";
import { ProtocolError } from "../../src/protocol/mod.ts";
import { deferred } from "../../src/async/deferred.ts";

const CHANNEL = "chat:a";

function admissions(read: ((attempt: ReadAttempt) => void | Promise<void>) | undefined) {
  let now = 0;
  const all = new Admissions({
    patience: 1000,
    extend: (principal) => principal,
    failed: () => {},
    now: () => now,
  });
  all.add({ name: "app", channels: ["chat:*"], subscribe() {}, ...read === undefined ? {} : { read } });
  return {
    all,
    advance: (ms: number) => void (now += ms),
    // Rejects in any case where it throws.
    read: async (user: string, channel = CHANNEL) => await all.read({ user, client: undefined, channel }),
  };
}

Deno.test("read decisions: an answer holds for 30 seconds, for its user and channel", async () => {
  const asked: string[] = [];
  const { read, advance } = admissions(({ user, channel }) => void asked.push(`${user} ${channel}`));
  for (let n = 0; n < 5; n++) await read("ann");
  await read("bob");
  await read("ann", "chat:b");
  // Nobody has a say about it.
  await read("ann", "open:a");
  assert.deepEqual(asked, ["ann chat:a", "bob chat:a", "ann chat:b"]);
  advance(29_999);
  await read("ann");
  assert.equal(asked.length, 3);
  advance(1);
  await read("ann");
  assert.equal(asked.length, 4);
});

Deno.test("read decisions: a refusal holds for 5 seconds, and one for now does not hold", async () => {
  let error = new ProtocolError("permission_denied", "members only"), asked = 0;
  const { read, advance } = admissions(() => {
    asked++;
    throw error;
  });
  for (let n = 0; n < 3; n++) await assert.rejects(read("ann"), /members only/);
  assert.equal(asked, 1);
  advance(5000);
  error = new ProtocolError("not_available");
  for (let n = 0; n < 3; n++) await assert.rejects(read("ann"), { error: "not_available" });
  assert.equal(asked, 4);
});

Deno.test("read decisions: those who ask at the same time share one, and another hook has its own", async () => {
  const { promise, resolve } = deferred<void>();
  let asked = 0;
  const { all, read } = admissions(() => (asked++, promise));
  const both = [read("ann"), read("ann")];
  assert.equal(asked, 1);
  let isOther = 0;
  all.remove("app");
  all.add({ name: "other", subscribe() {}, read: () => void isOther++ });
  resolve();
  await Promise.all(both);
  // What the one that is gone has said does not count.
  await read("ann");
  assert.equal(isOther, 1);
});

Deno.test("read decisions: who decides about subscriptions alone leaves files to subscribers", async () => {
  const { read } = admissions(undefined);
  await assert.rejects(read("ann"), { error: "not_subscribed" });
});
