/** Functions that are told of streamed messages. */

import assert from "node:assert/strict";
import { createServerClient } from "../../src/client/server/mod.ts";
import { source } from "./support.ts";
import { functionService } from "./service_support.ts";

const KEY = "key-of-the-back-end-of-a-test";

Deno.test("functions: a streamed message is told when it begins and when it is over, whole", async () => {
  const service = await functionService(
    {
      "scribe.ts": source(
        'await context.publish("chat:log", { data: [event.text, event.final ?? "", event.offset, event.id] });',
        "",
        'on: { message: { channels: ["chat:a"] } },',
      ),
    },
    {},
    { api: { keys: [KEY] } } as never,
  );
  try {
    const api = createServerClient({ url: service.url, key: KEY });
    const { offset } = await api.publish({ channel: "chat:a", id: "it", text: "", stream: true });
    await api.append({ channel: "chat:a", target: offset, at: 0, text: "all of it", final: "ended" });
    let said: unknown[] = [];
    for (const end = Date.now() + 15_000; said.length < 2;) {
      assert.ok(Date.now() < end, "both are told");
      said = (await api.history({ channel: "chat:log" })).messages.map(({ payload }) => payload.data);
    }
    // Calls run side by side: either may have been faster.
    assert.deepEqual(said.map((each) => JSON.stringify(each)).sort(), [
      `["","",${offset},"it"]`,
      `["all of it","ended",${offset},"it"]`,
    ]);
  } finally {
    await service.stop();
  }
});
