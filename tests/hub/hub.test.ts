import assert from "node:assert/strict";
import { DEFAULT_NAMESPACE, type Subscribed } from "../../src/hub/mod.ts";
import { ProtocolError } from "../../src/protocol/mod.ts";
import { FakeClient, join, makeHub, principal, say } from "./support.ts";

function refusal(error: string) {
  return (thrown: unknown) => thrown instanceof ProtocolError && thrown.error === error;
}

Deno.test("hub: a subscriber gets what is published after it subscribed, on the lane it named", async () => {
  const { hub } = makeHub();
  const ann = await join(hub, "s1", "ann");
  say(hub, "chat:a", "before");
  const { state, start } = hub.subscribe(ann, "chat:a", 3) as Subscribed;
  assert.equal(state.offset, 1);
  assert.equal(state.recovered, false);
  say(hub, "chat:a", "between");
  assert.equal(ann.sent.length, 0);
  start();
  start();
  say(hub, "chat:a", "after");
  assert.deepEqual(ann.sent.map(({ message, lane }) => [message.payload, lane]), [
    [{ channel: "chat:a", from: "bob", text: "between", offset: 2, prev: 1 }, 3],
    [{ channel: "chat:a", from: "bob", text: "after", offset: 3, prev: 2 }, 3],
  ]);
  assert.equal(ann.sent[0]!.message.id, "between");
});

Deno.test("hub: one encoded message goes to all subscribers of a channel", async () => {
  const { hub } = makeHub();
  const clients = [];
  for (const name of ["ann", "bob", "cid"]) {
    const client = await join(hub, name, name);
    (hub.subscribe(client, "chat:a", 1) as Subscribed).start();
    clients.push(client);
  }
  say(hub, "chat:a", "hello");
  const [first, ...others] = clients.map((client) => client.encoded.at(-1));
  assert.ok(first);
  for (const other of others) assert.equal(other, first);
});

Deno.test("hub: subscribing again moves the channel to another lane without a gap or a repetition", async () => {
  const { hub } = makeHub();
  const ann = await join(hub, "s1", "ann");
  (hub.subscribe(ann, "chat:a", 1) as Subscribed).start();
  say(hub, "chat:a", "one");
  const moved = hub.subscribe(ann, "chat:a", 2) as Subscribed;
  assert.equal(moved.state.offset, 1);
  say(hub, "chat:a", "two");
  moved.start();
  say(hub, "chat:a", "three");
  assert.deepEqual(ann.sent.map(({ message, lane }) => [message.id, lane]), [["one", 1], ["two", 2], [
    "three",
    2,
  ]]);
  const { state, start } = hub.subscribe(ann, "chat:a", 4, {
    epoch: moved.state.epoch,
    offset: 1,
  }) as Subscribed;
  assert.deepEqual(state, { epoch: moved.state.epoch, offset: 3, recovered: true });
  ann.clear();
  start();
  assert.deepEqual(ann.sent.map(({ message, lane }) => [message.id, lane]), [["two", 4], ["three", 4]]);
});

Deno.test("hub: a resume from another epoch or from before the history is not recovered, and nothing of it follows", async () => {
  const { hub } = makeHub({
    namespace: () => ({ ...DEFAULT_NAMESPACE, retention: { size: 2, age: 60_000 } }),
  });
  const ann = await join(hub, "s1", "ann");
  for (const text of ["1", "2", "3", "4"]) say(hub, "chat:a", text);
  const { epoch } = (hub.subscribe(ann, "chat:a", 1) as Subscribed).state;
  for (
    const since of [{ epoch: "other", offset: 3 }, { epoch, offset: 1 }, { epoch, offset: 5 }]
  ) {
    ann.clear();
    const { state, start } = hub.subscribe(ann, "chat:a", 1, since) as Subscribed;
    start();
    assert.deepEqual(state, { epoch, offset: 4, recovered: false });
    assert.equal(ann.sent.length, 0);
  }
  const { state, start } = hub.subscribe(ann, "chat:a", 1, { epoch, offset: 2 }) as Subscribed;
  start();
  assert.equal(state.recovered, true);
  assert.deepEqual(ann.offsets("chat:a"), [3, 4]);
});

Deno.test("hub: a session taken over by another connection resumes where it stood, and the earlier connection gets nothing more", async () => {
  const { hub } = makeHub();
  const first = await join(hub, "s1", "ann");
  const { state, start } = hub.subscribe(first, "chat:a", 1) as Subscribed;
  start();
  say(hub, "chat:a", "one");
  const second = new FakeClient("s1", principal("ann"), "s1-2");
  const attached = await hub.attach(second, { "chat:a": { epoch: state.epoch, offset: 0, lane: 7 } });
  say(hub, "chat:a", "two");
  assert.deepEqual(attached.channels["chat:a"], { epoch: state.epoch, offset: 1, recovered: true });
  assert.deepEqual(Object.keys(attached.channels).sort(), ["broadcast:all", "chat:a", "user:ann"]);
  assert.equal(second.sent.length, 0);
  attached.start();
  say(hub, "chat:a", "three");
  assert.deepEqual(first.offsets("chat:a"), [1]);
  assert.deepEqual(second.sent.map(({ message, lane }) => [message.id, lane]), [["one", 7], ["two", 7], [
    "three",
    7,
  ]]);
  // What the earlier connection still does has no effect.
  hub.detach(first);
  hub.leave(first);
  assert.throws(() => hub.subscribe(first, "chat:b", 1), refusal("unauthorized"));
  say(hub, "chat:a", "four");
  assert.equal(second.of("chat_message").length, 4);
});

Deno.test("hub: a session of another user cannot be taken over", async () => {
  const { hub } = makeHub();
  const ann = await join(hub, "s1", "ann");
  await assert.rejects(
    hub.attach(new FakeClient("s1", principal("eve")), undefined),
    refusal("permission_denied"),
  );
  assert.equal(hub.clientOf("s1"), ann);
});

Deno.test("hub: an inbox belongs to its user alone, whatever the token's patterns say", async () => {
  const { hub } = makeHub();
  const ann = await join(hub, "s1", "ann");
  assert.throws(() => hub.subscribe(ann, "user:bob", 1), refusal("permission_denied"));
  assert.throws(() => hub.subscribe(ann, "broadcast:other", 1), refusal("permission_denied"));
  const { state } = hub.subscribe(ann, "user:ann", 2) as Subscribed;
  assert.equal(state.offset, 0);
});

Deno.test("hub: a namespace that does not exist, a pattern that does not match and one channel too many are refused", async () => {
  const { hub } = makeHub({
    namespace: (name) => name === "chat" ? { ...DEFAULT_NAMESPACE, maxSubscribers: 1 } : undefined,
    maxChannels: () => 1,
  });
  const ann = await join(hub, "s1", principal("ann", { subscribe: ["chat:a*", "x:*"] }));
  assert.throws(() => hub.subscribe(ann, "x:1", 1), refusal("unknown_channel"));
  assert.throws(() => hub.subscribe(ann, "chat:b", 1), refusal("permission_denied"));
  (hub.subscribe(ann, "chat:a1", 1) as Subscribed).start();
  assert.throws(() => hub.subscribe(ann, "chat:a2", 1), refusal("limit_exceeded"));
  const bob = await join(hub, "s2", "bob");
  assert.throws(() => hub.subscribe(bob, "chat:a1", 1), refusal("limit_exceeded"));
  const resumed = await hub.attach(bob, {
    "chat:a1": { epoch: "e", offset: 0 },
    "x:1": { epoch: "e", offset: 0 },
    "user:ann": { epoch: "e", offset: 0 },
  });
  assert.deepEqual(resumed.refused, {
    "chat:a1": "limit_exceeded",
    "x:1": "unknown_channel",
    "user:ann": "permission_denied",
  });
});

Deno.test("hub: after a token was refreshed channels it no longer allows are left", async () => {
  const { hub } = makeHub();
  const ann = await join(hub, "s1", "ann");
  for (const channel of ["chat:a", "chat:b"]) (hub.subscribe(ann, channel, 1) as Subscribed).start();
  assert.deepEqual(hub.refresh(ann, principal("ann", { subscribe: ["chat:a"] })), ["chat:b"]);
  say(hub, "chat:a", "1");
  say(hub, "chat:b", "2");
  say(hub, "user:ann", "3");
  assert.deepEqual(ann.sent.map(({ message }) => message.id), ["1", "3"]);
});

Deno.test("hub: a stopped channel delivers nothing until it is subscribed to again, and presence stays", async () => {
  const { hub } = makeHub();
  const ann = await join(hub, "s1", "ann");
  const bob = await join(hub, "s2", "bob");
  (hub.subscribe(bob, "chat:a", 1) as Subscribed).start();
  const { state, start } = hub.subscribe(ann, "chat:a", 1) as Subscribed;
  start();
  say(hub, "chat:a", "1");
  // As an outbox does it: in the middle of a fan-out.
  ann.onSend = ({ id }) => {
    if (id === "2") hub.stopChannel(ann, "chat:a");
  };
  say(hub, "chat:a", "2");
  say(hub, "chat:a", "3");
  assert.deepEqual(ann.offsets("chat:a"), [1, 2]);
  assert.deepEqual(bob.offsets("chat:a"), [1, 2, 3]);
  assert.deepEqual(bob.of("user_offline"), []);
  assert.equal(hub.isOn(ann, "chat:a"), true);
  const again = hub.subscribe(ann, "chat:a", 1, { epoch: state.epoch, offset: 2 }) as Subscribed;
  again.start();
  assert.deepEqual(ann.offsets("chat:a"), [1, 2, 3]);
});

Deno.test("hub: subscribers that leave during a fan-out do not keep the message from others or bring it twice", async () => {
  const { hub, failures } = makeHub();
  const clients: FakeClient[] = [];
  for (let i = 0; i < 20; i++) {
    const client = await join(hub, `s${i}`, `u${i}`);
    (hub.subscribe(client, "chat:a", 1) as Subscribed).start();
    clients.push(client);
  }
  const gone = new Set<FakeClient>();
  clients[10]!.onSend = () => {
    clients[10]!.onSend = undefined;
    for (const i of [2, 9, 10, 11, 19]) {
      hub.unsubscribe(clients[i]!, "chat:a");
      gone.add(clients[i]!);
    }
    throw new Error("broken outbox");
  };
  say(hub, "chat:a", "1");
  assert.equal(failures.length, 1);
  for (const client of clients) {
    if (!gone.has(client)) assert.deepEqual(client.offsets("chat:a"), [1]);
    else assert.ok(client.offsets("chat:a").length <= 1);
  }
  say(hub, "chat:a", "2");
  for (const client of clients) {
    assert.equal(client.offsets("chat:a").includes(2), !gone.has(client));
  }
});

Deno.test("hub: a channel nobody is on is closed by the sweep, and opened again for the next one", async () => {
  const { hub } = makeHub();
  const ann = await join(hub, "s1", "ann");
  (hub.subscribe(ann, "chat:a", 1) as Subscribed).start();
  assert.equal(hub.channelCount, 3);
  assert.equal(hub.unsubscribe(ann, "chat:a"), true);
  assert.equal(hub.unsubscribe(ann, "chat:a"), false);
  assert.equal(hub.channelCount, 2);
  hub.sweep();
  say(hub, "chat:a", "1");
  (hub.subscribe(ann, "chat:a", 1) as Subscribed).start();
  say(hub, "chat:a", "2");
  assert.deepEqual(ann.offsets("chat:a"), [2]);
  assert.deepEqual([...hub.channels()].find(({ channel }) => channel === "chat:a"), {
    channel: "chat:a",
    subscribers: 1,
  });
});

Deno.test("hub: sessions, users and bots are counted and found", async () => {
  const { hub } = makeHub();
  const one = await join(hub, "s1", principal("ann", { bot: "echo" }));
  const two = await join(hub, "s2", principal("ann", { bot: "echo" }));
  assert.equal(hub.userCount, 1);
  assert.deepEqual(hub.clientsOf("ann"), [one, two]);
  assert.deepEqual([
    hub.commands.connectionOf("echo", 200),
    hub.commands.connectionOf("echo", 200),
    hub.commands.connectionOf("echo", 200),
  ], [one, two, one]);
  hub.detach(two);
  assert.equal(hub.sessionCount, 2);
  assert.equal(hub.clientOf("s2"), undefined);
  assert.equal(hub.commands.connectionOf("echo", 200), one);
  hub.leave(two);
  hub.leave(one);
  assert.equal(hub.sessionCount, 0);
  assert.equal(hub.commands.connectionOf("echo", 200), undefined);
  assert.equal(hub.userCount, 0);
});
