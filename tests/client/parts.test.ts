/** The parts of a session by themselves: inbox, outbox, storage, race, options. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { SkeinError } from "../../src/client/errors.ts";
import { resolveOptions } from "../../src/client/options.ts";
import { fileOutbox, type LineFile } from "../../src/client/outbox/file.ts";
import { Outbox } from "../../src/client/outbox/outbox.ts";
import { StorageWriter, type StoredMessage } from "../../src/client/outbox/storage.ts";
import type { Path } from "../../src/client/policy/paths.ts";
import { ChannelInbox } from "../../src/client/session/inbox.ts";
import { race, RaceLost } from "../../src/client/session/race.ts";
import { FakeClock, KeptOutbox, settle } from "./support.ts";

function stored(id: string, text = id): StoredMessage {
  return { id, type: "chat_message", timestamp: 1, payload: { channel: "chat:x", text } };
}

const ACK = { channel: "chat:x", offset: 1, epoch: "e", duplicate: false };

/** Sends what is next; its id. */
function take(outbox: Outbox): string | undefined {
  const entry = outbox.next();
  if (entry !== undefined) outbox.sent(entry, 0);
  return entry?.id;
}

Deno.test("parts: an inbox gives each message out once and in order, whatever order and number they come in", () => {
  const deliveries = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 60 }).chain(
    (gaps) => {
      let offset = 10;
      const messages = gaps.map((gap) => ({ prev: offset, offset: offset += gap }));
      // Each at least once, some again, in any order.
      return fc.tuple(
        fc.constant(messages),
        fc.array(fc.constantFrom(...messages), { maxLength: 30 }).chain((again) =>
          fc.shuffledSubarray([...messages, ...again], { minLength: messages.length + again.length })
        ),
        fc.nat(messages.length),
      );
    },
  );
  fc.assert(
    fc.property(deliveries, ([messages, arrivals, placedAt]) => {
      const inbox = new ChannelInbox<{ prev: number; offset: number }>();
      const got: { offset: number }[] = [];
      // The server says where the channel stands before, between or after them.
      arrivals.forEach((message, i) => {
        if (i === placedAt) got.push(...inbox.place({ epoch: "e", offset: 10 }, true).ready);
        got.push(...inbox.accept(message));
      });
      if (placedAt >= arrivals.length) got.push(...inbox.place({ epoch: "e", offset: 10 }, true).ready);
      assert.deepEqual(got, messages);
      assert.equal(inbox.waiting, false);
      assert.deepEqual(inbox.position, { epoch: "e", offset: messages.at(-1)!.offset });
    }),
    { numRuns: 300 },
  );
});

Deno.test("parts: an inbox says what is lost when the history does not reach back, and goes on behind it", () => {
  const inbox = new ChannelInbox<{ prev: number; offset: number }>();
  inbox.place({ epoch: "e", offset: 5 }, false);
  assert.deepEqual(inbox.accept({ prev: 7, offset: 8 }), []);
  const { ready, gap } = inbox.place({ epoch: "e", offset: 9 }, false);
  assert.deepEqual(ready, [{ prev: 7, offset: 8 }]);
  assert.deepEqual(gap, { from: { epoch: "e", offset: 5 }, to: { epoch: "e", offset: 9 } });
  assert.deepEqual(inbox.accept({ prev: 9, offset: 10 }), [{ prev: 9, offset: 10 }]);
  // Another history begins: offsets start anew.
  assert.notEqual(inbox.place({ epoch: "f", offset: 2 }, false).gap, undefined);
  assert.deepEqual(inbox.accept({ prev: 2, offset: 3 }), [{ prev: 2, offset: 3 }]);
});

Deno.test("parts: an outbox hands out in order, within its window, and all again after a rewind", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom("add", "take", "acknowledge", "rewind", "reject"), fc.nat(50)), {
        maxLength: 120,
      }),
      (steps) => {
        const outbox = new Outbox();
        let model: { id: string; sent: boolean }[] = [];
        let number = 0;
        for (const [what, pick] of steps) {
          const chosen = model[pick % Math.max(1, model.length)];
          if (what === "add") {
            const id = `m${number++}`;
            outbox.add([stored(id)]);
            model.push({ id, sent: false });
          } else if (what === "take") {
            const next = model.find(({ sent }) => !sent);
            assert.equal(take(outbox), next?.id);
            if (next !== undefined) next.sent = true;
          } else if (what === "rewind") {
            outbox.rewind();
            for (const each of model) each.sent = false;
          } else if (chosen !== undefined) {
            const entry = outbox.get(chosen.id)!;
            if (what === "acknowledge") outbox.acknowledge(entry, ACK);
            else assert.deepEqual(outbox.reject(entry, new SkeinError("dropped", "")), [entry]);
            model = model.filter((each) => each !== chosen);
          }
          assert.deepEqual([...outbox.entries()].map(({ id }) => id), model.map(({ id }) => id));
        }
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("parts: an outbox sends each channel in order and all of it, whichever channels are held meanwhile", () => {
  const channels = ["chat:a", "chat:b", "chat:c"];
  const step = fc.tuple(fc.constantFrom("add", "take", "take", "acknowledge", "hold", "release"), fc.nat(50));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const outbox = new Outbox(), held = new Set<string>();
      let model: { id: string; channel: string; sent: boolean }[] = [];
      let number = 0;
      const send = (): boolean => {
        const id = take(outbox);
        // The first of its channel that is not sent, of any channel that is not held.
        const may = channels.map((channel) => model.find((each) => each.channel === channel && !each.sent))
          .filter((each) => each !== undefined && !held.has(each.channel));
        const chosen = may.find((each) => each!.id === id);
        assert.equal(chosen?.id, id);
        assert.equal(id === undefined, may.length === 0);
        if (chosen !== undefined) chosen.sent = true;
        return chosen !== undefined;
      };
      for (const [what, pick] of steps) {
        const channel = channels[pick % channels.length]!;
        if (what === "add") {
          const id = `m${number++}`;
          outbox.add([{ id, type: "chat_message", timestamp: 1, payload: { channel, text: id } }]);
          model.push({ id, channel, sent: false });
        } else if (what === "take") send();
        else if (what === "hold") {
          outbox.hold(channel);
          held.add(channel);
          for (const each of model) if (each.channel === channel) each.sent = false;
        } else if (what === "release") {
          outbox.release(channel);
          held.delete(channel);
        } else {
          const chosen = model.filter(({ sent }) => sent)[pick % Math.max(1, model.length)];
          if (chosen === undefined) continue;
          outbox.acknowledge(outbox.get(chosen.id)!, ACK);
          model = model.filter((each) => each !== chosen);
        }
      }
      for (const channel of [...held]) {
        outbox.release(channel);
        held.delete(channel);
      }
      while (send());
      assert.ok(model.every(({ sent }) => sent));
    }),
    { numRuns: 300 },
  );
});

Deno.test("parts: what is held takes no room from what may be sent", () => {
  const outbox = new Outbox();
  for (let i = 0; i < 30; i++) outbox.add([stored(`m${i}`, "x".repeat(10_000))]);
  while (take(outbox) !== undefined);
  outbox.add([{ ...stored("other"), payload: { channel: "chat:y", text: "other" } }]);
  assert.equal(take(outbox), undefined);
  outbox.hold("chat:x");
  assert.equal(take(outbox), "other");
  assert.equal(take(outbox), undefined);
  outbox.rewind();
  assert.equal(take(outbox), "m0");
});

Deno.test("parts: no more than the server holds back for a paused connection is on its way at once", () => {
  const outbox = new Outbox();
  for (let i = 0; i < 100; i++) outbox.add([stored(`m${i}`, "x".repeat(10_000))]);
  let sent = 0;
  while (take(outbox) !== undefined) sent++;
  assert.ok(sent > 10 && sent * 10_256 <= 196_608, `${sent} are on their way`);
  outbox.acknowledge(outbox.get("m0")!, ACK);
  assert.equal(take(outbox), `m${sent}`);
  assert.equal(take(outbox), undefined);
  // One that is larger than the window goes alone.
  const large = new Outbox();
  large.add([stored("large", "x".repeat(300_000))]);
  assert.equal(take(large), "large");
});

/** A file in memory whose writes can fail. */
function memoryFile(text = ""): LineFile & { text: string; failures: number } {
  const file = {
    text,
    failures: 0,
    read: () => Promise.resolve(file.text),
    append(more: string) {
      if (file.failures > 0) return Promise.reject(new Error(`disk full (${file.failures--})`));
      file.text += more;
      return Promise.resolve();
    },
    replace(all: string) {
      file.text = all;
      return Promise.resolve();
    },
  };
  return file;
}

Deno.test("parts: a file outbox gives back what was added and not removed, however often it is read and compacted", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom("add", "remove", "reopen"), fc.nat(30)), { maxLength: 60 }),
      fc.integer({ min: 0, max: 20 }),
      async (steps, slack) => {
        const file = memoryFile();
        let outbox = fileOutbox(file, slack);
        const model = new Map<string, StoredMessage>();
        let number = 0;
        for (const [what, pick] of steps) {
          if (what === "add") {
            const message = stored(`m${number++}`, `text\n${pick}`);
            await outbox.add([message]);
            model.set(message.id, message);
          } else if (what === "remove") {
            const id = `m${pick}`;
            await outbox.remove([id]);
            model.delete(id);
          } else outbox = fileOutbox(file, slack);
          if (what === "reopen") assert.deepEqual(await outbox.load(), [...model.values()]);
        }
        assert.deepEqual(await fileOutbox(file).load(), [...model.values()]);
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("parts: a file outbox ignores a line cut off by a crash, and what is no message", async () => {
  const whole = JSON.stringify({ add: stored("a") });
  for (
    const junk of [
      whole.slice(0, 30),
      "null",
      "[]",
      '{"add":{"id":"b"}}',
      '{"add":{"id":"","type":"x"}}',
      "\u0000",
    ]
  ) {
    const outbox = fileOutbox(memoryFile(`${whole}\n${junk}`));
    assert.deepEqual((await outbox.load()).map(({ id }) => id), ["a"], junk);
    // What is added later is on a line of its own.
    await outbox.add([stored("c")]);
    assert.deepEqual((await outbox.load()).map(({ id }) => id), ["a", "c"]);
  }
});

Deno.test("parts: a storage that fails is asked again, then given up and told of, and what is acknowledged before it is written costs no write", async () => {
  const clock = new FakeClock();
  const file = memoryFile();
  const failures: unknown[] = [];
  const writer = new StorageWriter(fileOutbox(file), clock, (error) => failures.push(error));
  writer.add(stored("a"));
  writer.remove("a");
  await clock.advance(1000);
  assert.equal(file.text, "");
  file.failures = 2;
  writer.add(stored("b"));
  await clock.advance(5000);
  assert.ok(file.text.includes('"b"'));
  assert.equal(failures.length, 0);
  file.failures = 10;
  writer.add(stored("c"));
  await clock.advance(10_000);
  assert.equal(failures.length, 1);
  await writer.idle();
});

Deno.test("parts: aborting a race closes what is connected and rejects with the reason", async () => {
  const clock = new FakeClock();
  const discarded: string[] = [];
  const abort = new AbortController();
  const running = race<string, string>({
    steps: [{ path: "quic", at: 0 }, { path: "websocket", at: 10 }],
    clock,
    signal: abort.signal,
    dial: (path) => Promise.resolve(path),
    authenticate: () => new Promise(() => {}),
    discard: (connection) => void discarded.push(connection),
    isFinal: () => false,
    failed: () => {},
  });
  running.catch(() => {});
  await clock.advance(50);
  abort.abort(new Error("enough"));
  await assert.rejects(running, /enough/);
  assert.deepEqual(discarded.sort(), ["quic", "websocket"]);
  assert.equal(clock.pending, 0);
});

Deno.test("parts: a race has one winner, authenticates one at a time and leaves nothing open, whatever dials and answers do", async () => {
  const leg = fc.record({
    connects: fc.boolean(),
    after: fc.nat(100),
    accepted: fc.boolean(),
    answers: fc.nat(100),
  });
  await fc.assert(
    fc.asyncProperty(leg, leg, fc.nat(100), async (quic, websocket, headStart) => {
      const clock = new FakeClock();
      const legs: Record<Path, typeof quic> = { quic, websocket };
      const open = new Set<string>();
      let authenticating = 0;
      const running = race<Path, string>({
        steps: [{ path: "quic", at: 0 }, { path: "websocket", at: headStart }],
        clock,
        signal: new AbortController().signal,
        dial: (path, signal) =>
          new Promise((resolve, reject) => {
            const cancel = clock.after(legs[path].after, () => {
              if (!legs[path].connects) return reject(new Error(path));
              open.add(path);
              resolve(path);
            });
            signal.addEventListener("abort", () => {
              cancel();
              reject(signal.reason);
            });
          }),
        authenticate: (path) => {
          assert.equal(++authenticating, 1);
          return new Promise((resolve, reject) => {
            clock.after(legs[path].answers, () => {
              authenticating--;
              if (legs[path].accepted) resolve(`welcome ${path}`);
              else reject(new Error(`no ${path}`));
            });
          });
        },
        discard: (path) => void open.delete(path),
        isFinal: () => false,
        failed: () => {},
      }).catch((error) => error);
      await clock.advance(1000);
      const outcome = await running;
      const good = (["quic", "websocket"] as const).filter((path) =>
        legs[path].connects && legs[path].accepted
      );
      if (good.length === 0) {
        assert.ok(outcome instanceof RaceLost);
        assert.equal(outcome.errors.length, 2);
        assert.deepEqual([...open], []);
      } else {
        assert.ok(good.includes(outcome.path));
        assert.equal(outcome.result, `welcome ${outcome.path}`);
        assert.deepEqual([...open], [outcome.path]);
      }
      await settle();
    }),
    { numRuns: 200 },
  );
});

Deno.test("parts: options that make no sense are refused by name, with what is allowed", () => {
  const refused: [object, RegExp][] = [
    [{ token: "t" }, /url, quicUrl, websocketUrl: one of them is needed/],
    [{ url: "http://a" }, /getToken: /],
    [{ url: "ftp://a", token: "t" }, /url: a URL that begins with http: or https:/],
    [{ quicUrl: "http://a", token: "t" }, /quicUrl: a URL that begins with https: or quic:/],
    [{ websocketUrl: "wss//", token: "t" }, /websocketUrl: a URL that begins with ws: or wss:/],
    [{ url: "http://a", token: "t", quicTimeout: 0 }, /quicTimeout: a number from 1/],
    [{ url: "http://a", token: "t", headStart: NaN }, /headStart: a number from 0/],
    [{ url: "http://a", token: "t", reconnectDelay: "1" }, /reconnectDelay/],
    [
      { url: "http://a", token: "t", enableQuic: false, enableWebSocket: false },
      /one of them has to be true/,
    ],
    [
      { url: "http://a", token: "t", certificateHashes: ["x"] },
      /certificateHashes: SHA-256 hashes in base64/,
    ],
    [{ url: "http://a", token: "t", client: "é" }, /client: /],
  ];
  for (const [options, message] of refused) {
    assert.throws(() => resolveOptions(options), { name: "SkeinError", error: "bad_argument", message });
  }
});

Deno.test("parts: the outbox of an earlier run comes before what is new", async () => {
  const storage = new KeptOutbox();
  await storage.add([stored("old1"), stored("old2")]);
  const outbox = new Outbox();
  outbox.add([stored("new")]);
  outbox.restore(await storage.load());
  assert.deepEqual([...outbox.entries()].map(({ id }) => id), ["old1", "old2", "new"]);
  assert.deepEqual([take(outbox), take(outbox), take(outbox)], ["old1", "old2", "new"]);
});
