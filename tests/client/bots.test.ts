/** Commands to bots through the SDK: in a world where links break, over real transports, and with bots that misbehave. */

import assert from "node:assert/strict";
import fc from "fast-check";
import {
  askBot,
  type BotAsk,
  botCommands,
  type BotPart,
  sayCommand,
  serveBot,
} from "../../src/client/bots.ts";
import { type ClientOptions, SkeinClient, SkeinError } from "../../src/client/mod.ts";
import { FakeClock } from "../support/clock.ts";
import { crowd, until } from "./crowd.ts";
import { World } from "./support.ts";

type Step =
  | { readonly kind: "say"; readonly text: string }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "cut" | "swallow" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }).filter((t) => !t.includes("\0"))
      .map((text) => ({ kind: "say" as const, text })),
  },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 400 }).map((ms) => ({ kind: "pass" as const, ms })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom({ kind: "cut" as const }, { kind: "swallow" as const }),
  },
);

/** Validates: an asker has every piece of a private answer once and in order, and knows how it ended. */
Deno.test("Feature: quic-transport, Property 192: streamed answers are whole for their asker, through cuts on both sides", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 40, size: "max" }),
      fc.boolean(),
      fc.integer(),
      async (steps, ends, seed) => {
        const world = new World(seed);
        const { clock } = world;
        const [ann, bot] = ["ann", "story-bot"].map((user) =>
          new SkeinClient({ ...world.options(user), autoConnect: true })
        ) as [SkeinClient, SkeinClient];
        const run = <T>(work: Promise<T>): Promise<T> => world.run(work);
        let asked: BotAsk | undefined;
        let finish!: (ends: boolean) => void;
        let times = 0;
        const tell = async (ask: BotAsk): Promise<void> => {
          asked = ask;
          times++;
          if (!await new Promise<boolean>((resolve) => finish = resolve)) await ask.fail("no more");
        };
        await run(serveBot(bot, { clock, commands: [{ name: "tell", run: tell }] }));
        const answer = askBot(ann, { bot: "story", command: "tell", clock });
        const parts: BotPart[] = [];
        const reading = (async () => {
          for await (const part of answer) parts.push(part);
        })();
        await world.until(() => asked !== undefined);
        let said = "";
        const appended: Promise<void>[] = [];
        for (const one of steps) {
          if (one.kind === "say") {
            said += one.text;
            appended.push(asked!.append(one.text));
          } else if (one.kind === "pass") await clock.advance(one.ms);
          else if (one.kind === "cut") world.cut();
          else {
            // One answer is lost on its way to the asker.
            world.swallow = ({ type }) => {
              if (type !== "bot_response") return false;
              world.swallow = () => false;
              return true;
            };
          }
        }
        world.swallow = () => false;
        await run(Promise.all(appended));
        finish(ends);
        const isEmpty = said === "";
        if (ends) {
          const result = await run(answer.result);
          assert.deepEqual(result, isEmpty ? { kind: "done" } : { kind: "answer", text: said });
        } else {
          await run(assert.rejects(answer.result, { reason: isEmpty ? "refused" : "failed", text: said }));
        }
        await run(reading);
        assert.equal(parts.map((part) => part.kind === "piece" ? part.text : "").join(""), said);
        assert.equal(times, 1, "the command was carried out once");
        await run(Promise.all([ann.close(), bot.close()]));
      },
    ),
    { numRuns: 100 },
  );
});

const dice = {
  description: "Throws dice",
  commands: [
    {
      name: "roll",
      description: "Throws a die",
      args: [{ name: "sides", type: "integer" as const, min: 2, default: 6 }],
      run: ({ args }: BotAsk) => `one of ${args.sides}`,
    },
    {
      name: "count",
      args: [{ name: "to", type: "integer" as const, max: 100 }],
      async *run({ args }: BotAsk) {
        for (let n = 1; n <= args.to; n++) yield `${n} `;
      },
    },
    {
      name: "tell",
      run: async (ask: BotAsk) => {
        await ask.progress(0.5, "thinking");
        const stream = await ask.stream("Once");
        await stream.end(" upon a time");
      },
    },
    { name: "say", run: (ask: BotAsk) => ask.publish("to all").then(() => {}) },
    {
      name: "throw",
      run: () => {
        throw new Error("secret");
      },
    },
  ],
};

Deno.test("bots: the SDK asks and answers on every transport", async () => {
  await using people = await crowd();
  const kinds: Partial<ClientOptions>[] = [{ enableWebSocket: false }, { rawQuic: true }, {
    enableQuic: false,
  }];
  const bot = people.join("dice-user", {
    getToken: () => people.service.token("dice-user", { bot: "dice" }),
  });
  const errors: unknown[] = [];
  const server = await serveBot(bot, { ...dice, onError: (error) => errors.push(error) });
  for (const [i, over] of kinds.entries()) {
    const ann = people.join(`ann${i}`, over);
    const ask = (command: string, args: unknown = {}, channel?: string) =>
      askBot(ann, { bot: "dice", command, args, ...(channel === undefined ? {} : { channel }) });
    assert.deepEqual(await ask("roll", { sides: 20 }).result, { kind: "answer", text: "one of 20" });
    const counting = ask("count", { to: 50 });
    let text = "";
    for await (const part of counting) if (part.kind === "piece") text += part.text;
    assert.equal(text, Array.from({ length: 50 }, (_, n) => `${n + 1} `).join(""));
    assert.deepEqual(await counting.result, { kind: "answer", text });
    const told = ask("tell", {}, "chat:a");
    const { kind, channel, offset } = await told.result;
    assert.deepEqual([kind, channel], ["channel", "chat:a"]);
    const parts = [];
    for await (const part of told) parts.push(part);
    assert.deepEqual(parts, [{ kind: "progress", done: 0.5, text: "thinking" }]);
    const { messages } = await ann.channel("chat:a").history({ since: offset! - 1, limit: 1 });
    assert.deepEqual([messages[0]!.text, messages[0]!.from], ["Once upon a time", "dice-user"]);
    assert.equal((await ask("say", {}, "chat:a").result).kind, "channel");
    await assert.rejects(ask("throw").result, {
      name: "BotError",
      reason: "refused",
      message: "the bot has failed",
    });
    await assert.rejects(ask("rol").result, { error: "unknown_command" });
    await assert.rejects(ask("roll", { sides: 1 }).result, { error: "bad_arguments" });
    await assert.rejects(askBot(ann, { bot: "dic", command: "roll" }).result, { error: "unknown_bot" });
    const typed = await sayCommand(ann, "chat:a", "/roll 8");
    assert.deepEqual(await typed!.result, { kind: "answer", text: "one of 8" });
    assert.equal(await sayCommand(ann, "chat:a", "no command"), undefined);
    await assert.rejects(sayCommand(ann, "chat:a", "/rol 8"), { error: "unknown_command" });
    const { commands } = await botCommands(ann, { prefix: "/ro" });
    assert.deepEqual(commands.map(({ usage }) => usage), ["/dice roll [sides]"]);
  }
  assert.equal(errors.length, 3);
  assert.equal(server.open, 0);
  server.close();
});

Deno.test("bots: commands that a new session did not take in time are registered again", async () => {
  const clock = new FakeClock();
  let connected = (): void => {}, works = true, registered = 0;
  const client = {
    manager: {
      isConnected: () => true,
      send() {
        if (!works) return Promise.reject(SkeinError.temporary("timeout", "no answer"));
        registered++;
        return Promise.resolve({});
      },
    },
    on(event: string, listener: () => void) {
      if (event === "connected") connected = listener;
      return () => {};
    },
  } as unknown as SkeinClient;
  const bot = await serveBot(client, { clock, commands: [{ name: "tell", run: () => {} }] });
  await clock.advance(0);
  works = false;
  connected();
  await clock.advance(0);
  registered = 0;
  works = true;
  await clock.advance(60_000);
  assert.equal(registered, 1);
  bot.close();
  assert.equal(clock.pending, 0);
});

Deno.test("bots: only a token with the claim serves a bot", async () => {
  await using people = await crowd();
  await assert.rejects(serveBot(people.join("ann"), dice), { error: "permission_denied" });
});

Deno.test("bots: a bot that ends in the middle of its answer, and one that never answers, end the command", async () => {
  await using people = await crowd({ bots: { timeout: "1s" } });
  const bot = people.join("b", { getToken: () => people.service.token("b", { bot: "slow" }) });
  let asked: BotAsk | undefined;
  await serveBot(bot, {
    commands: [
      { name: "never", run: () => new Promise<void>(() => {}) },
      {
        name: "half",
        run: async (ask) => {
          await ask.append("half of ");
          asked = ask;
          await new Promise<void>(() => {});
        },
      },
    ],
  });
  const ann = people.join("ann");
  await assert.rejects(askBot(ann, { bot: "slow", command: "never" }).result, { reason: "timeout" });
  const half = askBot(ann, { bot: "slow", command: "half" });
  await until("half of it is said", () => asked !== undefined);
  await bot.close();
  await assert.rejects(half.result, { reason: "bot_gone", text: "half of " });
  await assert.rejects(sayCommand(ann, "chat:a", "/slow never"), { error: "unknown_command" });
});

Deno.test("bots: a command whose node was lost is not carried out again in silence", async () => {
  const world = new World();
  const { clock } = world;
  const ann = new SkeinClient({ ...world.options("ann"), autoConnect: true });
  const bot = new SkeinClient({ ...world.options("story-bot"), autoConnect: true });
  let times = 0;
  const run = () => {
    times++;
    return new Promise<void>(() => {});
  };
  const serving = serveBot(bot, { clock, commands: [{ name: "tell", run }] });
  await world.until(() => bot.manager.isConnected());
  await clock.advance(200);
  await serving;
  const answer = askBot(ann, { bot: "story", command: "tell", clock });
  await world.until(() => times === 1);
  let isLost = false;
  const lost = assert.rejects(answer.result, { error: "command_over" })
    .finally(() => isLost = true);
  world.kill();
  await clock.advance(100);
  world.start();
  await world.until(() => isLost);
  await lost;
  assert.equal(times, 1);
  const closing = Promise.all([ann.close(), bot.close()]);
  await clock.advance(5000);
  await closing;
});
