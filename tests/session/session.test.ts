import assert from "node:assert/strict";
import { CLOSES, Encoded, ERRORS, ProtocolError } from "../../src/protocol/mod.ts";
import type { Client } from "../../src/router/types.ts";
import { authenticated, handlers, memoryNode, settle } from "./support.ts";

Deno.test("handshake: an accepted token opens a session, and the answer says all a client needs", async () => {
  const node = memoryNode();
  const peer = node.connect();
  const answer = await peer.send("auth_request", { token: "ok:ann" });
  const { payload } = answer!;
  assert.equal(payload.userId, "ann");
  assert.equal(payload.resumed, false);
  assert.equal(payload.expiresIn, null);
  assert.deepEqual(payload.heartbeat, { interval: 7000, timeout: 10_000 });
  assert.deepEqual(node.membership.calls, [`attach ${payload.sessionId}`, `start ${payload.sessionId}`]);
});

Deno.test("handshake: the answer tells the lower of the rates of a connection and of its user", async () => {
  const rate = { messagesPerSecond: 100, messageBurst: 400, bytesPerSecond: 0, byteBurst: 9000 };
  const user = { messagesPerSecond: 50, messageBurst: 500, bytesPerSecond: 7000, byteBurst: 8000 };
  const node = memoryNode({ settings: { rates: { connection: rate, user } } });
  const answer = await node.connect().send("auth_request", { token: "ok:ann" });
  assert.deepEqual((answer!.payload.limits as { rates: unknown }).rates, {
    messagesPerSecond: 50,
    messageBurst: 400,
    bytesPerSecond: 7000,
    byteBurst: 8000,
  });
});

Deno.test("handshake: a token that is not accepted ends the connection with 3500, an expired one with 3005, and says so first", async () => {
  for (const [token, code] of [["bad:ann", 3500], ["old:ann", 3005]] as const) {
    const node = memoryNode();
    const peer = node.connect();
    await peer.send("auth_request", { token });
    assert.equal((await peer.peer.closed).code, code);
    assert.equal(peer.of("close")[0]?.payload.code, code);
  }
});

Deno.test("handshake: keys that cannot be had now are a temporary error, and the client may try again", async () => {
  const node = memoryNode();
  const peer = node.connect();
  const answer = await peer.send("auth_request", { token: "down:ann" });
  assert.equal(answer?.payload.name, "not_available");
  assert.equal(answer?.payload.temporary, true);
  assert.equal((await peer.send("auth_request", { token: "ok:ann" }))?.type, "auth_response");
});

Deno.test("handshake: who is refused by the application is told why, and does not come back", async () => {
  const node = memoryNode();
  node.membership.admit = () => {
    throw new ProtocolError("permission_denied", "closed on Sundays");
  };
  const peer = node.connect();
  await peer.send("auth_request", { token: "ok:ann" });
  assert.equal((await peer.peer.closed).code, 3508);
  assert.deepEqual(peer.of("close")[0]?.payload, {
    code: 3508,
    reason: "closed on Sundays",
    reconnect: false,
  });
  assert.deepEqual(node.membership.calls, []);
});

Deno.test("handshake: when the application cannot be asked the client may try again", async () => {
  const node = memoryNode();
  let down = true;
  node.membership.admit = (principal) =>
    down ? Promise.reject(new ProtocolError("not_available")) : Promise.resolve(principal);
  const peer = node.connect();
  const answer = await peer.send("auth_request", { token: "ok:ann" });
  assert.deepEqual([answer?.payload.name, answer?.payload.temporary], ["not_available", true]);
  down = false;
  assert.equal((await peer.send("auth_request", { token: "ok:ann" }))?.type, "auth_response");
});

Deno.test("handshake: the claims that the application grants hold, and it is asked again for another token", async () => {
  const node = memoryNode();
  const asked: unknown[] = [];
  node.membership.admit = (principal, { refresh, resume }) => {
    asked.push([refresh, resume !== undefined]);
    return { ...principal, info: { asked: asked.length } };
  };
  const peer = await authenticated(node);
  const [client] = [...node.sessions.connections];
  assert.deepEqual(client!.principal.info, { asked: 1 });
  await peer.send("auth_refresh", { token: "ok:ann" });
  assert.deepEqual(client!.principal.info, { asked: 2 });
  assert.deepEqual(asked, [[false, false], [true, true]]);
});

Deno.test("handshake: a connection that ended while the application was asked is nobody's", async () => {
  const node = memoryNode();
  const asked = Promise.withResolvers<never>();
  node.membership.admit = () => asked.promise;
  const peer = node.connect();
  // Reading waits for the handshake.
  void peer.send("auth_request", { token: "ok:ann" });
  await settle();
  peer.peer.close(1000, "");
  asked.resolve({ userId: "ann" } as never);
  await settle();
  assert.deepEqual(node.membership.calls, []);
});

Deno.test("handshake: a token that is revoked while the application is asked opens and renews nothing", async () => {
  const node = memoryNode();
  const decides: (() => void)[] = [];
  const decide = (): void => decides.splice(0).forEach((each) => each());
  node.membership.admit = (principal) => new Promise((resolve) => decides.push(() => resolve(principal)));
  const [open, late] = [node.connect(), node.connect()];
  void open.send("auth_request", { token: "ok:ann:60000" });
  await settle();
  decide();
  await settle();
  assert.equal(open.of("auth_response").length, 1);
  void open.send("auth_refresh", { token: "ok:ann" });
  void late.send("auth_request", { token: "ok:ann" });
  await settle();
  assert.equal(decides.length, 2);
  node.revoked.add("ok:ann");
  decide();
  await settle();
  for (const peer of [open, late]) assert.equal((await peer.peer.closed).code, 3500);
  assert.equal(late.of("auth_response").length, 0);
});

Deno.test("handshake: before it everything but ping and auth_request is refused", async () => {
  const node = memoryNode({ handlers });
  const peer = node.connect();
  assert.equal(
    (await peer.send("chat_message", { channel: "chat:a", text: "x" }))?.payload.name,
    "unauthorized",
  );
  assert.equal((await peer.send("ping"))?.type, "pong");
});

Deno.test("handshake: before it a connection gets 8 KiB and one stream", async () => {
  const bytes = memoryNode();
  const a = bytes.connect();
  for (let i = 0; i < 20; i++) await a.send("ping", { fill: "x".repeat(800) });
  assert.equal((await a.peer.closed).code, CLOSES.bad_request.code);
  const b = memoryNode().connect();
  await b.send("ping", {}, 1);
  assert.equal((await b.peer.closed).code, CLOSES.bad_request.code);
});

Deno.test("handshake: a connection that does not authenticate in time ends with 3506", async () => {
  const node = memoryNode();
  const peer = node.connect();
  await node.advance(9_000);
  assert.equal(node.sessions.connections.size, 1);
  await node.advance(1_000);
  assert.equal((await peer.peer.closed).code, 3506);
});

Deno.test("heartbeat: a connection that is silent for its timeout ends with 3012, one that speaks lives", async () => {
  const node = memoryNode({ handlers });
  const silent = await authenticated(node);
  const lively = await authenticated(node);
  await node.advance(9_000);
  assert.equal((await lively.send("ping"))?.type, "pong");
  await node.advance(1_000);
  assert.equal((await silent.peer.closed).code, 3012);
  assert.equal((await lively.send("ping"))?.type, "pong");
});

Deno.test("heartbeat: a connection is not silent while it is not read because of what its handlers have to do", async () => {
  const working: PromiseWithResolvers<void>[] = [];
  const work = () => {
    working.push(Promise.withResolvers());
    return working.at(-1)!.promise;
  };
  const node = memoryNode({ handlers: { ...handlers, rpc: work } });
  const peer = await authenticated(node);
  const sent = Array.from(
    { length: 256 },
    (_, i) => peer.peer.send({ type: "rpc", id: `r${i}`, timestamp: 0, payload: {} }),
  );
  let isRead = false;
  const readOn = sent.at(-1)!.then(() => isRead = true);
  await node.advance(60_000);
  assert.equal(isRead, false);
  assert.equal(node.sessions.connections.size, 1, "nobody reads, so nobody is silent");
  for (const { resolve } of working) resolve();
  await readOn;
  await node.advance(9_000);
  assert.equal(node.sessions.connections.size, 1, "it has its whole time from then on");
  await node.advance(1_000);
  assert.equal((await peer.peer.closed).code, 3012);
});

Deno.test("token: its end is announced and then enforced, unless a refresh comes in time", async () => {
  const node = memoryNode();
  const peer = await authenticated(node, "ok:ann:20000");
  const other = await authenticated(node, "ok:bob:20000");
  await node.advance(2000);
  assert.equal(peer.of("server_notice").filter((m) => m.payload.kind === "token_expiring").length, 1);
  const answer = await other.send("auth_refresh", { token: "ok:bob:3600000" });
  assert.equal(answer?.type, "auth_response");
  for (let i = 0; i < 18; i++) {
    await Promise.all([peer.send("ping"), other.send("ping")]);
    await node.advance(1000);
  }
  assert.equal((await peer.peer.closed).code, 3005);
  await settle();
  assert.equal(node.sessions.connections.size, 1);
});

Deno.test("refresh: another user's token ends the connection", async () => {
  const node = memoryNode();
  const peer = await authenticated(node);
  await peer.send("auth_refresh", { token: "ok:bob" });
  assert.equal((await peer.peer.closed).code, 3500);
});

Deno.test("inbound: bytes that are no message get an error, and the tenth time the end", async () => {
  const node = memoryNode();
  const peer = await authenticated(node);
  for (let i = 0; i < 10; i++) await peer.peer.sendRaw(new TextEncoder().encode("{nonsense"));
  assert.equal((await peer.peer.closed).code, 3501);
  assert.equal(peer.of("error").length, 9);
});

Deno.test("inbound: a handler's failure is an error to its sender and nothing to others", async () => {
  const node = memoryNode({
    handlers: {
      client_list: () => {
        throw new Error("secret detail");
      },
      history: () => Promise.reject(new ProtocolError("permission_denied")),
    },
  });
  const peer = await authenticated(node);
  const broken = await peer.send("client_list");
  assert.equal(broken?.payload.code, ERRORS.internal.code);
  assert.ok(!JSON.stringify(broken).includes("secret detail"));
  assert.equal((await peer.send("history", { channel: "chat:a" }))?.payload.name, "permission_denied");
  assert.equal((await peer.send("no_such_type"))?.payload.name, "unknown_type");
});

Deno.test("inbound: a ping gets the same answer and the same charge in whatever shape it comes", async () => {
  const rate = { messagesPerSecond: 1, messageBurst: 20, bytesPerSecond: 0, byteBurst: 0 };
  const none = { messagesPerSecond: 0, messageBurst: 0, bytesPerSecond: 0, byteBurst: 0 };
  const node = memoryNode({ handlers, settings: { rates: { connection: rate, user: none } } });
  const peer = await authenticated(node);
  const [client] = node.sessions.connections;
  const arrival = { lane: 0, datagram: false, overflow: false, early: false };
  const shapes = [
    '{"type":"ping","id":"a","timestamp":0,"payload":{}}',
    '{ "type":"ping","id":"b","timestamp":0,"payload":{}}',
  ];
  let paused = 0;
  for (let i = 0; i < 40; i++) {
    const text = shapes[i % 2]!;
    if (client!.frame(i % 4 < 2 ? text : new TextEncoder().encode(text), arrival) instanceof Promise) {
      paused++;
    }
  }
  await settle();
  const pongs = peer.of("pong");
  assert.deepEqual(pongs.map(({ re }) => re), Array.from({ length: 40 }, (_, i) => "ab"[i % 2]));
  assert.deepEqual(new Set(pongs.map((pong) => Object.keys(pong).sort().join())).size, 1);
  assert.equal(new Set(pongs.map(({ id }) => id)).size, 40);
  assert.ok(paused >= 19 && paused <= 21, `${paused}`);
});

Deno.test("inbound: a message on a lane of another class is refused", async () => {
  const node = memoryNode({ handlers });
  const peer = await authenticated(node);
  assert.equal(
    (await peer.send("chat_message", { channel: "chat:a", text: "x" }, 150))?.payload.name,
    "wrong_lane",
  );
});

Deno.test("drain: every client is told, new ones are refused, and what is left ends with 3001", async () => {
  const node = memoryNode();
  const peer = await authenticated(node);
  const done = node.sessions.drain(60);
  await settle();
  assert.equal(peer.of("server_notice")[0]?.payload.kind, "draining");
  assert.deepEqual(node.sessions.admit("1.2.3.4:5"), { refused: "shutdown" });
  await node.clock.advance(59);
  assert.equal(node.sessions.connections.size, 1);
  await node.clock.advance(1);
  await done;
  assert.equal((await peer.peer.closed).code, 3001);
});

Deno.test("slow consumer: one that does not read has its channel stopped and is told which", async () => {
  const node = memoryNode({ settings: { maxOutbox: 20_000 } });
  const peer = await authenticated(node);
  const client: Client = [...node.sessions.connections][0]!;
  peer.peer.stalled = true;
  for (let offset = 1; offset <= 100; offset++) {
    client.send(
      new Encoded({
        type: "chat_message",
        id: "m",
        timestamp: 1,
        payload: { channel: "chat:a", offset, prev: offset - 1, text: "x".repeat(300) },
      }),
      0,
    );
  }
  assert.ok(node.membership.calls.includes("stop chat:a"));
  peer.peer.stalled = false;
  await settle();
  assert.ok(
    peer.of("server_notice").some((m) =>
      m.payload.kind === "discontinuity" && m.payload.channel === "chat:a"
    ),
  );
  assert.equal(node.sessions.connections.size, 1);
});

Deno.test("slow consumer: one that asks and never reads its answers is ended once, with 3008", async () => {
  const node = memoryNode({ handlers, settings: { maxOutbox: 20_000 } });
  const peer = await authenticated(node);
  peer.peer.stalled = true;
  for (let i = 0; i < 500; i++) {
    await peer.peer.send({ type: "ping", id: `p${i}`, timestamp: 0, payload: {} });
  }
  assert.equal((await peer.peer.closed).code, 3008);
  assert.deepEqual(node.observer.of("error"), ["slow_consumer"]);
  assert.equal(node.sessions.connections.size, 0);
});

Deno.test("disconnect: the client is told the reason that was given", async () => {
  const node = memoryNode();
  const peer = await authenticated(node);
  assert.equal(node.sessions.disconnect("ann", undefined, "forced", "moved to another team"), 1);
  assert.equal((await peer.peer.closed).code, CLOSES.forced.code);
  assert.equal(peer.of("close")[0]?.payload.reason, "moved to another team");
});

Deno.test("handshake: datagrams before it are ignored, however many there are", async () => {
  const node = memoryNode({ handlers });
  const peer = node.connect();
  for (let i = 0; i < 20; i++) {
    await peer.peer.sendDatagram({
      type: "ping",
      id: `d${i}`,
      timestamp: 0,
      payload: { fill: "x".repeat(1000) },
    });
  }
  assert.deepEqual(peer.messages, []);
  assert.equal((await peer.send("auth_request", { token: "ok:ann" }))?.type, "auth_response");
});

Deno.test("handshake: a token that is not valid yet is a temporary error that says when to come again", async () => {
  const node = memoryNode({ settings: { perIp: { connections: 9, rate: 1, burst: 5 } } });
  const peer = node.connect("192.0.2.1:1");
  const answer = await peer.send("auth_request", { token: "early:ann" });
  const { name, temporary, retryAfter } = answer!.payload;
  assert.deepEqual([name, temporary, retryAfter], ["not_available", true, 8000]);
  assert.equal((await peer.send("auth_request", { token: "ok:ann" }))?.type, "auth_response");
  for (let i = 0; i < 5; i++) {
    assert.equal(node.sessions.admitHandshake("192.0.2.1:2"), undefined, "it is no bad handshake");
  }
});

Deno.test("refresh: early data may not bring another token, whoever's it is", async () => {
  const node = memoryNode({ handlers });
  const peer = await authenticated(node);
  const [connection] = node.sessions.connections;
  const frame = (type: string, payload: object) =>
    connection!.frame(JSON.stringify({ type, id: type, timestamp: 0, payload }), {
      lane: 0,
      datagram: false,
      early: true,
      overflow: false,
    });
  await frame("auth_refresh", { token: "ok:bob" });
  await settle();
  assert.equal(peer.of("error").at(-1)?.payload.name, "too_early");
  assert.equal(node.sessions.connections.size, 1, "another user's token would have ended the connection");
});
