/** What the service does by itself once a second. */

import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { loadConfig } from "../../src/service/config/load.ts";
import type { EngineModule } from "../../src/service/engine/module.ts";
import { HubModule } from "../../src/service/hub/module.ts";
import { createLogger } from "../../src/service/log/mod.ts";
import { uploadFile } from "../files/support.ts";
import { join } from "../hub/support.ts";
import { startTestService } from "../support/service.ts";

Deno.test("sweeps: a file that is past its age goes by itself, without anybody asking for it", async () => {
  const service = await startTestService({ files: { maxAge: "1s" } });
  try {
    const client = await service.connect("websocket", "ann");
    await uploadFile(client, { bytes: new Uint8Array(1000), channel: "chat:a" });
    await client.close();
    const end = performance.now() + 20_000;
    while ((await service.stats()).files.files !== 0) {
      if (performance.now() > end) throw new Error("it is still there");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } finally {
    await service.stop();
  }
});

Deno.test("sweeps: the hub's module closes channels that nobody is on", async () => {
  const engine = new MemoryEngine();
  const unfollowed: string[] = [];
  const unfollow = engine.log.unfollow.bind(engine.log);
  engine.log.unfollow = (channel) => {
    unfollowed.push(channel);
    return unfollow(channel);
  };
  const log = createLogger({ level: "error", format: "json", write() {} });
  const module = new HubModule({ engine } as unknown as EngineModule, (principal) => principal, log);
  module.start((await loadConfig({})).config!);
  const ann = await join(module.hub, "s1", "ann");
  await module.hub.subscribe(ann, "chat:a", 1);
  module.hub.unsubscribe(ann, "chat:a");
  assert.deepEqual(unfollowed, []);
  module.sweep();
  assert.deepEqual(unfollowed, ["chat:a"]);
});
