/** Streamed messages, through the handlers and the hub. */

import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { DEFAULT_NAMESPACE } from "../../src/hub/mod.ts";
import { type Payload, ProtocolError } from "../../src/protocol/mod.ts";
import { join, makeHub } from "../hub/support.ts";
import { FakeClock, settle } from "../support/clock.ts";
import { Service } from "./support.ts";

const channel = "chat:a";

async function people(settings: Partial<typeof DEFAULT_NAMESPACE> = {}) {
  const clock = new FakeClock();
  const engine = new MemoryEngine({ clock });
  const namespace = () => ({ ...DEFAULT_NAMESPACE, ...settings });
  const service = new Service({}, makeHub({ engine, clock, namespace }));
  const ann = await join(service.hub, "s1", "ann");
  const bob = await join(service.hub, "s2", "bob");
  for (const one of [ann, bob]) await service.say(one, "subscribe", { channel });
  const open = async (content: Payload = { text: "" }): Promise<number> => {
    const [ack] = await service.say(ann, "chat_message", { channel, ...content, stream: true });
    return ack!.payload.offset as number;
  };
  const append = (target: number, at: number, content: string | unknown[], more: Payload = {}, who = ann) => {
    const said = typeof content === "string" ? { text: content } : { data: content };
    return service.say(who, "message_append", { channel, target, at, ...said, ...more });
  };
  const history = async () => {
    const [answer] = await service.say(bob, "history", { channel });
    return answer!.payload.messages as Payload[];
  };
  return { clock, engine, service, ann, bob, open, append, history };
}

Deno.test("append: subscribers get the pieces, and the history has the message whole", async () => {
  const { bob, open, append, history } = await people();
  const target = await open();
  assert.equal(bob.of("chat_message").at(-1)!.payload.stream, "open");
  const [answer] = await append(target, 0, "Hello");
  assert.deepEqual([answer!.type, answer!.payload], ["message_appended", { channel, target, length: 5 }]);
  await append(target, 5, "!", { final: "ended" });
  assert.deepEqual(bob.of("message_append").map(({ payload }) => payload), [
    { channel, from: "ann", target, at: 0, text: "Hello" },
    { channel, from: "ann", target, at: 5, text: "!", final: "ended" },
  ]);
  const [message] = await history();
  assert.deepEqual([message!.text, message!.stream], ["Hello!", "ended"]);
});

Deno.test("append: pieces within a moment are one commit and one delivery", async () => {
  const { clock, bob, open, append } = await people();
  const target = await open({ data: [] });
  await append(target, 0, [0]);
  const rest = [1, 2, 3, 4].map((at) => append(target, at, [at]));
  await settle();
  assert.equal(bob.of("message_append").length, 1);
  await clock.advance(50);
  const lengths = (await Promise.all(rest)).map(([answer]) => answer!.payload.length);
  assert.deepEqual(lengths, [5, 5, 5, 5]);
  assert.deepEqual(bob.of("message_append").at(-1)!.payload.data, [1, 2, 3, 4]);
});

Deno.test("append: an end is not held back", async () => {
  const { open, append, history } = await people();
  const target = await open();
  await append(target, 0, "a");
  await Promise.all([append(target, 1, "b"), append(target, 2, "c", { final: "failed" })]);
  const [message] = await history();
  assert.deepEqual([message!.text, message!.stream], ["abc", "failed"]);
});

Deno.test("append: what is not one's own, has ended, leaves a gap or does not fit is refused", async () => {
  const { bob, open, append, service, ann, clock } = await people();
  const refused = async (asked: Promise<unknown>, error: string) => {
    const refusal = assert.rejects(asked, { error });
    // What comes within a moment after another piece waits for it.
    await clock.advance(60);
    await refusal;
  };
  const say = (payload: Payload) =>
    service.say(ann, "message_append", { channel, at: 0, text: "x", ...payload });
  const target = await open();
  await append(target, 0, "abc", { final: "ended" });
  await refused(append(target, 3, "x"), "stream_ended");
  await refused(append(target, 3, "x", {}, bob), "foreign_message");
  await refused(append(target, 3, "x", { epoch: "another" }), "wrong_epoch");
  await refused(append(target + 1, 0, "x"), "unknown_message");
  const other = await open();
  await refused(append(other, 1, "x"), "stream_gap");
  await refused(append(other, 0, [1]), "bad_payload");
  await refused(append(other, 0, "x", { final: "interrupted" }), "bad_payload");
  await refused(append(other, 0, "\0"), "bad_payload");
  await refused(say({ channel: "user:bob", target: 1 }), "permission_denied");
  for (const content of [{ data: 5 }, { data: "AA==", bytes: true }]) {
    await refused(open(content), "bad_payload");
    await refused(say({ target: other, text: undefined, ...content }), "bad_payload");
  }
  const [plain] = await service.say(ann, "chat_message", { channel, text: "plain" });
  await refused(append(plain!.payload.offset as number, 5, "x"), "stream_ended");
});

Deno.test("append: of pieces that are committed together those that fit are kept", async () => {
  const { clock, open, append, history } = await people({ maxStreamed: 1024 });
  const target = await open();
  await append(target, 0, "x".repeat(500));
  const fits = append(target, 500, "y".repeat(400));
  const tooMuch = assert.rejects(append(target, 900, "z".repeat(400)), { error: "message_too_large" });
  await clock.advance(50);
  const [answer] = await fits;
  await tooMuch;
  assert.equal(answer!.payload.length, 900);
  assert.equal(((await history())[0]!.text as string).length, 900);
});

Deno.test("append: a message whose sender left ends with a mark, and subscribers are told", async () => {
  const { clock, engine, bob, open, append, history } = await people({ streamPatience: 5000 });
  const target = await open();
  await append(target, 0, "half an ans");
  await clock.advance(4000);
  await append(target, 11, "wer");
  await clock.advance(4000);
  engine.sweep();
  assert.equal((await history())[0]!.stream, "open");
  await clock.advance(1000);
  engine.sweep();
  assert.equal((await history())[0]!.stream, "interrupted");
  const { final, at } = bob.of("message_append").at(-1)!.payload;
  assert.deepEqual([final, at], ["interrupted", 14]);
});

Deno.test("append: a hook sees what is new of each piece, with what was said before", async () => {
  const { clock, service, open, append, history } = await people();
  const seen: unknown[] = [];
  service.hub.addHook({
    name: "judge",
    beforePiece: ({ said, content, from, type }) => void seen.push([said.text, content, from, type]),
  });
  const target = await open({ text: "a" });
  await append(target, 1, "bc");
  await clock.advance(50);
  await append(target, 1, "bcd");
  await append(target, 4, "", { final: "ended" });
  assert.deepEqual(seen, [["a", "bc", "ann", "chat_message"], ["abc", "d", "ann", "chat_message"]]);
  assert.equal((await history())[0]!.text, "abcd");
});

Deno.test("append: a piece that a hook refuses is not kept, and ends the message for its readers", async () => {
  const { clock, service, bob, open, append, history } = await people();
  service.hub.addHook({
    name: "judge",
    beforePiece: async ({ said, content }) => {
      await Promise.resolve();
      if (`${said.text}${content}`.includes("bad")) throw new ProtocolError("permission_denied", "not here");
    },
  });
  const target = await open();
  await append(target, 0, "so ba");
  await clock.advance(50);
  await assert.rejects(append(target, 5, "d it is"), { error: "permission_denied" });
  assert.equal(bob.of("message_append").at(-1)!.payload.final, "failed");
  const [message] = await history();
  assert.deepEqual([message!.text, message!.stream], ["so ba", "failed"]);
  await assert.rejects(append(target, 5, "!"), { error: "stream_ended" });
});

Deno.test("append: a hook that cannot answer now leaves the message open", async () => {
  const { service, open, append, history } = await people();
  let isDown = true;
  service.hub.addHook({
    name: "judge",
    beforePiece: () => {
      if (isDown) throw new ProtocolError("not_available", "the filter is away");
    },
  });
  const target = await open();
  await assert.rejects(append(target, 0, "hello"), { error: "not_available" });
  isDown = false;
  assert.equal((await append(target, 0, "hello", { final: "ended" }))[0]!.payload.length, 5);
  assert.deepEqual((await history()).map(({ text, stream }) => [text, stream]), [["hello", "ended"]]);
});

Deno.test("append: a hook may change a piece, but not its length", async () => {
  const { clock, service, open, append, history } = await people();
  service.hub.addHook({
    name: "mask",
    beforePiece: (piece) => {
      if (typeof piece.content !== "string") return;
      piece.content = piece.content === "longer"
        ? "longer and longer"
        : piece.content.replaceAll("bad", "***");
    },
  });
  const target = await open();
  await append(target, 0, "a bad word");
  assert.equal((await history())[0]!.text, "a *** word");
  await clock.advance(50);
  await assert.rejects(append(target, 10, "longer"), TypeError);
  assert.deepEqual((await history())[0]!.stream, "failed");
});
