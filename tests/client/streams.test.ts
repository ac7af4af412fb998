/** Messages that grow while they are written, through the SDK: in a world where links break, and over real transports. */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { ClientOptions, StreamWriter } from "../../src/client/mod.ts";
import { SkeinClient } from "../../src/client/mod.ts";
import { readStreams, type StreamPiece } from "../../src/client/streams.ts";
import { crowd, until } from "./crowd.ts";
import { World } from "./support.ts";

const channel = "chat:a";

/** What a reader of pieces has of each message; fails where a piece does not follow the one before it. */
async function collect(client: SkeinClient, world?: World) {
  const texts = new Map<number, { text: string; final: StreamPiece["final"] }>();
  await readStreams(client, channel, ({ target, at, content, final }) => {
    const known = texts.get(target) ?? { text: "", final: undefined };
    assert.equal(known.final, undefined, "nothing follows an end");
    assert.equal(at, known.text.length, "each piece once");
    texts.set(target, { text: known.text + content, final });
  }, world && { clock: world.clock });
  return texts;
}

type Step =
  | { readonly kind: "say"; readonly text: string }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "cut" | "join" | "swallow" | "move" }
  | { readonly kind: "restart"; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }).filter((t) => !t.includes("\0"))
      .map((text) => ({ kind: "say" as const, text })),
  },
  {
    weight: 3,
    arbitrary: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 400 })).map((ms) => ({
      kind: "pass" as const,
      ms,
    })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom("cut" as const, "join" as const, "swallow" as const, "move" as const)
      .map((kind) => ({ kind })),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 1, max: 2000 }).map((ms) => ({ kind: "restart" as const, ms })),
  },
);

/** Validates: readers have every piece once and in order, and who comes late has what was appended. */
Deno.test("Feature: quic-transport, Property 95: streamed messages are whole for every reader, through cuts, moves and restarts", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 40, size: "max" }),
      fc.boolean(),
      fc.integer(),
      async (steps, ends, seed) => {
        const world = new World(seed);
        const join = (user: string) => new SkeinClient({ ...world.options(user), autoConnect: true });
        const clients = [join("ann"), join("bob")];
        const [ann, bob] = clients as [SkeinClient, SkeinClient];
        const run = <T>(work: Promise<T>): Promise<T> => world.run(work);
        const readers = [await run(collect(bob, world))];
        const writer: StreamWriter = await run(ann.channel(channel).stream());
        let said = "";
        const appended: Promise<void>[] = [];
        for (const one of steps) {
          if (one.kind === "say") {
            said += one.text;
            appended.push(writer.append(one.text));
          } else if (one.kind === "pass") await world.clock.advance(one.ms);
          else if (one.kind === "cut") world.cut();
          else if (one.kind === "move") {
            // Whoever is on this path goes on over the other one, and comes back when it is open again.
            const { quic } = world.paths;
            quic.dial = quic.dial === "open" ? "refused" : "open";
            world.cut("quic");
          } else if (one.kind === "restart") {
            world.kill();
            await world.clock.advance(one.ms);
            world.start();
          } else if (one.kind === "join" && clients.length < 5) {
            const late = join(`late${clients.length}`);
            clients.push(late);
            readers.push(await run(collect(late, world)));
          } else if (one.kind === "swallow") {
            // One piece is lost to one reader: what follows shows the gap.
            let left = 1;
            world.swallow = ({ type }) => type === "message_append" && left-- > 0;
          }
        }
        const final = ends ? "ended" : "failed";
        world.paths.quic.dial = "open";
        await run(Promise.all([...appended, ends ? writer.end() : writer.fail()]));
        const has = (texts: Awaited<ReturnType<typeof collect>>) =>
          texts.get(writer.target)?.final !== undefined;
        // Who came late hears of the message with its next piece, or reads it in the history.
        for (const reader of readers) {
          await world.until(() => has(reader));
          assert.deepEqual(reader.get(writer.target), { text: said, final });
        }
        const { messages } = await run(clients.at(-1)!.channel(channel).history());
        assert.deepEqual(messages.map(({ text, stream }) => [text, stream]), [[said, final]]);
        await run(Promise.all(clients.map((client) => client.close())));
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("streams: the SDK writes and reads growing messages on every transport", async () => {
  await using people = await crowd();
  const kinds: Partial<ClientOptions>[] = [{ enableWebSocket: false }, { rawQuic: true }, {
    enableQuic: false,
  }];
  const clients = kinds.map((over, i) => people.join(`user${i}`, over));
  const readers = await Promise.all(clients.map((client) => collect(client)));
  assert.deepEqual(clients.map(({ manager }) => manager.getTransportType()), [
    "webtransport",
    "quic",
    "websocket",
  ]);
  const targets = await Promise.all(clients.map(async (client, i) => {
    const writer = await client.channel(channel).stream({ content: `${i}:` });
    for (let n = 0; n < 50; n++) {
      const appended = writer.append(` ${n}`);
      if (n % 10 === 0) await appended;
    }
    await writer.end(".");
    return writer.target;
  }));
  const whole = (i: number) => `${i}:${Array.from({ length: 50 }, (_, n) => ` ${n}`).join("")}.`;
  for (const texts of readers) {
    await until("all came", () => targets.every((target) => texts.get(target)?.final !== undefined));
    targets.forEach((target, i) => assert.deepEqual(texts.get(target), { text: whole(i), final: "ended" }));
  }
  const { messages } = await clients[0]!.channel(channel).history();
  assert.deepEqual(messages.map(({ text }) => text).sort(), [0, 1, 2].map(whole));
});

Deno.test("streams: what cannot be appended is refused, and so is all that follows", async () => {
  const world = new World();
  const client = new SkeinClient(world.options("ann"));
  const opening = client.channel(channel).stream({ content: [1] });
  await world.clock.advance(500);
  const writer = await opening;
  await assert.rejects(writer.append("text"), { error: "bad_argument" });
  const deleted = client.channel(channel).delete(writer.target);
  await world.clock.advance(500);
  await deleted;
  const late = assert.rejects(writer.append([2]), { error: "stream_ended" });
  await world.clock.advance(500);
  await late;
  await assert.rejects(writer.end(), { error: "stream_ended" });
  await client.close();
});
