/** What functions are called for, and what they can do, in a running service. */

import assert from "node:assert/strict";
import { sampleBytes, uploadFile } from "../files/support.ts";
import { source } from "./support.ts";
import { functionService } from "./service_support.ts";

function textsOf(messages: unknown): (string | undefined)[] {
  return (messages as { text?: string }[]).map(({ text }) => text);
}

const CHANNELS = { channels: ["chat:*"] };

Deno.test("functions: one that is told of messages answers them, and a loop of two is refused", async () => {
  const echo = (word: string) =>
    source(
      `if (event.text.startsWith("go")) {
      try { await context.reply(event.text + ${JSON.stringify(word)}); }
      catch (error) { console.log("refused", (error as any).code, (error as Error).message); }
    }`,
      "",
      'on: { message: { channels: ["chat:*"] } },',
    );
  const service = await functionService({ "ping.ts": echo("."), "pong.ts": echo("!") }, { maxDepth: 3 });
  try {
    await using ann = await service.connect("websocket", "ann", CHANNELS);
    await ann.ask("subscribe", { channel: "chat:a" });
    await ann.ask("chat_message", { channel: "chat:a", text: "go" });
    const { text } = await service.line(({ text }) => typeof text === "string" && text.startsWith("refused"));
    assert.equal(text, "refused limit_exceeded messages of functions answered each other 3 times: a loop");
    const first = await ann.next(({ payload }) => payload.text === "go." || payload.text === "go!");
    assert.match(String(first.payload.from), /^p[io]ng$/);
  } finally {
    await service.stop();
  }
});

Deno.test("functions: one that answers its own messages is not told of them", async () => {
  const service = await functionService({
    "self.ts": source("await context.reply(event.text + '.');", "", "on: { message: true },"),
  });
  try {
    await using ann = await service.connect("websocket", "ann", CHANNELS);
    await ann.ask("subscribe", { channel: "chat:a" });
    for (const text of ["a", "b", "c"]) {
      await ann.ask("chat_message", { channel: "chat:a", text });
      await ann.next(({ payload }) => payload.text === `${text}.`);
    }
    const { payload: { messages } } = await ann.ask("history", { channel: "chat:a" });
    assert.deepEqual(textsOf(messages), ["a", "a.", "b", "b.", "c", "c."]);
  } finally {
    await service.stop();
  }
});

Deno.test("functions: a filter refuses a message, changes one, and sees edits and pieces too", async () => {
  const service = await functionService({
    "filter.ts": source(
      `if (event.text?.includes("bad")) return { refuse: "mind your language" };
      if (event.text?.includes("dull")) return { change: { text: event.text.replace("dull", "fine") } };`,
      "",
      'on: { message: { channels: ["chat:*"], when: "before" } },',
    ),
  });
  try {
    await using ann = await service.connect("websocket", "ann", CHANNELS);
    await ann.ask("subscribe", { channel: "chat:a" });
    const refused = await ann.request("chat_message", { channel: "chat:a", text: "bad" });
    assert.equal(refused.payload.message, "mind your language");
    assert.equal(refused.payload.code, 103);
    const { payload: { offset, epoch } } = await ann.ask("chat_message", {
      channel: "chat:a",
      text: "dull day",
    });
    assert.equal((await ann.next("chat_message")).payload.text, "fine day");
    await ann.ask("chat_edit", { channel: "chat:a", target: offset, text: "dull night" });
    const { payload: { messages } } = await ann.ask("history", { channel: "chat:a" });
    assert.equal(textsOf(messages)[0], "fine night");
    const streamed = await ann.ask("chat_message", { channel: "chat:a", text: "so ba", stream: true });
    const piece = { channel: "chat:a", target: streamed.payload.offset, epoch, at: 5, text: "d" };
    assert.equal((await ann.request("message_append", piece)).payload.message, "mind your language");
  } finally {
    await service.stop();
  }
});

Deno.test("functions: a message waits for no filter of another channel, and is refused while its own one fails", async () => {
  const service = await functionService({
    "filter.ts": source(
      "throw new Error('out of order');",
      "",
      'on: { message: { channels: ["chat:held"], when: "before" } },',
    ),
  });
  try {
    await using ann = await service.connect("websocket", "ann", CHANNELS);
    await ann.ask("chat_message", { channel: "chat:free", text: "hello" });
    assert.equal(
      (await ann.request("chat_message", { channel: "chat:held", text: "hello" })).payload.code,
      114,
    );
    const line = await service.line(({ kind }) => kind === "threw");
    assert.equal(line.at, "filter.ts:6:7");
    assert.equal(line.reason, "filter.ts:6:7: out of order");
  } finally {
    await service.stop();
  }
});

Deno.test("functions: with onFailure allow a message passes a filter that fails", async () => {
  const service = await functionService({
    "filter.ts": source("throw new Error('out of order');", "", 'on: { message: { when: "before" } },'),
  }, { onFailure: "allow" });
  try {
    await using ann = await service.connect("websocket", "ann", CHANNELS);
    await ann.ask("chat_message", { channel: "chat:a", text: "hello" });
  } finally {
    await service.stop();
  }
});

Deno.test("functions: connect, join and leave are told once each", async () => {
  const service = await functionService({
    "watch.ts": source(
      "await context.publish('log:all', { data: [event.kind, event.user, event.channel ?? null] });",
      "",
      'on: { connect: true, join: { channels: ["chat:*"] }, leave: { channels: ["chat:*"] } },',
    ),
  });
  try {
    await using bob = await service.connect("websocket", "bob", { channels: ["log:*"] });
    await bob.ask("subscribe", { channel: "log:all" });
    // Bob's own connection may be told of as well.
    const told = async () =>
      (await bob.next(({ type, payload }) => type === "chat_message" && payload.data[1] === "ann")).payload
        .data;
    const ann = await service.connect("websocket", "ann", CHANNELS);
    const seen = [await told()];
    await ann.ask("subscribe", { channel: "chat:a" });
    seen.push(await told());
    await ann.ask("subscribe", { channel: "other:a" }).catch(() => {});
    await ann.ask("unsubscribe", { channel: "chat:a" });
    seen.push(await told());
    await ann.ask("subscribe", { channel: "chat:b" });
    seen.push(await told());
    await ann.close();
    assert.deepEqual(seen, [
      ["connect", "ann", null],
      ["join", "ann", "chat:a"],
      ["leave", "ann", "chat:a"],
      ["join", "ann", "chat:b"],
    ]);
  } finally {
    await service.stop();
  }
});

Deno.test("functions: an uploaded file is told of, with what is known of it", async () => {
  const service = await functionService({
    "files.ts": source(
      "await context.publish('chat:a', { data: [event.channel, event.from, event.file.name, event.file.size] });",
      "",
      'on: { file: { channels: ["chat:*"] } },',
    ),
  });
  try {
    await using ann = await service.connect("websocket", "ann", CHANNELS);
    await ann.ask("subscribe", { channel: "chat:a" });
    await uploadFile(ann, { bytes: sampleBytes(1000), name: "a.txt", type: "text/plain", channel: "chat:a" });
    const { payload } = await ann.next(({ payload }) => Array.isArray(payload.data));
    assert.deepEqual(payload.data, ["chat:a", "ann", "a.txt", 1000]);
  } finally {
    await service.stop();
  }
});

Deno.test("functions: rpc is answered by the function that has its method, also by another version", async () => {
  const answering = (value: string, method = "orders.count") =>
    source(
      `return { ${value}, asked: event.data, from: event.from };`,
      "",
      `on: { rpc: { methods: [${JSON.stringify(method)}] } },`,
    );
  const service = await functionService({ "orders.ts": answering("v: 1") });
  try {
    await using ann = await service.connect("websocket", "ann");
    assert.deepEqual((await ann.ask("rpc", { method: "orders.count", data: [1] })).payload.data, {
      v: 1,
      asked: [1],
      from: "ann",
    });
    const { functions } = await service.stats();
    await service.write({ "orders.ts": answering("v: 2", "orders.sum") });
    await service.loaded("orders", functions.functions.orders.version);
    assert.equal((await ann.ask("rpc", { method: "orders.sum" })).payload.data.v, 2);
    assert.equal((await ann.request("rpc", { method: "orders.count" })).type, "error");
  } finally {
    await service.stop();
  }
});

Deno.test("functions: history, presence, streams and values are those of the service", async () => {
  const service = await functionService({
    "desk.ts": source(
      `switch (event.method) {
      case "history": return (await context.history("chat:a")).map(({ payload }) => payload.text);
      case "presence": return (await context.presence("chat:a")).map(({ user }) => user);
      case "stream": {
        const stream = await context.stream("chat:a");
        for (const piece of ["one ", "two ", "three"]) await stream.append(piece);
        await stream.end();
        return "done";
      }
      case "set": return await context.kv.set("count", event.data.value, event.data.options ?? {});
      case "get": return await context.kv.entry("count") ?? null;
      case "delete": return await context.kv.delete("count");
      case "secret": return context.secret(event.data);
      case "print": console.log("the key is " + context.secret("KEY")); throw new Error("no " + context.secret("KEY"));
      case "fill": {
        const all = await Promise.allSettled(Array.from({ length: 1010 }, (_, i) => context.kv.set("k" + i, i)));
        const again = await context.kv.set("k1", "again");
        return [all.filter(({ status }) => status === "fulfilled").length, again,
          [...new Set(all.flatMap((one) => one.status === "rejected" ? [one.reason.code] : []))]];
      }
      case "bad channel": await context.publish("nowhere", "x"); return;
      case "bad content": await context.publish("chat:a", { text: 7 } as any); return;
      case "doc": await context.publish("doc:x", "x"); return;
    }`,
      "",
      'on: { rpc: { methods: ["*"] } },',
    ),
  }, { secrets: { KEY: "abc-123", OTHER: "no" }, grants: { desk: { secrets: ["KEY"] } } });
  try {
    await using ann = await service.connect("websocket", "ann", CHANNELS);
    const ask = async (method: string, data?: unknown) =>
      (await ann.ask("rpc", { method, ...data === undefined ? {} : { data } })).payload.data;
    await ann.ask("subscribe", { channel: "chat:a" });
    await ann.ask("chat_message", { channel: "chat:a", text: "first" });
    assert.deepEqual(await ask("history"), ["first"]);
    assert.deepEqual(await ask("presence"), ["ann"]);
    assert.equal(await ask("stream"), "done");
    assert.deepEqual(await ask("history"), ["first", "one two three"]);
    assert.equal(await ask("get"), null);
    assert.equal(await ask("set", { value: { n: 1 }, options: { revision: 0 } }), true);
    assert.equal(await ask("set", { value: { n: 2 }, options: { revision: 0 } }), false);
    assert.deepEqual((await ask("get") as { value: unknown }).value, { n: 1 });
    assert.equal(await ask("delete"), true);
    assert.equal(await ask("get"), null);
    assert.equal(await ask("secret", "KEY"), "abc-123");
    assert.equal((await ann.request("rpc", { method: "print" })).type, "error");
    assert.deepEqual(await ask("fill"), [1000, true, ["limit_exceeded"]]);
    for (const [method, data] of [["secret", "OTHER"], ["doc"]] as const) {
      assert.equal((await ann.request("rpc", { method, ...data && { data } })).payload.code, 100);
    }
    const reasons = service.lines.filter(({ reason }) => typeof reason === "string").map(({ reason }) =>
      reason
    );
    assert.ok(reasons.some((reason) => /secret OTHER is not granted/.test(String(reason))), `${reasons}`);
    assert.ok(reasons.some((reason) => /a document takes doc_op alone/.test(String(reason))), `${reasons}`);
    // A secret is in no line of the log.
    assert.ok(!JSON.stringify(service.lines).includes("abc-123"));
  } finally {
    await service.stop();
  }
});

Deno.test("functions: more messages a second than one may publish are refused, to the function alone", async () => {
  const service = await functionService({
    "flood.ts": source(
      `const all = await Promise.allSettled(Array.from({ length: 200 }, (_, i) => context.publish("chat:a", String(i))));
      return { sent: all.filter(({ status }) => status === "fulfilled").length,
        codes: [...new Set(all.flatMap((one) => one.status === "rejected" ? [one.reason.code] : []))] };`,
      "",
      'on: { rpc: { methods: ["flood"] } },',
    ),
  }, { publishRate: 50 });
  try {
    await using ann = await service.connect("websocket", "ann", CHANNELS);
    const { data } = (await ann.ask("rpc", { method: "flood" })).payload;
    assert.deepEqual(data.codes, ["rate_limited"]);
    assert.ok(data.sent >= 50 && data.sent < 200, `${data.sent}`);
    await ann.ask("chat_message", { channel: "chat:a", text: "the others go on" });
  } finally {
    await service.stop();
  }
});

Deno.test("functions: a schedule is called when it is due", async () => {
  const service = await functionService({
    "clock.ts": source(
      "await context.kv.set('last', { name: event.name, due: event.due }); console.log('tick', event.due % 1000);",
      "",
      'on: { schedule: { second: { every: "1s" } } },',
    ),
  });
  try {
    assert.equal((await service.line(({ text }) => String(text).startsWith("tick"))).text, "tick 0");
  } finally {
    await service.stop();
  }
});

Deno.test("functions: one with commands is a bot, whose commands are listed, checked and answered", async () => {
  const service = await functionService({
    "desk.ts": source(
      `const { command, args, from } = event;
      if (command === "greet") return "Hello " + args.who + args.mark + " from " + from;
      if (command === "data") return { data: { n: args.n } };
      if (command === "other") return { anything: true } as any;
      if (command === "public") { await context.reply("for all", { public: true }); return; }
      if (command === "stream") {
        const stream = await context.stream();
        for (const piece of ["a", "b", "c"]) await stream.append(piece);
        await stream.end();
        return;
      }
      if (command === "nothing") return;
      throw new Error("secret words");`,
      "",
      `description: "A desk.",
      commands: {
        greet: { description: "Greets.", args: { who: {}, mark: { default: "!" } } },
        data: { args: { n: { type: "integer" } } },
        other: {}, public: {}, stream: {}, nothing: {}, fail: {},
      },`,
    ),
  });
  try {
    await using ann = await service.connect("websocket", "ann", CHANNELS);
    await ann.ask("subscribe", { channel: "chat:a" });
    const ask = async (command: string, args: Record<string, unknown> = {}) => {
      const id = await ann.send("bot_command", { bot: "desk", command, args, channel: "chat:a" });
      const { type, payload } = await ann.next(({ re }) => re === id);
      const { bot: _bot, from: _from, command: _command, kind: _kind, ...rest } = payload;
      return { type, ...rest } as Record<string, unknown>;
    };
    assert.deepEqual(await ask("greet", { who: "Bob" }), {
      type: "bot_response",
      text: "Hello Bob! from ann",
    });
    assert.deepEqual((await ask("data", { n: 7 })).data, { n: 7 });
    assert.deepEqual((await ask("other")).data, { anything: true });
    assert.equal((await ask("greet", {})).type, "error");
    assert.equal((await ask("gret", {})).type, "error");
    await ask("public");
    assert.equal((await ann.next("chat_message")).payload.text, "for all");
    assert.ok(!JSON.stringify(await ask("fail")).includes("secret words"));
    const version = (await service.stats()).functions.functions.desk.version;
    await service.write({ "desk.ts": source("return 'new';", "", "commands: { fresh: {} },") });
    await service.loaded("desk", version);
    assert.equal((await ask("fresh")).text, "new");
    assert.equal((await ask("greet", { who: "Bob" })).type, "error");
  } finally {
    await service.stop();
  }
});

Deno.test("functions: a command may take as long as a call, whatever bots on connections may", async () => {
  const wait = "await new Promise((resolve) => setTimeout(resolve, 1500)); return 'at last';";
  const files = { "slow.ts": source(wait, "", "commands: { slow: {} },") };
  const service = await functionService(files, { timeout: "60s" }, { bots: { timeout: "1s" } });
  try {
    await using ann = await service.connect("websocket", "ann", CHANNELS);
    await ann.ask("chat_message", { channel: "chat:a", text: "/slow" });
    const { payload: { kind, text } } = await ann.next("bot_response", 60_000);
    assert.deepEqual([kind, text], ["answer", "at last"]);
  } finally {
    await service.stop();
  }
});

Deno.test("functions: one that prints without end fills no log, and keeps nobody waiting", async () => {
  const service = await functionService({
    "noisy.ts": source(
      "for (let n = 0; n < 20_000; n++) console.log('line', n); return 'printed';",
      "",
      'on: { rpc: { methods: ["print"] } },',
    ),
    "quiet.ts": source("return 'here';", "", 'on: { rpc: { methods: ["quiet"] } },'),
  });
  try {
    await using ann = await service.connect("websocket", "ann");
    const noisy = ann.ask("rpc", { method: "print" });
    assert.equal((await ann.ask("rpc", { method: "quiet" })).payload.data, "here");
    assert.equal((await noisy).payload.data, "printed");
    const printed = service.lines.filter(({ text }) => String(text).startsWith("line")).length;
    assert.ok(printed >= 200 && printed < 5000, `${printed}`);
    const told = () =>
      service.lines.reduce(
        (sum, { text }) => sum + Number(/^(\d+) lines? \S+ dropped$/.exec(`${text}`)?.[1] ?? 0),
        0,
      );
    await service.line(() => told() + printed === 20_000);
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    assert.equal(Number(/^skein_function_lines_dropped_total (\d+)/m.exec(metrics)?.[1]), 20_000 - printed);
  } finally {
    await service.stop();
  }
});
