/** Who has a say about connections and subscriptions. */

import assert from "node:assert/strict";
import { withMoreClaims } from "../../src/auth/claims.ts";
import type { AdmissionHook, ClaimAdditions } from "../../src/hub/admissions.ts";
import type { Hub } from "../../src/hub/mod.ts";
import { type ErrorName, ProtocolError } from "../../src/protocol/mod.ts";
import { FakeClient, join, makeHub, principal } from "./support.ts";

const CHANNEL = "chat:a";
const CONNECTION = { connectionId: "k", transport: "memory", connectedAt: 0 };
const ATTEMPT = { connection: CONNECTION, resume: undefined, refresh: false };
const extend = withMoreClaims;

function refusing(error: ErrorName, detail?: string): () => never {
  return () => {
    throw new ProtocolError(error, detail);
  };
}

/** A hook whose answer to `subscribe` a test gives. */
function held(): { hook: AdmissionHook; asked: string[]; allow(): void; refuse(): void } {
  const asked: string[] = [];
  let decided = Promise.withResolvers<void>();
  const next = () => {
    const before = decided;
    decided = Promise.withResolvers();
    return before;
  };
  return {
    asked,
    hook: {
      name: "held",
      subscribe: ({ channel, resumed }) => {
        asked.push(resumed ? `${channel} again` : channel);
        return decided.promise;
      },
    },
    allow: () => next().resolve(),
    refuse: () => next().reject(new ProtocolError("permission_denied", "not today")),
  };
}

const named = (error: ErrorName) => (thrown: unknown) => (thrown as ProtocolError).error === error;

Deno.test("admissions: without hooks a connection has the claims of its token, at once", () => {
  const { hub } = makeHub();
  const ann = principal("ann");
  assert.equal(hub.admit(ann, ATTEMPT), ann);
});

Deno.test("admissions: hooks add to the claims, and each sees what those before it added", () => {
  const { hub } = makeHub({ extend });
  const seen: string[][] = [];
  const adding = (name: string, claims: ClaimAdditions): AdmissionHook => ({
    name,
    connect: (attempt) => {
      seen.push([...attempt.principal.subscribe]);
      attempt.grant(claims);
    },
  });
  hub.admissions.add(adding("a", { channels: ["chat:b"], info: { team: 7, name: "Ann" } }));
  hub.admissions.add(adding("b", { publish: ["chat:c"], rights: ["broadcast"] }));
  const ann = principal("ann", { subscribe: ["chat:a"], publish: [], info: { name: "ann" } });
  const admitted = hub.admit(ann, ATTEMPT);
  assert.ok(!(admitted instanceof Promise));
  assert.deepEqual(admitted.subscribe, ["chat:a", "chat:b"]);
  assert.deepEqual(admitted.publish, ["chat:b", "chat:c"]);
  assert.deepEqual([...admitted.rights], ["broadcast"]);
  assert.deepEqual(admitted.info, { name: "Ann", team: 7 });
  assert.deepEqual(seen, [["chat:a"], ["chat:a", "chat:b"]]);
  assert.deepEqual(ann.subscribe, ["chat:a"], "the token's own claims serve other connections too");
});

Deno.test("admissions: what is added keeps to the limits of a token", () => {
  const { hub } = makeHub({ extend });
  let claims: ClaimAdditions = {};
  hub.admissions.add({ name: "a", connect: (attempt) => attempt.grant(claims) });
  const full = principal("ann", { subscribe: Array.from({ length: 128 }, (_, i) => `chat:${i}`) });
  for (
    claims of [
      { channels: ["chat:more"] },
      { subscribe: ["with space"] },
      { info: { text: "x".repeat(3000) } },
      { rights: [7] as unknown as string[] },
      { channels: "chat:a" as unknown as string[] },
    ]
  ) {
    assert.throws(() => hub.admit(full, ATTEMPT), named("bad_payload"), JSON.stringify(claims).slice(0, 40));
  }
  claims = { rights: ["direct_message", "root"] };
  const admitted = hub.admit(full, ATTEMPT);
  assert.deepEqual(
    [...(admitted as typeof full).rights],
    ["direct_message"],
    "no right that tokens cannot have",
  );
});

Deno.test("admissions: what is granted after the decision has no effect", async () => {
  const { hub } = makeHub({ extend });
  let late: (() => void) | undefined;
  hub.admissions.add({
    name: "a",
    connect: async (attempt) => {
      late = () => attempt.grant({ channels: ["chat:z"] });
      await Promise.resolve();
    },
  });
  const admitted = await hub.admit(principal("ann", { subscribe: [] }), ATTEMPT);
  late!();
  assert.deepEqual(admitted.subscribe, []);
});

Deno.test("admissions: a hook that takes too long refuses with not_available", async () => {
  const { hub, failures } = makeHub({ hookPatience: 5 });
  hub.admissions.add({ name: "slow", connect: () => new Promise(() => {}) });
  await assert.rejects(async () => await hub.admit(principal("ann"), ATTEMPT), named("not_available"));
  assert.equal(failures.length, 1);
});

Deno.test("admissions: two hooks of one name are a mistake", () => {
  const { hub } = makeHub();
  hub.admissions.add({ name: "a" });
  assert.throws(() => hub.admissions.add({ name: "a" }), TypeError);
  hub.admissions.remove("a");
  hub.admissions.add({ name: "a" });
});

async function reader(options: Parameters<typeof makeHub>[0] = {}): Promise<{ hub: Hub; ann: FakeClient }> {
  const { hub } = makeHub(options);
  return { hub, ann: await join(hub, "s1", "ann") };
}

Deno.test("admissions: a refused subscription is none", async () => {
  const { hub, ann } = await reader();
  hub.admissions.add({ name: "a", subscribe: refusing("permission_denied", "not today") });
  assert.throws(() => hub.subscribe(ann, CHANNEL, 1), /not today/);
  assert.equal(hub.isOn(ann, CHANNEL), false);
});

Deno.test("admissions: hooks are asked about their channels only, and never about the inbox", async () => {
  const { hub, ann } = await reader();
  const asked: string[] = [];
  hub.admissions.add({
    name: "a",
    channels: ["chat:secret*"],
    subscribe: ({ channel }) => void asked.push(channel),
  });
  for (const channel of [CHANNEL, "chat:secret-1", "user:ann"]) void hub.subscribe(ann, channel, 1);
  assert.deepEqual(asked, ["chat:secret-1"]);
});

Deno.test("admissions: what the token does not allow is not asked about", async () => {
  const { hub } = makeHub();
  const ann = await join(hub, "s1", principal("ann", { subscribe: [] }));
  const { hook, asked } = held();
  hub.admissions.add(hook);
  assert.throws(() => hub.subscribe(ann, CHANNEL, 1), named("permission_denied"));
  assert.deepEqual(asked, []);
});

Deno.test("admissions: subscribing again to move a channel is not asked about", async () => {
  const { hub, ann } = await reader();
  void hub.subscribe(ann, CHANNEL, 1);
  const { hook, asked } = held();
  hub.admissions.add(hook);
  void hub.subscribe(ann, CHANNEL, 2);
  assert.deepEqual(asked, []);
});

Deno.test("admissions: a second request waits for the decision of the first", async () => {
  const { hub, ann } = await reader();
  const { hook, asked, allow } = held();
  hub.admissions.add(hook);
  const first = Promise.resolve(hub.subscribe(ann, CHANNEL, 1));
  const second = Promise.resolve(hub.subscribe(ann, CHANNEL, 2));
  allow();
  await Promise.all([first, second]);
  assert.deepEqual(asked, [CHANNEL]);
  assert.equal(hub.isOn(ann, CHANNEL), true);
});

Deno.test("admissions: who unsubscribes before the decision is not subscribed by it", async () => {
  const { hub, ann } = await reader();
  const { hook, allow } = held();
  hub.admissions.add(hook);
  const subscribing = Promise.resolve(hub.subscribe(ann, CHANNEL, 1));
  assert.equal(hub.unsubscribe(ann, CHANNEL), true);
  assert.equal(hub.unsubscribe(ann, CHANNEL), false);
  allow();
  await assert.rejects(subscribing, named("not_subscribed"));
  assert.equal(hub.isOn(ann, CHANNEL), false);
});

Deno.test("admissions: decisions on their way do not lead past the limit of channels", async () => {
  const { hub, ann } = await reader({ maxChannels: () => 2 });
  const { hook, allow } = held();
  hub.admissions.add(hook);
  const subscribing = ["chat:1", "chat:2", "chat:3"].map(async (name) => await hub.subscribe(ann, name, 1));
  allow();
  const results = await Promise.allSettled(subscribing);
  assert.deepEqual(results.map(({ status }) => status), ["fulfilled", "fulfilled", "rejected"]);
});

Deno.test("admissions: a connection that ended meanwhile gets no subscription", async () => {
  const { hub, ann } = await reader();
  const { hook, allow } = held();
  hub.admissions.add(hook);
  const subscribing = Promise.resolve(hub.subscribe(ann, CHANNEL, 1));
  hub.detach(ann);
  allow();
  await assert.rejects(subscribing, named("unauthorized"));
});

Deno.test("admissions: channels that a client resumes are decided about again", async () => {
  const { hub } = makeHub();
  const { hook, asked, refuse } = held();
  hub.admissions.add(hook);
  const ann = new FakeClient("s1", principal("ann"));
  const attaching = hub.attach(ann, { [CHANNEL]: { epoch: "e", offset: 0 } });
  refuse();
  const { refused, channels } = await attaching;
  assert.deepEqual(asked, [`${CHANNEL} again`]);
  assert.deepEqual(refused, { [CHANNEL]: "permission_denied" });
  assert.deepEqual(Object.keys(channels), ["user:ann", "broadcast:all"]);
});

Deno.test("admissions: only subscribers may read what a channel keeps where hooks decide", async () => {
  const { hub, ann } = await reader();
  assert.equal(hub.refuseRead(ann, CHANNEL), undefined);
  hub.admissions.add({ name: "a", channels: [CHANNEL], subscribe: () => {} });
  assert.equal(hub.refuseRead(ann, CHANNEL), "not_subscribed");
  assert.equal(hub.refuseRead(ann, "chat:b"), undefined);
  void hub.subscribe(ann, CHANNEL, 1);
  assert.equal(hub.refuseRead(ann, CHANNEL), undefined);
});
