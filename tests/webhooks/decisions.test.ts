/** What endpoints decide, with a fake way to them. */

import assert from "node:assert/strict";
import type { ConnectAttempt } from "../../src/hub/mod.ts";
import { type ErrorName, ProtocolError } from "../../src/protocol/mod.ts";
import { Breaker } from "../../src/webhooks/breaker.ts";
import type { Endpoint, Post, Posted } from "../../src/webhooks/contract.ts";
import { Courier } from "../../src/webhooks/courier.ts";
import { Decider } from "../../src/webhooks/decisions.ts";
import { FakeClient, principal } from "../hub/support.ts";
import { FakeClock, settle } from "../support/clock.ts";
import { endpoint } from "./support.ts";

const client = new FakeClient("s1", principal("ann"));
const attempt = { client, channel: "chat:a", resumed: false };
const named = (error: ErrorName) => (thrown: unknown) => (thrown as ProtocolError).error === error;
const DOWN: Posted = { status: 0, failure: "unreachable", isDown: true };

function deciding(answer: () => unknown, over: Partial<Endpoint> = {}) {
  const clock = new FakeClock();
  const breaker = new Breaker({ random: () => 1 });
  const asked: string[] = [];
  const outcomes: string[] = [];
  const post: Post = async ({ body }) => {
    asked.push(body);
    const said = await answer();
    if (typeof said === "object" && said !== null && "status" in said) return said as Posted;
    return {
      status: 200,
      body: new TextEncoder().encode(typeof said === "string" ? said : JSON.stringify(said)),
    };
  };
  const events = {
    decided: (event: string, outcome: string, _ms: number, failure: string | undefined) =>
      void outcomes.push([event, outcome, failure].filter((word) => word !== undefined).join(" ")),
  };
  const decider = new Decider({ endpoint: endpoint(over), post, breaker, clock, events });
  return { decider, clock, breaker, asked, outcomes };
}

Deno.test("decisions: an empty answer allows", async () => {
  const { decider, outcomes } = deciding(() => "");
  await decider.subscribe(attempt);
  assert.deepEqual(outcomes, ["subscribe allowed"]);
});

Deno.test("decisions: a refusal says why, without what a terminal would act on, and is bounded", async () => {
  const { decider } = deciding(() => ({ allow: false, reason: `no\x1b[2J${"x".repeat(500)}` }));
  await assert.rejects(decider.subscribe(attempt), (error: ProtocolError) => {
    assert.equal(error.error, "permission_denied");
    assert.equal(error.detail!.length, 200);
    assert.ok(error.detail!.startsWith("no [2Jxxx"));
    return true;
  });
});

Deno.test("decisions: a refusal may be one for now", async () => {
  const { decider } = deciding(() => ({ allow: false, retry: true, reason: "later" }));
  await assert.rejects(decider.subscribe(attempt), named("not_available"));
});

Deno.test("decisions: claims that no token can have are no decision", async () => {
  const { decider, outcomes } = deciding(() => ({ claims: { channels: ["with space"] } }));
  const connect = {
    connection: client,
    principal: principal("ann"),
    resume: undefined,
    refresh: false,
    grant: () => {
      throw new ProtocolError("bad_payload");
    },
  } as ConnectAttempt;
  await assert.rejects(decider.connect(connect), named("not_available"));
  assert.deepEqual(outcomes, ["connect failed claims that no token can have"]);
});

Deno.test("decisions: while the breaker is open nobody waits for an endpoint", async () => {
  const { decider, asked, clock } = deciding(() => DOWN);
  for (let i = 0; i < 10; i++) await assert.rejects(decider.subscribe(attempt), named("not_available"));
  assert.equal(asked.length, 5);
  await clock.advance(1000);
  await assert.rejects(decider.subscribe(attempt));
  assert.equal(asked.length, 6, "one looks whether it works again");
});

Deno.test("decisions: more than may be asked at once wait for others, and not too long", async () => {
  const answers: ((said: unknown) => void)[] = [];
  const { decider, asked, clock } = deciding(() => new Promise((resolve) => answers.push(resolve)), {
    concurrency: 2,
    timeout: 1000,
  });
  const all = [1, 2, 3, 4].map(() => decider.subscribe(attempt));
  await settle();
  assert.equal(asked.length, 2);
  answers[0]!({});
  await all[0];
  await settle();
  assert.equal(asked.length, 3);
  const last = assert.rejects(all[3]!, named("not_available"));
  await clock.advance(1001);
  await last;
  answers[1]!({});
  answers[2]!({});
  await Promise.all([all[1], all[2]]);
});

Deno.test("decisions: a call that its caller gave up says nothing about the endpoint", async () => {
  const giving = new AbortController();
  const { decider, breaker } = deciding(() => {
    giving.abort();
    return { status: 0, failure: "aborted", isDown: false };
  });
  for (let i = 0; i < 10; i++) await assert.rejects(decider.call("echo", 1, client, giving.signal));
  assert.equal(breaker.state(0), "closed");
});

Deno.test("decisions: a call that was not answered in time counts against the endpoint", async () => {
  const giving = new AbortController();
  const { decider, breaker } = deciding(() => {
    giving.abort(new ProtocolError("not_available"));
    return { status: 0, failure: "aborted", isDown: false };
  });
  for (let i = 0; i < 5; i++) await assert.rejects(decider.call("echo", 1, client, giving.signal));
  assert.equal(breaker.state(0), "open");
});

Deno.test("decisions: events go on after a decision has found that the endpoint works again", async () => {
  let down = true;
  const answers: (() => void)[] = [];
  const { decider, clock, breaker } = deciding(() =>
    down ? DOWN : new Promise((resolve) => answers.push(() => resolve({})))
  );
  for (let i = 0; i < 5; i++) await assert.rejects(decider.subscribe(attempt));
  down = false;
  await clock.advance(1001);
  const probing = decider.subscribe(attempt);
  await settle();
  const told: string[] = [];
  const event = { id: "evt_1", type: "message" as const, user: "ann", timestamp: clock.wall(), data: {} };
  const courier = new Courier({
    endpoint: endpoint(),
    queue: {
      told: () => Promise.resolve({ epoch: "e", offset: 0 }),
      read: () =>
        Promise.resolve({ events: [{ offset: 1, event }], last: 1, epoch: "e", hasGap: false, more: false }),
      kept: (events) => Promise.resolve({ events, hasGap: false }),
      tell: () => Promise.resolve(),
      bury: () => Promise.resolve(),
      follow: () => {},
      unfollow: () => {},
    },
    post: ({ id }) => {
      told.push(id);
      return Promise.resolve({ status: 200 });
    },
    breaker,
    clock,
    random: () => 1,
    events: { sent() {}, buried() {}, lost() {}, failed() {} },
  });
  await courier.start();
  await clock.advance(500);
  assert.deepEqual(told, [], "the decision is the one that looks");
  answers[0]!();
  await probing;
  await clock.advance(500);
  assert.deepEqual(told, ["evt_1"]);
  await courier.stop();
});

Deno.test("decisions: a streamed text that cannot become what the endpoint wants is refused, also when failures allow", async () => {
  for (const onFailure of ["allow", "refuse"] as const) {
    const { decider, outcomes } = deciding(() => ({ text: "d*** it" }), { onFailure });
    const piece = {
      origin: "client",
      channel: "chat:a",
      target: 1,
      from: "ann",
      type: "chat_message",
      said: { text: "darn", stream: "open" },
      content: " it",
      end: undefined,
    } as const;
    await assert.rejects(decider.piece({ ...piece }), named("permission_denied"));
    assert.deepEqual(outcomes, ["publish refused"]);
  }
});
