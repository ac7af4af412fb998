/** A document and the session it is in, which the tests play. */

import assert from "node:assert/strict";
import {
  type ChannelHandler,
  type ChannelHandlerPort,
  type Receipt,
  SkeinError,
} from "../../src/client/mod.ts";
import { Document } from "../../src/client/documents.ts";
import { ChannelHandlers } from "../../src/client/session/channel_handlers.ts";
import type { Link } from "../../src/client/session/link.ts";
import type { Payload } from "../../src/protocol/mod.ts";
import { FakeClock, settle } from "../client/support.ts";
import { bytes } from "./support.ts";

const DOC = "doc:plan";

/** A document whose session is this. */
class Session {
  readonly clock = new FakeClock();
  readonly sent: string[] = [];
  readonly reasons: unknown[] = [];
  readonly published: PromiseWithResolvers<Receipt>[] = [];
  released = 0;
  retries = 0;
  closings = 0;
  readonly document: Document;

  constructor() {
    const port: ChannelHandlerPort = {
      connected: true,
      maxMessage: 65_536,
      publish: () => {
        const receipt = Promise.withResolvers<Receipt>();
        this.published.push(receipt);
        return [receipt.promise];
      },
      send: (type) => `${type} ${this.sent.push(type)}`,
      sendEphemeral() {},
      closeLane() {},
      retry: () => void this.retries++,
      release: () => void this.released++,
    };
    this.document = new Document(DOC, () => port, this.clock, {}, () => this.closings++);
    this.document.on("closed", (reason) => this.reasons.push(reason));
  }

  say(type: string, payload: Payload): void {
    this.document.message({ type, id: "s", timestamp: 0, payload: { channel: DOC, ...payload } });
  }

  /** How often it was opened since this was asked last. */
  opened(): number {
    return this.sent.splice(0).filter((type) => type === "doc_open").length;
  }
}

Deno.test("document handler: a document that is refused for now is asked for again, one that is refused for good is closed", async () => {
  const session = new Session(), { clock, document, sent } = session;
  await settle();
  assert.deepEqual(sent, ["doc_open"]);
  const later = new SkeinError("not_available", "later", { temporary: true, retryAfter: 700 });
  document.failed("doc_open 1", later);
  await clock.advance(600);
  assert.equal(sent.length, 1);
  await clock.advance(200);
  assert.equal(sent.length, 2);
  const refusal = new SkeinError("permission_denied", "no");
  document.failed("doc_open 2", refusal);
  assert.deepEqual(session.reasons, [refusal]);
  assert.deepEqual([session.released, session.closings, clock.pending], [1, 1, 0]);
  await assert.rejects(document.ready, refusal);
  document.attached();
  document.close();
  assert.equal(sent.length, 2);
});

Deno.test("document handler: it is opened again when deliveries stop, the subscription ends or no answer comes", async () => {
  const session = new Session(), { clock } = session;
  await settle();
  assert.equal(session.opened(), 1);
  await clock.advance(2100);
  assert.equal(session.opened(), 1, "no answer came");
  session.say("doc_opened", { epoch: "e", offset: 0, start: 0, recovered: false });
  await clock.advance(60_000);
  assert.equal(session.opened(), 0);
  session.say("server_notice", { kind: "discontinuity", dropped: 3, reason: "slow_consumer" });
  assert.equal(session.opened(), 1);
  session.say("unsubscribed", { reason: "unrecoverable_position" });
  assert.equal(session.opened(), 1);
  session.say("unsubscribed", {});
  assert.equal((session.reasons[0] as SkeinError).error, "not_subscribed");
});

Deno.test("document handler: an operation that is given up for a passing reason does not hold up those after it", async () => {
  const session = new Session(), { document, published } = session;
  await settle();
  session.say("doc_opened", { epoch: "e", offset: 0, start: 0, recovered: false });
  session.opened();
  const sending = ["a", "b"].map((text) => document.send(bytes(text)).catch((error) => error.error));
  published[0]!.reject(new SkeinError("permission_denied", "no"));
  await settle();
  assert.equal(session.opened(), 0, "the server waits for nothing");
  published[1]!.reject(new SkeinError("doc_full", "full", { temporary: true }));
  await settle();
  assert.equal(session.opened(), 1);
  assert.deepEqual(await Promise.all(sending), ["permission_denied", "doc_full"]);
  document.close();
});

Deno.test("document handler: what was refused because the document was full is sent again once a snapshot is kept", async () => {
  const session = new Session(), { document, sent } = session;
  await settle();
  session.say("doc_opened", { epoch: "e", offset: 2, start: 2, recovered: false });
  for (const kept of [false, true]) {
    const made = document.snapshot(bytes("x"));
    await settle();
    const answer = { channel: DOC, kept };
    document.message({
      type: "doc_snapshot_ack",
      id: "s",
      timestamp: 0,
      re: `doc_snapshot ${sent.length}`,
      payload: answer,
    });
    assert.equal(await made, kept);
    assert.equal(session.retries, kept ? 1 : 0);
  }
  document.close();
});

Deno.test("document handler: a snapshot that is refused or lost with its connection is told to its maker", async () => {
  const session = new Session(), { document } = session;
  await settle();
  session.say("doc_opened", { epoch: "e", offset: 2, start: 2, recovered: false });
  assert.deepEqual(document.position, { epoch: "e", offset: 2 });
  const refused = document.snapshot(bytes("x"));
  await settle();
  document.failed(
    `doc_snapshot ${session.sent.length}`,
    new SkeinError("doc_snapshot_too_large", "too large"),
  );
  await assert.rejects(refused, { error: "doc_snapshot_too_large" });
  const lost = document.snapshot(bytes("x"));
  await settle();
  document.detached();
  await assert.rejects(lost, { error: "connection_lost" });
  const late = document.snapshot(bytes("x"));
  late.catch(() => {});
  await session.clock.advance(11_000);
  await assert.rejects(late, { error: "timeout" });
  document.close();
});

Deno.test("channel handlers: the answer to a handler that is gone says nothing to the next one, and the lane is kept until then", () => {
  const sent: { type: string; id: string }[] = [], released: unknown[] = [];
  const link = {
    response: { limits: { maxMessage: 65_536 } },
    laneOf: () => 300,
    send: (type: string, _payload: Payload, _lane: number, id: string) => void sent.push({ type, id }),
    releaseLane: (_type: string, channel: string) => void released.push(channel),
  } as unknown as Link;
  const handlers = new ChannelHandlers({ publish: () => [], retry() {} });
  handlers.attach(link);
  const heard: string[] = [];
  const handle = (name: string): ChannelHandlerPort =>
    handlers.handle(
      DOC,
      {
        attached() {},
        detached() {},
        message: ({ type }) => void heard.push(`${name} ${type}`),
        failed: (_re, { error }) => void heard.push(`${name} ${error}`),
        refused() {},
        room() {},
        close() {},
      } satisfies ChannelHandler,
    );
  const answer = (index: number, type: string, payload: Payload = {}): void => {
    const { id: re } = sent[index]!;
    assert.equal(handlers.take({ type, id: "s", timestamp: 0, re, payload }), true);
  };

  const first = handle("first");
  first.send("doc_open", { channel: DOC });
  first.release("doc_close");
  const second = handle("second");
  second.send("doc_open", { channel: DOC });
  answer(0, "doc_opened");
  answer(1, "error", { code: 3, name: "not_subscribed", message: "", temporary: false });
  answer(2, "doc_opened");
  assert.deepEqual([heard, released], [["second doc_opened"], []]);

  second.release("doc_close");
  assert.deepEqual(released, [], "what is opened next would overtake it");
  answer(3, "doc_closed");
  assert.deepEqual([heard, released], [["second doc_opened"], [DOC]]);
});
