import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { routes } from "../../src/handlers/mod.ts";
import type { SessionEvent } from "../../src/hub/mod.ts";
import { type Message, uuidv7 } from "../../src/protocol/mod.ts";
import { Router } from "../../src/router/mod.ts";
import { Sessions } from "../../src/session/mod.ts";
import { memoryPair, type MemoryPeer } from "../support/memory.ts";
import { Recorder, settle, testSettings } from "../session/support.ts";
import { FakeClock } from "../support/clock.ts";
import { join, makeHub, principal } from "./support.ts";

/** What an event says, in one line: its kind, the user, the number of the connection, and what is its own. */
function line(event: SessionEvent, connections: string[]): string {
  const { kind, client, principal } = event;
  if (!connections.includes(client.connectionId)) connections.push(client.connectionId);
  const words = [kind, principal.userId, connections.indexOf(client.connectionId) + 1];
  if (event.kind === "connect" && event.resumed) words.push("resumed");
  if (event.kind === "subscribe" || event.kind === "unsubscribe") words.push(event.channel);
  if (event.kind === "unsubscribe") words.push(event.reason ?? "asked");
  if (event.kind === "refresh") words.push(`${event.previous.info?.name} to ${principal.info?.name}`);
  return words.join(" ");
}

/** A node with real sessions on memory connections. Tokens are `USER NAME` or `USER NAME PATTERN`. */
function node() {
  const { hub, failures } = makeHub();
  const clock = new FakeClock();
  const events: string[] = [];
  const connections: string[] = [];
  hub.events.listen("test", (event) => void events.push(line(event, connections)));
  const router = new Router(routes({ hub }));
  const sessions = new Sessions({
    settings: () => testSettings({ resumeWindow: 1000 }),
    authenticator: {
      verify(token) {
        const [user = "", name, pattern = "*"] = token.split(" ");
        return Promise.resolve(principal(user, { info: { name }, subscribe: [pattern] }));
      },
    },
    membership: hub,
    claims: new MemoryEngine({ clock }).commands,
    observer: new Recorder(),
    node: "test",
    dispatch: (context) => router.dispatch(context),
    clock,
  });
  return {
    clock,
    hub,
    sessions,
    failures,
    /** What happened since it was last asked for. */
    happened: () => events.splice(0),
    async connect(payload: Record<string, unknown>): Promise<Peer> {
      const { server, client } = memoryPair();
      sessions.accept(server);
      const peer = new Peer(client);
      peer.sessionId = (await peer.ask("auth_request", payload)).payload.sessionId as string;
      return peer;
    },
  };
}

class Peer {
  sessionId = "";
  readonly messages: Message[] = [];

  constructor(readonly peer: MemoryPeer) {
    peer.onMessage = (message) => void this.messages.push(message);
  }

  async ask(type: string, payload: Record<string, unknown>): Promise<Message> {
    const id = uuidv7();
    await this.peer.send({ type, id, timestamp: 0, payload }, 0);
    await settle();
    const answer = this.messages.find(({ re }) => re === id);
    if (answer === undefined) throw new Error(`no answer to ${type}`);
    return answer;
  }
}

Deno.test("session events: a session's life is told in order, with who it is", async () => {
  const { clock, connect, happened, sessions } = node();
  const first = await connect({ token: "ann Ann" });
  assert.deepEqual(happened(), ["online ann 1", "connect ann 1"]);
  const { payload: { epoch } } = await first.ask("subscribe", { channel: "chat:a" });
  await first.ask("subscribe", { channel: "chat:b" });
  // Another lane, or a place to go on from, is no other subscription.
  await first.ask("subscribe", { channel: "chat:a", since: { epoch, offset: 0 } });
  assert.deepEqual(happened(), ["subscribe ann 1 chat:a", "subscribe ann 1 chat:b"]);
  await first.ask("unsubscribe", { channel: "chat:b" });
  assert.deepEqual(happened(), ["unsubscribe ann 1 chat:b asked"]);
  await first.ask("subscribe", { channel: "chat:b" });
  await first.ask("auth_refresh", { token: "ann Anna chat:a" });
  assert.deepEqual(happened().slice(1), [
    "refresh ann 1 Ann to Anna",
    "unsubscribe ann 1 chat:b permission_denied",
  ]);

  const channels = { "chat:a": { epoch, offset: 0 } };
  const second = await connect({ token: "ann Anna", resume: { sessionId: first.sessionId, channels } });
  assert.equal(second.sessionId, first.sessionId);
  assert.deepEqual(happened(), ["disconnect ann 1", "connect ann 2 resumed", "subscribe ann 2 chat:a"]);

  second.peer.close(1006, "lost");
  await settle();
  assert.deepEqual(happened(), ["disconnect ann 2"]);
  await clock.advance(1000);
  sessions.sweep();
  assert.deepEqual(happened(), ["end ann 2", "offline ann 2"]);
});

Deno.test("session events: a user goes offline with the last session", async () => {
  const { connect, happened, sessions } = node();
  await connect({ token: "ann Ann" });
  await connect({ token: "ann Ann" });
  assert.deepEqual(happened(), ["online ann 1", "connect ann 1", "connect ann 2"]);
  const ended = [...sessions.connections].map(({ sessionId }) => sessionId);
  sessions.disconnect("ann", ended[0]);
  await settle();
  assert.deepEqual(happened(), ["disconnect ann 1", "end ann 1"]);
  sessions.disconnect("ann", ended[1]);
  await settle();
  assert.deepEqual(happened(), ["disconnect ann 2", "end ann 2", "offline ann 2"]);
});

Deno.test("session events: a listener that throws keeps nothing from the others or from the session", async () => {
  const { hub, connect, happened, failures } = node();
  hub.events.listen("broken", () => {
    throw new Error("broken");
  });
  let after = 0;
  hub.events.listen("after", () => void after++);
  const ann = await connect({ token: "ann Ann" });
  assert.equal((await ann.ask("subscribe", { channel: "chat:a" })).type, "subscribed");
  assert.equal(happened().length, 3);
  assert.equal(after, 3);
  assert.equal(failures.length, 3);
});

Deno.test("session events: a refreshed token's info is in presence and with the others at once", async () => {
  const { hub, connect } = node();
  const bob = await join(hub, "s9", "bob");
  const subscribed = hub.subscribe(bob, "chat:a", 1);
  if (subscribed instanceof Promise) throw new TypeError("the memory engine answers at once");
  subscribed.start();
  const ann = await connect({ token: "ann Ann" });
  await ann.ask("subscribe", { channel: "chat:a" });
  await ann.ask("auth_refresh", { token: "ann Ann" });
  await ann.ask("auth_refresh", { token: "ann Anna" });
  assert.deepEqual(bob.of("user_online").map(({ payload }) => payload.info), [{ name: "Ann" }, {
    name: "Anna",
  }]);
  const present = await hub.presence("chat:a");
  assert.deepEqual(present.find(({ userId }) => userId === "ann")?.info, { name: "Anna" });
});

Deno.test("session events: a session that comes back with other info is shown with it", async () => {
  const { hub, connect } = node();
  const first = await connect({ token: "ann Ann" });
  const { payload: { epoch } } = await first.ask("subscribe", { channel: "chat:a" });
  const channels = { "chat:a": { epoch, offset: 0 } };
  await connect({ token: "ann Anna", resume: { sessionId: first.sessionId, channels } });
  assert.deepEqual((await hub.presence("chat:a"))[0]?.info, { name: "Anna" });
});

Deno.test("session events: a bot answers on its newest connection, and by the token it has now", async () => {
  const { hub } = makeHub();
  const echo = (info: number) => principal("ann", { bot: "echo", info: { info } });
  const first = await join(hub, "s1", echo(1));
  assert.equal(hub.commands.connectionOf("echo", 200), first);
  hub.refresh(first, principal("ann", { bot: "other" }));
  assert.deepEqual([hub.commands.connectionOf("echo", 200), hub.commands.connectionOf("other", 200)], [
    undefined,
    first,
  ]);
  hub.detach(first);
  assert.equal(hub.commands.connectionOf("other", 200), undefined);
});
