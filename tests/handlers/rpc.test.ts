/** Calls that the application answers. */

import assert from "node:assert/strict";
import type { RpcResponder } from "../../src/hub/responders.ts";
import { type ErrorName, ProtocolError } from "../../src/protocol/mod.ts";
import { join } from "../hub/support.ts";
import { Service } from "./support.ts";

const named = (error: ErrorName) => (thrown: unknown) => (thrown as ProtocolError).error === error;

async function calling(
  call: RpcResponder["call"] = (method, data) => ({ method, data }),
  { methods = ["echo", "orders.*"], rpcTimeout = 5000 } = {},
) {
  const service = new Service({ rpcTimeout: () => rpcTimeout });
  service.hub.responders.add({ name: "test", methods, call });
  const ann = await join(service.hub, "s1", "ann");
  return { service, ann, say: (payload: Record<string, unknown>) => service.say(ann, "rpc", payload) };
}

Deno.test("rpc: a call is answered by who has its method", async () => {
  const { say } = await calling();
  const [answer] = await say({ method: "orders.place", data: { item: 7 } });
  assert.equal(answer!.type, "rpc_response");
  assert.deepEqual(answer!.payload, { data: { method: "orders.place", data: { item: 7 } } });
});

Deno.test("rpc: a responder that names a method comes before one whose pattern it fits", async () => {
  const { service, say } = await calling(() => "pattern", { methods: ["*"] });
  service.hub.responders.add({ name: "exact", methods: ["echo"], call: () => "exact" });
  assert.deepEqual((await say({ method: "echo" }))[0]!.payload, { data: "exact" });
  assert.deepEqual((await say({ method: "other" }))[0]!.payload, { data: "pattern" });
  service.hub.responders.remove("exact");
  assert.deepEqual((await say({ method: "echo" }))[0]!.payload, { data: "pattern" });
  assert.throws(() => service.hub.responders.add({ name: "test", methods: [], call: () => 1 }), TypeError);
});

Deno.test("rpc: an unknown method is refused", async () => {
  const { say } = await calling();
  await assert.rejects(say({ method: "nothing" }), named("unknown_method"));
  for (const payload of [{}, { method: "" }, { method: "a b" }, { method: 7 }, { method: "x".repeat(65) }]) {
    await assert.rejects(say(payload), named("bad_payload"));
  }
});

Deno.test("rpc: the client is told an error that the responder answers with", async () => {
  const { say } = await calling(() =>
    Promise.reject(new ProtocolError("permission_denied", "no orders today"))
  );
  await assert.rejects(say({ method: "echo" }), /no orders today/);
});

Deno.test("rpc: without an answer in time the call is refused, and who works on it is told", async () => {
  let over: AbortSignal | undefined;
  const { say } = await calling((_method, _data, _client, signal) => {
    over = signal;
    return new Promise(() => {});
  }, { rpcTimeout: 5 });
  await assert.rejects(say({ method: "echo" }), named("not_available"));
  assert.equal(over!.aborted, true);
});

Deno.test("rpc: who works for a client that has gone is told", async () => {
  let over: AbortSignal | undefined;
  const { say, ann } = await calling((_method, _data, _client, signal) => {
    over = signal;
    return new Promise(() => {});
  });
  const answer = say({ method: "echo" });
  ann.end();
  await assert.rejects(answer);
  assert.equal(over!.aborted, true);
});

Deno.test("rpc: an answer that cannot be sent is an error", async () => {
  let answer: unknown;
  const { say } = await calling(() => answer);
  answer = "x".repeat(70_000);
  await assert.rejects(say({ method: "echo" }), named("message_too_large"));
  answer = { at: new Date(NaN).getTime() };
  await assert.rejects(say({ method: "echo" }), /no JSON value/);
  answer = undefined;
  assert.deepEqual((await say({ method: "echo" }))[0]!.payload, {});
});

Deno.test("rpc: a connection has a bounded number of calls at once", async () => {
  const waiting: (() => void)[] = [];
  const { say } = await calling(() => new Promise((resolve) => waiting.push(() => resolve("done"))));
  const calls = Array.from({ length: 32 }, () => say({ method: "echo" }));
  await assert.rejects(say({ method: "echo" }), named("not_available"));
  for (const answer of waiting) answer();
  await Promise.all(calls);
  const again = say({ method: "echo" });
  waiting.at(-1)!();
  assert.deepEqual((await again)[0]!.payload, { data: "done" });
});
