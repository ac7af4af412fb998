/** Functions that see messages before they are published: what passes them. */

import assert from "node:assert/strict";
import { createServerClient } from "../../src/client/server/mod.ts";
import { SECRETS, TestEndpoint } from "../webhooks/support.ts";
import { source } from "./support.ts";
import { functionService } from "./service_support.ts";

const CHANNELS = { channels: ["chat:*"] };

Deno.test("functions: only what a function says itself passes its filter, and nobody connects as a function", async () => {
  await using endpoint = new TestEndpoint();
  // A word that no random id may hold.
  endpoint.answer = ({ data }) => Response.json({ allow: !JSON.stringify(data).includes("rude") });
  const settings = { name: "back-end", url: endpoint.url, allowPrivate: true, secrets: [SECRETS[0]!] };
  const key = "key-of-the-back-end-of-a-test";
  const service = await functionService(
    {
      "filter.ts": source(
        `if (event.kind === "command" || event.text === "go") {
        const stream = await context.stream({ public: true });
        await stream.append("so rude");
        await stream.end();
        return;
      }
      if (event.text?.includes("rude")) return { refuse: "mind your language" };`,
        "",
        'commands: { talk: {} }, on: { message: { channels: ["chat:*"], when: "before" } },',
      ),
    },
    {},
    {
      api: { keys: [key] },
      webhooks: { endpoints: [{ ...settings, events: ["publish"] }] },
    } as never,
  );
  try {
    const api = createServerClient({ url: service.url, key });
    await assert.rejects(
      api.publish({ channel: "chat:a", from: "filter", text: "rude" }),
      /mind your language/,
    );
    await using ann = await service.connect("websocket", "ann", CHANNELS);
    await ann.ask("chat_message", { channel: "chat:a", text: "go" });
    const id = await ann.send("bot_command", { bot: "filter", command: "talk", args: {}, channel: "chat:a" });
    await ann.next(({ re, payload }) => re === id && payload.kind === "channel");
    const { messages } = await api.history({ channel: "chat:a" });
    const own = messages.filter(({ from }) => from === "filter");
    assert.deepEqual(own.map(({ payload }) => [payload.text, payload.stream]), [
      ["so rude", "ended"],
      ["so rude", "ended"],
    ]);
    await assert.rejects(
      service.connect("websocket", "filter", CHANNELS),
      /a function has the id of this user/,
    );
  } finally {
    await service.stop();
  }
});

Deno.test("functions: while one that never loaded may be a filter, messages are refused", async () => {
  const broken = { "filter.ts": "export default {" };
  const service = await functionService(broken);
  try {
    await using ann = await service.connect("websocket", "ann", CHANNELS);
    const answer = await ann.request("chat_message", { channel: "chat:a", text: "bad" });
    assert.equal(answer.payload.code, 114);
    await service.line(({ msg, event }) => `${event ?? msg}`.startsWith("messages are refused"));
    await service.write({ "other.ts": "export default {" });
    const filter = 'return event.text === "bad" ? { refuse: "no" } : undefined;';
    await service.write({ "filter.ts": source(filter, "", 'on: { message: { when: "before" } },') });
    await service.loaded("filter");
    const { payload } = await ann.request("chat_message", { channel: "chat:a", text: "bad" });
    assert.equal(payload.message, "no");
    await ann.ask("chat_message", { channel: "chat:a", text: "good" });
  } finally {
    await service.stop();
  }
  const allowing = await functionService(broken, { onFailure: "allow" });
  try {
    await using ann = await allowing.connect("websocket", "ann", CHANNELS);
    await ann.ask("chat_message", { channel: "chat:a", text: "hello" });
  } finally {
    await allowing.stop();
  }
});

Deno.test("functions: a broken file that never was a filter stops no message", async () => {
  const service = await functionService({
    "daily.ts": `${source("return;", "", 'on: { schedule: { tick: { every: "1h" } } },')} +`,
  });
  try {
    await using ann = await service.connect("websocket", "ann", CHANNELS);
    await ann.ask("chat_message", { channel: "chat:a", text: "hello" });
  } finally {
    await service.stop();
  }
});

Deno.test("functions: a broken file stops what its last version had to see, also one of before a restart", async () => {
  const directory = await Deno.makeTempDir({ prefix: "skein-filters-" });
  const engine = { kind: "sqlite", sqlite: { path: `${directory}/skein.db`, files: `${directory}/files` } };
  const filter = 'on: { message: { channels: ["chat:s*"], when: "before" } },';
  try {
    const before = await functionService(
      {
        "filter.ts": source("return;", "", filter),
        "after.ts": source("return;", "", "on: { message: true },"),
      },
      {},
      { engine } as never,
    );
    await before.stop();
    // The last version counts, whatever stands in the file that is broken.
    const broken = { "filter.ts": "export default {", "after.ts": 'export default { when: "before"' };
    const service = await functionService(broken, {}, { engine } as never);
    try {
      await using ann = await service.connect("websocket", "ann", CHANNELS);
      await ann.ask("chat_message", { channel: "chat:a", text: "hello" });
      const { payload } = await ann.request("chat_message", { channel: "chat:s", text: "hello" });
      assert.equal(payload.code, 114);
    } finally {
      await service.stop();
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("functions: filters that are too slow share the time of a message, and those behind them are asked", async () => {
  const slow = source("await new Promise(() => {});", "", 'on: { message: { when: "before" } },');
  const words = 'return event.text === "bad" ? { refuse: "mind your language" } : undefined;';
  const service = await functionService({
    "a-slow.ts": slow,
    "b-slow.ts": slow,
    "words.ts": source(words, "", 'on: { message: { when: "before" } },'),
  }, { onFailure: "allow" });
  try {
    await using ann = await service.connect("websocket", "ann", CHANNELS);
    await using bob = await service.connect("websocket", "bob", CHANNELS);
    const [good, bad] = await Promise.all([
      ann.request("chat_message", { channel: "chat:a", text: "good" }),
      bob.request("chat_message", { channel: "chat:a", text: "bad" }),
    ]);
    assert.notEqual(good.type, "error", JSON.stringify(good));
    assert.equal(bad.payload.message, "mind your language");
  } finally {
    await service.stop();
  }
});

Deno.test("functions: filters see pieces of lists and texts alike, and may refuse and change them", async () => {
  const service = await functionService({
    "filter.ts": source(
      `const said = JSON.stringify(event.text ?? event.data);
      if (said.includes("bad")) return { refuse: "mind your language" };
      if (said.includes("shorten")) return { change: { text: "" } };
      if (event.text?.includes("dull")) return { change: { text: event.text.replace("dull", "fine") } };
      if (said.includes("dull")) return { change: { data: event.data.map((one) => one === "dull" ? "fine" : one) } };`,
      "",
      'on: { message: { channels: ["chat:*"], when: "before" } },',
    ),
  });
  try {
    await using ann = await service.connect("websocket", "ann", CHANNELS);
    const channel = "chat:a";
    const begin = async (content: Record<string, unknown>) => {
      const { offset, epoch } =
        (await ann.ask("chat_message", { channel, ...content, stream: true })).payload;
      return { channel, target: offset, epoch };
    };
    const kept = async () => {
      const { payload } = await ann.ask("history", { channel, limit: 10 });
      return (payload.messages as Record<string, unknown>[]).map((
        { text, data, stream },
      ) => [text ?? data, stream]);
    };
    for (const [first, dull, bad] of [["a ", "dull", " bad"], [["a"], ["dull"], ["bad"]]] as const) {
      const content = (said: string | readonly string[]) =>
        typeof said === "string" ? { text: said } : { data: said };
      const place = await begin(content(first));
      const changed = await ann.ask("message_append", { ...place, at: first.length, ...content(dull) });
      const length = first.length + dull.length;
      assert.equal(changed.payload.length, length);
      const refused = await ann.request("message_append", { ...place, at: length, ...content(bad) });
      assert.equal(refused.payload.message, "mind your language");
      const short = await begin(content(first));
      const word = typeof dull === "string" ? "shorten" : ["shorten"];
      const ended = await ann.request("message_append", { ...short, at: first.length, ...content(word) });
      assert.equal(ended.payload.name, "permission_denied");
    }
    assert.deepEqual(await kept(), [
      ["a fine", "failed"],
      ["a ", "failed"],
      [["a", "fine"], "failed"],
      [["a"], "failed"],
    ]);
  } finally {
    await service.stop();
  }
});
