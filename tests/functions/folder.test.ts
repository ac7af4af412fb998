/** The folder of functions: which of its files are functions, and what is told of the others. */

import assert from "node:assert/strict";
import { source } from "./support.ts";
import { functionService } from "./service_support.ts";

Deno.test("functions: files that only look like functions are told of, and parts of functions are none", async () => {
  const service = await functionService({
    "uses.ts": source(
      "return a + w + b;",
      'import { a } from "./aid.ts";\nimport { w } from "./words.ts";\nimport { b } from "./Big.ts";',
      'on: { rpc: { methods: ["use"] } },',
    ),
    // One is read before the function that imports it, one after it. "before" is a word here.
    "aid.ts": 'export const a = "before";',
    "words.ts": 'export const w = "w";',
    "Big.ts": 'export const b = "b";',
    "Hello.ts": source("return 1;"),
    "both.ts": source("return 1;"),
    "both.js": source("return 1;"),
    "lonely.ts": "export const handler = 1;",
  });
  try {
    await using words = await service.connect("websocket", "words");
    assert.equal((await words.ask("rpc", { method: "use" })).payload.data, "beforewb");
    await words.ask("chat_message", { channel: "chat:a", text: "hello" });
    const { problems, functions } = (await service.stats()).functions;
    assert.deepEqual(Object.keys(functions).sort(), ["both", "uses"]);
    assert.deepEqual(Object.keys(problems).sort(), ["Hello.ts", "both.js", "lonely"]);
    assert.match(problems["Hello.ts"], /lower case/);
    assert.match(problems.lonely, /no default export/);
    const told = () => service.lines.filter(({ msg, event }) => (event ?? msg) === "function not loaded");
    assert.deepEqual(told().map((line) => line.function).sort(), ["Hello.ts", "both.js", "lonely"]);
    // Nobody imports it any more.
    const { version } = functions.uses;
    await service.write({ "uses.ts": source("return 1;", "", 'on: { rpc: { methods: ["use"] } },') });
    await service.loaded("uses", version);
    await service.line((line) => line.function === "words");
    await service.line((line) => line.function === "Big.ts");
  } finally {
    await service.stop();
  }
});
