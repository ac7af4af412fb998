/** Parts of the session, each by itself. */

import assert from "node:assert/strict";
import type { SkeinError } from "../../src/client/errors.ts";
import { Heartbeat } from "../../src/client/session/heartbeat.ts";
import { ChannelInbox } from "../../src/client/session/inbox.ts";
import { Link, type LinkHandler } from "../../src/client/session/link.ts";
import { Pushes } from "../../src/client/session/pushes.ts";
import { Requests } from "../../src/client/session/requests.ts";
import { Tokens } from "../../src/client/session/tokens.ts";
import type { ClientTransport } from "../../src/client/transport/contract.ts";
import type { Encoded, Message } from "../../src/protocol/mod.ts";
import { serverTypes } from "../support/message_types.ts";
import { FakeClock, settle } from "./support.ts";

/** A transport that keeps what is sent. */
function transport(over: Partial<ClientTransport> = {}) {
  const sent: { message: Message; lane: number }[] = [];
  const datagrams: Message[] = [];
  const fake = {
    kind: "webtransport",
    laneful: true,
    maxDatagramSize: 1200,
    send: ({ message }: Encoded, lane: number) => void sent.push({ message, lane }),
    sendDatagram: ({ message }: Encoded) => datagrams.push(message) > 0,
    stopDatagrams: () => {},
    ...over,
  } as unknown as ClientTransport;
  return { sent, datagrams, transport: fake };
}

function pong(re: string): Message {
  return { type: "pong", id: `of ${re}`, timestamp: 0, re, payload: {} };
}

// --- lanes that are lost ---

function asking() {
  const clock = new FakeClock();
  const { sent, transport: carrier } = transport();
  const link = new Link(carrier, "quic", clock);
  const requests = new Requests(clock, 1000);
  link.start({
    message: (_link, message) => void requests.take(message),
    laneLost: (_link, lane) => requests.laneLost(lane),
    ended: () => {},
    failed: () => {},
  });
  const questions = () => sent.map(({ message, lane }) => [message.payload.channel, message.id, lane]);
  return { clock, link, carrier, requests, sent, questions };
}

Deno.test("requests: what was asked on a lane that is lost is asked again on the control lane, and nothing else is", async () => {
  const { link, carrier, requests, questions } = asking();
  requests.attach(link);
  const lane = link.laneOf("history", "chat:a"), other = link.laneOf("history", "chat:b");
  assert.notEqual(lane, other);
  const answered = requests.ask("history", { channel: "chat:a" }, "a");
  void requests.ask("history", { channel: "chat:b" }, "b").catch(() => {});
  carrier.onLaneLost(lane);
  assert.deepEqual(questions(), [["chat:a", "a", lane], ["chat:b", "b", other], ["chat:a", "a", 0]]);
  const payload = { channel: "chat:a", messages: [], epoch: "e", offset: 0, complete: true, more: false };
  carrier.onMessage({ type: "history_response", id: "1", timestamp: 0, re: "a", payload }, 0, false);
  assert.equal((await answered).epoch, "e");
  carrier.onLaneLost(other);
  assert.deepEqual(questions().slice(3), [["chat:b", "b", 0]], "what was answered is not asked again");
  requests.stop({ error: "closed" } as SkeinError);
});

Deno.test("requests: what several messages answer fails when its lane is lost, on another lane it goes on", async () => {
  const { link, carrier, requests, questions } = asking();
  requests.attach(link);
  const outcomes = ["chat:a", "chat:b"].map((channel) =>
    requests.follow({
      id: channel,
      type: "history",
      payload: { channel },
      take: () => true,
      signal: new AbortController().signal,
    }).then(() => "done", ({ error }: SkeinError) => error)
  );
  carrier.onLaneLost(link.laneOf("history", "chat:a"));
  carrier.onMessage({ type: "history", id: "1", timestamp: 0, re: "chat:b", payload: {} }, 0, false);
  assert.deepEqual(await Promise.all(outcomes), ["connection_lost", "done"]);
  assert.equal(questions().length, 2);
});

Deno.test("requests: a question without an answer fails after its time, counted from when it was last asked", async () => {
  const { clock, link, requests } = asking();
  let outcome = "";
  requests.ask("history", { channel: "chat:a" }, "a").catch(({ error }: SkeinError) => outcome = error);
  await clock.advance(5000);
  assert.equal(outcome, "", "without a connection it waits");
  requests.attach(link);
  await clock.advance(999);
  requests.detach();
  requests.attach(link);
  await clock.advance(999);
  assert.equal(outcome, "");
  await clock.advance(1);
  assert.equal(outcome, "timeout");
  assert.equal(clock.pending, 0);
});

Deno.test("requests: what several messages answer has its time anew with each of them", async () => {
  const { clock, link, carrier, requests } = asking();
  requests.attach(link);
  let outcome = "";
  void requests.follow({
    id: "a",
    type: "history",
    payload: { channel: "chat:a" },
    take: ({ payload }) => payload.last === true,
    signal: new AbortController().signal,
  }).then(() => outcome = "done");
  for (const last of [false, false, true]) {
    await clock.advance(999);
    assert.equal(outcome, "");
    carrier.onMessage({ type: "history", id: "1", timestamp: 0, re: "a", payload: { last } }, 0, false);
  }
  await settle();
  assert.equal(outcome, "done");
  assert.equal(clock.pending, 0);
});

Deno.test("link: a lane that is lost is not used again, before and after it is started", () => {
  const { transport: carrier } = transport();
  const link = new Link(carrier, "quic", new FakeClock());
  const lost: number[] = [];
  const first = link.laneOf("chat_message", "chat:a"), second = link.laneOf("chat_message", "chat:b");
  carrier.onLaneLost(first);
  assert.equal(link.laneOf("chat_message", "chat:a"), 0);
  assert.equal(link.laneOf("chat_message", "chat:b"), second);
  const handler = { laneLost: (_link: Link, lane: number) => void lost.push(lane) };
  link.start(handler as unknown as LinkHandler);
  carrier.onLaneLost(second);
  assert.deepEqual(lost, [second]);
  assert.equal(link.laneOf("chat_message", "chat:b"), 0);
});

for (const [how, end] of [["ends", "onClose"], ["is discarded", "close"]] as const) {
  Deno.test(`link: a ping that waits is given up when the link ${how}, and its timer with it`, async () => {
    const clock = new FakeClock();
    const { transport: carrier } = transport({ close: () => Promise.resolve() });
    const link = new Link(carrier, "quic", clock);
    const failed = assert.rejects(link.ping(5_000));
    if (end === "onClose") carrier.onClose({ code: 0, reason: "", by: "timeout" });
    else await link.discard();
    await failed;
    assert.equal(clock.pending, 0);
  });
}

// --- channels ---

const at = (prev: number, offset: number) => ({ prev, offset });

Deno.test("inbox: what was held of a history that is lost is not given out in the next one", () => {
  const inbox = new ChannelInbox<{ prev: number; offset: number }>();
  inbox.place({ epoch: "e", offset: 1 }, false);
  assert.deepEqual(inbox.accept(at(4, 5)), []);
  assert.equal(inbox.waiting, true);
  assert.deepEqual(inbox.place({ epoch: "f", offset: 3 }, false).ready, []);
  assert.equal(inbox.waiting, false);
  assert.deepEqual(inbox.accept(at(3, 4)), [at(3, 4)]);
});

Deno.test("inbox: what is given out across a gap is not waited for any more", () => {
  const inbox = new ChannelInbox<{ prev: number; offset: number }>();
  inbox.place({ epoch: "e", offset: 1 }, false);
  for (const message of [at(8, 9), at(4, 5)]) inbox.accept(message);
  const { ready } = inbox.place({ epoch: "e", offset: 7 }, false);
  assert.deepEqual(ready, [at(4, 5), at(8, 9)]);
  assert.deepEqual([inbox.waiting, inbox.position], [false, { epoch: "e", offset: 9 }]);
});

Deno.test("inbox: no more than a thousand messages are held back", () => {
  const inbox = new ChannelInbox<{ prev: number; offset: number }>();
  inbox.place({ epoch: "e", offset: 0 }, false);
  for (let offset = 2; offset <= 1202; offset++) inbox.accept(at(offset - 1, offset));
  assert.equal(inbox.accept(at(0, 1)).length, 1001);
  assert.equal(inbox.waiting, false);
});

// --- heartbeat ---

function beating(over: Partial<ClientTransport> = {}) {
  const clock = new FakeClock();
  const carrier = transport(over);
  const events: string[] = [];
  const heartbeat = new Heartbeat(clock, [{
    roundTrip: (ms) => events.push(`${ms} ms`),
    datagram: (lost) => events.push(lost ? "lost" : "came"),
  }]);
  const link = {
    transport: carrier.transport,
    response: { heartbeat: { interval: 7000, timeout: 10_000 } },
    send: (type: string, payload: Record<string, unknown>, lane: number, id: string) =>
      void carrier.sent.push({ message: { type, id, timestamp: 0, payload }, lane }),
    abandon: (reason: string) => void events.push(reason),
  } as unknown as Link;
  heartbeat.attach(link);
  const traffic = () => heartbeat.take({ type: "chat_message", id: "m", timestamp: 0, payload: {} }, true);
  return { clock, ...carrier, events, heartbeat, traffic, link };
}

Deno.test("heartbeat: while there is traffic one numbered datagram goes out a second, however much there is", async () => {
  const { clock, datagrams, traffic, heartbeat } = beating();
  assert.equal(datagrams.length, 1);
  for (let second = 1; second <= 3; second++) {
    for (let i = 0; i < 100; i++) traffic();
    await clock.advance(999);
    assert.equal(datagrams.length, second);
    await clock.advance(1);
    assert.equal(datagrams.length, second + 1);
  }
  await clock.advance(3000);
  assert.equal(datagrams.length, 4, "none without traffic");
  heartbeat.detach();
  assert.equal(clock.pending, 0);
});

Deno.test("heartbeat: without datagrams traffic costs nothing", () => {
  const { clock, traffic, heartbeat } = beating({ maxDatagramSize: 0 });
  const { pending } = clock;
  for (let i = 0; i < 100; i++) traffic();
  assert.equal(clock.pending, pending);
  heartbeat.detach();
  assert.equal(clock.pending, 0);
});

Deno.test("heartbeat: a datagram that came back once makes the later ones count as lost", async () => {
  const { clock, datagrams, events, traffic, heartbeat } = beating();
  assert.equal(heartbeat.take(pong(datagrams[0]!.id), true), true);
  traffic();
  await clock.advance(1000 + 1999);
  assert.deepEqual(events, ["came"]);
  await clock.advance(1);
  assert.deepEqual(events, ["came", "lost"]);
  heartbeat.detach();
});

Deno.test("heartbeat: four datagrams lost from the beginning end the use of datagrams, and none of them counts", async () => {
  let stopped = 0;
  const { clock, events, traffic, heartbeat, sent } = beating({ stopDatagrams: () => void stopped++ });
  for (let second = 1; second <= 3; second++) {
    traffic();
    await clock.advance(1000);
  }
  traffic();
  await clock.advance(1999);
  assert.equal(stopped, 0);
  await clock.advance(1);
  assert.equal(stopped, 1);
  assert.deepEqual(events, []);
  assert.equal(heartbeat.take(pong(sent[0]!.message.id), true), true);
  assert.deepEqual(events, ["5000 ms"]);
  heartbeat.detach();
});

Deno.test("heartbeat: only the first pong to a ping of this connection is its own", () => {
  const { heartbeat, datagrams, sent, events, clock, link } = beating();
  const [ping] = sent, [datagram] = datagrams;
  assert.equal(heartbeat.take(pong("other"), true), false);
  assert.equal(heartbeat.take({ ...pong("none"), re: undefined } as unknown as Message, true), false);
  for (const { id } of [ping!.message, datagram!]) {
    assert.equal(heartbeat.take(pong(id), false), false, "it came on another connection");
    assert.equal(heartbeat.take(pong(id), true), true);
    assert.equal(heartbeat.take(pong(id), true), false);
  }
  assert.deepEqual(events, ["0 ms", "came"]);
  // Traffic, so that a timer waits, and then another connection.
  heartbeat.take({ type: "chat_message", id: "m", timestamp: 0, payload: {} }, true);
  heartbeat.suspect();
  heartbeat.attach(link);
  const before = [sent.at(-2)!.message.id, datagrams.at(-2)!.id];
  for (const id of before) assert.equal(heartbeat.take(pong(id), true), false);
  assert.equal(heartbeat.take(pong(datagrams.at(-1)!.id), true), true);
  assert.deepEqual(events, ["0 ms", "came", "came"]);
  heartbeat.detach();
  assert.equal(clock.pending, 0);
  assert.equal(heartbeat.take(pong(sent.at(-1)!.message.id), true), false);
});

Deno.test("heartbeat: no more than 32 numbered datagrams are on their way", async () => {
  const { heartbeat, datagrams, clock } = beating();
  for (let i = 0; i < 100; i++) {
    heartbeat.suspect();
    await clock.advance(10);
  }
  assert.equal(datagrams.length, 32);
  heartbeat.detach();
});

// --- tokens ---

Deno.test("tokens: what is no text, or an empty one, is no token, and the next one is asked for", async () => {
  for (const wrong of ["", undefined, null, 42, {}]) {
    const answers: unknown[] = [wrong, "good", "unused"];
    const tokens = new Tokens(() => answers.shift() as string, new FakeClock());
    await assert.rejects(tokens.get(), { error: "no_token", temporary: true });
    assert.equal(await tokens.get(), "good");
    assert.equal(await tokens.get(), "good");
  }
});

Deno.test("tokens: a token is asked for again when it was forgotten or is no longer good", async () => {
  const clock = new FakeClock();
  let asked = 0;
  const tokens = new Tokens(() => `token ${++asked}`, clock);
  await tokens.get();
  tokens.goodFor(1000);
  await clock.advance(999);
  assert.equal(await tokens.get(), "token 1");
  await clock.advance(1);
  assert.equal(await tokens.get(), "token 2");
  tokens.forget();
  assert.deepEqual(await Promise.all([tokens.get(), tokens.get()]), ["token 3", "token 3"]);
  await settle();
  assert.equal(asked, 3);
});

Deno.test("pushes: an answer that nobody waits for is dropped, and a response to an earlier command is handed on", () => {
  const pushed: string[] = [];
  const pushes = new Pushes(({ type }) => pushed.push(type), assert.fail);
  const take = (type: string, re?: string) =>
    pushes.take({
      type,
      id: "m",
      timestamp: 1,
      ...re === undefined ? {} : { re },
      payload: { bot: "helper", from: "bot" },
    });
  for (const type of serverTypes) {
    if (type !== "error" && type !== "bot_response") take(type, "an-earlier-one");
  }
  take("unheard_of", "an-earlier-one");
  assert.deepEqual(pushed, []);
  take("bot_response", "a-command");
  take("unheard_of");
  assert.deepEqual(pushed, ["bot_response", "unheard_of"]);
});
