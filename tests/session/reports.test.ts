import assert from "node:assert/strict";
import { authenticated, handlers, memoryNode, settle } from "./support.ts";

Deno.test("log: the first line of a connection names its transport and its address", async () => {
  const node = memoryNode();
  const peer = node.connect("192.0.2.7:555");
  const [opened] = node.observer.events.filter(({ event }) => event === "connection opened");
  const connection = [...node.sessions.connections][0]!;
  assert.deepEqual(
    [opened?.fields?.connection, opened?.fields?.transport, opened?.fields?.remote],
    [connection.connectionId, "memory", "192.0.2.7:555"],
  );
  peer.peer.close(1000);
  await settle();
});

Deno.test("log: a refreshed token has a line, without the token", async () => {
  const node = memoryNode();
  const peer = await authenticated(node, "ok:ann:60000");
  await peer.send("auth_refresh", { token: "ok:ann:90000" });
  const [line] = node.observer.events.filter(({ event }) => event === "token refreshed");
  assert.equal(line?.fields?.user, "ann");
  assert.doesNotMatch(JSON.stringify(line), /ok:ann/);
});

Deno.test("report: a connection counts as a reconnect once, however often its client repeats the number", async () => {
  const node = memoryNode();
  await authenticated(node);
  const [client] = node.sessions.connections;
  client!.report({ reconnects: 0 });
  assert.equal(node.observer.of("reconnected").length, 0);
  for (const reconnects of [3, 3, 4]) client!.report({ reconnects });
  assert.equal(node.observer.of("reconnected").length, 1);
});

Deno.test("report: a migration that failed counts once when the service saw it and the client tells of it", async () => {
  const node = memoryNode({ handlers });
  const failures = () =>
    (node.observer.of("report") as { migrationFailed?: boolean }[]).filter((report) =>
      report.migrationFailed === true
    ).length;
  const fail = async () => {
    const [client] = node.sessions.connections;
    client!.migrated("192.0.2.1:1", "192.0.2.2:1");
    await node.advance(10_000);
    const { sessionId } = client!;
    await authenticated(node, "ok:ann", { resume: { sessionId, channels: {} } });
    const [next] = node.sessions.connections;
    return next!;
  };
  await authenticated(node);
  (await fail()).report({ migrationFailed: true, reconnects: 1 });
  assert.equal(failures(), 1);
  // The next one is another one.
  const last = await fail();
  assert.equal(failures(), 2);
  last.report({ migrationFailed: true });
  assert.equal(failures(), 2);
  // One that only the client saw.
  last.report({ migrationFailed: true });
  assert.equal(failures(), 3);
});
