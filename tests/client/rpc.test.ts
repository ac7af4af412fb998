/** Calls through the SDK, in a world where links break. */

import assert from "node:assert/strict";
import { SkeinClient } from "../../src/client/mod.ts";
import { ProtocolError } from "../../src/protocol/mod.ts";
import { settle, World } from "./support.ts";

async function calling() {
  const world = new World();
  const calls: unknown[] = [];
  const answers: ((answer: unknown) => void)[] = [];
  world.hub.responders.add({
    name: "test",
    methods: ["*"],
    call: (method, data) => {
      if (method === "refuse") throw new ProtocolError("permission_denied", "no");
      calls.push(data);
      return method === "hold" ? new Promise((resolve) => answers.push(resolve)) : { got: data };
    },
  });
  const client = new SkeinClient({ ...world.options("ann"), autoConnect: true });
  await world.until(() => client.manager.isConnected());
  return { world, client, calls, answers, clock: world.clock };
}

/** The error that a call is rejected with, once the world has moved on. */
async function failure(call: Promise<unknown>, world: World): Promise<{ error: string; temporary: boolean }> {
  let thrown: unknown;
  call.catch((error) => thrown = error);
  await world.until(() => thrown !== undefined);
  return thrown as { error: string; temporary: boolean };
}

Deno.test("client rpc: a call is answered", async () => {
  const { world, client } = await calling();
  let answer: unknown;
  void client.rpc("echo", { a: 1 }).then((got) => answer = got);
  await world.until(() => answer !== undefined);
  assert.deepEqual(answer, { got: { a: 1 } });
  await client.close();
});

Deno.test("client rpc: a call is rejected with the server's error", async () => {
  const { world, client } = await calling();
  assert.equal(
    (await failure(client.rpc("refuse"), world)).error,
    "permission_denied",
  );
  await client.close();
});

Deno.test("client rpc: a call whose connection is lost is rejected and not made again", async () => {
  const { world, client, calls, clock } = await calling();
  const call = client.rpc("hold", 1);
  await world.until(() => calls.length === 1);
  world.cut();
  const { error, temporary } = await failure(call, world);
  assert.deepEqual([error, temporary], ["connection_lost", true]);
  await world.until(() => client.manager.isConnected());
  await clock.advance(20_000);
  assert.equal(calls.length, 1);
  await client.close();
});

Deno.test("client rpc: without a connection a call waits for one", async () => {
  const { world, client, calls } = await calling();
  world.cut();
  await settle();
  let answer: unknown;
  void client.rpc("echo", 2, { timeout: 60_000 }).then((got) => answer = got);
  await world.until(() => answer !== undefined);
  assert.deepEqual(calls, [2]);
  await client.close();
});

Deno.test("client rpc: an answer has its time, more than other questions have", async () => {
  const { world, client, answers, clock } = await calling();
  const late = client.rpc("hold", 3, { timeout: 300 });
  assert.equal((await failure(late, world)).error, "timeout");
  let answer: unknown;
  void client.rpc("hold", 4, { timeout: 30_000 }).then(
    (got) => answer = got,
    (error) => answer = error,
  );
  await world.until(() => answers.length === 2);
  // Within the server's ten seconds, but the client's own patience is not the limit here.
  await clock.advance(9000);
  answers[1]!("at last");
  await world.until(() => answer !== undefined);
  assert.equal(answer, "at last");
  answers[0]!("nobody waits for it");
  await settle();
  await client.close();
});

Deno.test("client rpc: a call can be given up", async () => {
  const { world, client, calls, answers } = await calling();
  const giving = new AbortController();
  const call = client.rpc("hold", 5, { signal: giving.signal });
  await world.until(() => calls.length === 1);
  const error = new Error("enough");
  giving.abort(error);
  await assert.rejects(call, error);
  answers[0]!("nobody waits for it");
  await settle();
  await client.close();
});
