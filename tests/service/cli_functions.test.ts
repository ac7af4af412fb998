/** `skein functions`. */

import assert from "node:assert/strict";
import { run } from "../../src/service/cli/mod.ts";
import { startTestService } from "../support/service.ts";

/** Runs a command line with `skein functions` before it. */
async function skein(...args: string[]) {
  let out = "", err = "";
  const io = {
    env: {},
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
    input: () => Promise.resolve(""),
  };
  const code = await run(["functions", ...args], io);
  return { code, out, err };
}

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "skein-cli-" });
  try {
    await test(`${folder}/functions`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("cli functions: a new function is a file with the types beside it, and is not written over", () =>
  inFolder(async (folder) => {
    const at = ["--functions.directory", folder];
    assert.deepEqual(await skein("new", "greeter", ...at), {
      code: 0,
      out: `ok: ${folder}/greeter.ts\n`,
      err: "",
    });
    const made = await Deno.readTextFile(`${folder}/greeter.ts`);
    assert.match(made, /\/greeter greet/);
    assert.doesNotMatch(made, /\/hello/);
    assert.match(await Deno.readTextFile(`${folder}/skein.ts`), /export function defineFunction/);
    // What the editor sees has no mistake.
    const check = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--no-config", "--no-lock", "--quiet", `${folder}/greeter.ts`],
      stderr: "piped",
    }).output();
    assert.ok(check.success, new TextDecoder().decode(check.stderr));
    const again = await skein("new", "greeter", ...at);
    assert.deepEqual([again.code, again.err], [1, `${folder}/greeter.ts: it is there already\n`]);
    assert.equal(await Deno.readTextFile(`${folder}/greeter.ts`), made);
    assert.equal((await skein("new", "poll", ...at)).code, 0);
    assert.match(await Deno.readTextFile(`${folder}/poll.ts`), /Polls in a channel/);
  }));

Deno.test("cli functions: a name that no function can have is refused", async () => {
  for (const name of [[], ["Greeter"], ["../up"], ["skein"], ["help"], ["a".repeat(33)]]) {
    assert.equal((await skein("new", ...name)).code, 2, name.join());
  }
  const bad = await skein("new", "x", "--from", "nothing");
  assert.deepEqual([bad.code, bad.err], [2, "--from: one of hello, poll, remind, moderation, assistant\n"]);
});

Deno.test("cli functions: a function is tried with an event, and what it does is printed", () =>
  inFolder(async (folder) => {
    const at = ["--functions.directory", folder];
    await skein("new", "poll", ...at);
    const event = `${folder}/event.json`;
    const args = { question: "Lunch?", options: ["tea", "coffee"] };
    await Deno.writeTextFile(
      event,
      JSON.stringify({ kind: "command", command: "start", args, channel: "chat:a" }),
    );
    const { code, out, err } = await skein("run", "poll", "--event", event, ...at);
    assert.deepEqual([code, err], [0, ""]);
    assert.equal(
      out,
      'said to all: {"text":"ann asks: Lunch?\\n1. tea\\n2. coffee\\nVote with /poll vote NUMBER"}\nreturned: nothing\n',
    );
    await Deno.writeTextFile(
      `${folder}/broken.ts`,
      'import { defineFunction } from "./skein.ts";\nexport default defineFunction({\n  handler() {\n' +
        '    console.log("here");\n    throw new Error("oh");\n  },\n});\n',
    );
    const broken = await skein("run", "broken", "--event", event, ...at);
    assert.deepEqual([broken.code, broken.out], [1, ""]);
    assert.match(broken.err, /^info: here\nthrew: broken\.ts:5:11: oh\n$/);
    assert.equal((await skein("run", "nobody", "--event", event, ...at)).code, 1);
    assert.equal((await skein("run", "poll", "--event", `${folder}/none.json`, ...at)).code, 2);
  }));

Deno.test("cli functions: a request is tried with its body, and a streamed response is printed", () =>
  inFolder(async (folder) => {
    const at = ["--functions.directory", folder];
    await skein("new", "hello", ...at);
    await Deno.writeTextFile(
      `${folder}/web.ts`,
      'import { defineFunction } from "./skein.ts";\nexport default defineFunction({\n  on: { http: true },\n' +
        "  handler(event: any) {\n    const text = new TextDecoder().decode(event.body);\n" +
        '    if (event.method === "PUT") return new Response(text, { status: 201 });\n' +
        "    return new Response(new ReadableStream({ async start(controller) {\n" +
        '      for (const part of [event.method, " ", text]) {\n' +
        "        await new Promise((resolve) => setTimeout(resolve, 5));\n" +
        "        controller.enqueue(new TextEncoder().encode(part));\n      }\n      controller.close();\n" +
        '    } }), { headers: { "x-kind": "stream" } });\n  },\n});\n',
    );
    const event = `${folder}/event.json`;
    const tried = async (given: unknown) => {
      await Deno.writeTextFile(event, JSON.stringify(given));
      return await skein("run", "web", "--event", event, ...at);
    };
    const whole = await tried({ kind: "http", method: "PUT", body: "größe" });
    assert.deepEqual([whole.code, whole.err], [0, ""]);
    assert.match(whole.out, /^returned: HTTP 201\n[^]*\n\ngröße\n$/);
    const streamed = await tried({ kind: "http", method: "POST", body: "one two" });
    assert.deepEqual([streamed.code, streamed.err], [0, ""]);
    assert.equal(streamed.out, "returned: HTTP 200\nx-kind: stream\n\nPOST one two\n");
    assert.equal((await tried({ kind: "http", body: 7 })).code, 2);
  }));

Deno.test("cli functions: the functions of the running service are listed, and what they print", () =>
  inFolder(async (folder) => {
    const key = "key-of-the-api-for-a-test";
    await skein("new", "hello", "--functions.directory", folder);
    await Deno.writeTextFile(`${folder}/broken.ts`, "export default 1 +;\n");
    await Deno.writeTextFile(
      `${folder}/loud.ts`,
      'import { defineFunction } from "./skein.ts";\nexport default defineFunction({\n' +
        '  commands: { shout: {} },\n  handler() {\n    console.warn("loud");\n    throw new Error("oh");\n  },\n});\n',
    );
    const service = await startTestService({ functions: { directory: folder }, api: { keys: [key] } });
    try {
      const at = ["--url", service.url, "--key", key];
      const client = await service.connect("websocket", "ann");
      await client.ask("chat_message", { channel: "chat:a", text: "/loud shout" });
      const failed = await client.next("bot_response");
      assert.deepEqual([failed.payload.kind, failed.payload.text], ["failed", "the function failed"]);
      await client.ask("chat_message", { channel: "chat:a", text: "/hello greet" });
      assert.equal((await client.next("bot_response")).payload.text, "Hello, ann!");
      await client.close();
      const { code, out, err } = await skein("list", ...at);
      assert.deepEqual([code, err], [0, ""]);
      assert.match(out, /^broken {2}not loaded {2}idle {2}0 calls\n {2}problem: broken\.ts:1:\d+: /);
      assert.match(
        out,
        /\nhello {2}[0-9a-f]{12} {2}running, \d+ MiB {2}1 calls\n {2}\/hello greet \[name\]\n/,
      );
      assert.match(out, /\nloud {2}[0-9a-f]{12} {2}running, \d+ MiB {2}1 calls, 1 failed\n/);
      const logs = await skein("logs", "loud", ...at);
      assert.match(logs.out, /^\S+ warn {2}loud\n\S+ error command failed: loud\.ts:6:11: oh\n$/);
      assert.match((await skein("logs", "broken", ...at)).out, /^\S+ error not loaded: broken\.ts:1:/);
      const none = await skein("logs", "nobody", ...at);
      assert.deepEqual([none.code, none.out], [1, ""]);
      assert.match(none.err, /no such function/);
      assert.equal(
        (await skein("list", "--url", service.url, "--key", "another-key-which-is-wrong")).code,
        1,
      );
    } finally {
      await service.stop();
    }
  }));
