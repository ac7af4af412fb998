/** TCP connections that are opened to be there. */

import assert from "node:assert/strict";
import { eventually, health, lasting, openSockets, Pair, startTarget, UPGRADE } from "./support.ts";

Deno.test("attack: connections that use up the descriptors end neither the listener nor the pair", async () => {
  await using target = await startTarget({ descriptors: 160 });
  await using pair = await Pair.start(target, "websocket");
  const idle = await openSockets(target.port, 400);
  await lasting(1000);
  // Who asks while the attack goes on is answered: those that do nothing give way. Now and then the runtime is faster
  // than we are and its listener ends; it is started again within seconds.
  await eventually("who asks is answered", async () => await health(target.port, 2000) === "200");
  const { http } = await target.stats();
  assert.ok(http.refused.descriptors > 0 || http.refused.address > 0, JSON.stringify(http));
  for (const socket of idle) socket.destroy();
  await eventually(
    "the connections are gone",
    async () => (await target.stats()).http.connections.waiting < 20,
  );
  assert.equal(await health(target.port), "200");
  await pair.check("descriptors used up");
});

Deno.test("attack: heads that never end are cut, and keep nobody out", async () => {
  await using target = await startTarget({ config: { http: { headTimeout: "1s" } } });
  await using pair = await Pair.start(target, "websocket");
  const head = `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(12_000)}`;
  const slow = await openSockets(target.port, 1000, head);
  const answers = new Set<string>();
  for (const socket of slow) socket.on("data", (bytes) => answers.add(String(bytes).split("\r\n")[0]!));
  assert.equal(await health(target.port), "200");
  await eventually("all of them are cut", () => Promise.resolve(slow.every((socket) => socket.destroyed)));
  // By the deadline of the head, and not by a later one that ends what is silent without a word.
  assert.deepEqual([...answers], ["HTTP/1.1 408 Request Timeout"]);
  await pair.check("heads that never end");
});

Deno.test("attack: sockets that never authenticate keep nobody out", async () => {
  await using target = await startTarget({
    config: {
      session: {
        maxConnections: 300,
        preAuth: { maxConnections: 100 },
        perIp: { burst: 10_000, rate: 10_000 },
      },
    },
  });
  await using pair = await Pair.start(target, "websocket");
  const silent = await openSockets(target.port, 600, UPGRADE);
  for (const socket of silent) socket.resume();
  await lasting(1000);
  // While there are more than the node has places, those that are closing among them, who comes is told to come again.
  await eventually("a client gets in", async () => {
    await using client = await target.connect("websocket", "carl");
    return client.kind === "websocket";
  });
  const few = async () => (await target.stats()).connections <= 102;
  await eventually("the strangers are no more than their share", few);
  for (const socket of silent) socket.destroy();
  await pair.check("sockets that never authenticate");
});

Deno.test("attack: where Deno.serve has no way to refuse them, connections that use up the descriptors end it for a moment only", async () => {
  await using target = await startTarget({ descriptors: 160, config: { http: { websocket: "deno" } } });
  const idle = await openSockets(target.port, 300);
  await lasting(500);
  for (const socket of idle) socket.destroy();
  await eventually("it listens again", async () => await health(target.port) === "200");
});
