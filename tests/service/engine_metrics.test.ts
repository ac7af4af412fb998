import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { EngineModule } from "../../src/service/engine/module.ts";
import { createLogger } from "../../src/service/log/mod.ts";
import { Exposition } from "../../src/service/metrics/exposition.ts";
import { defaultConfig } from "../support/config.ts";
import { parseExposition } from "./metrics_support.ts";

Deno.test("engine: what is committed together, and how long that and writing anew takes, are metrics", async () => {
  const directory = await Deno.makeTempDir();
  const lines: string[] = [];
  const log = createLogger({ level: "info", write: (line) => void lines.push(line) });
  const engine = new EngineModule((error) => assert.fail(String(error)), undefined, log);
  const config = defaultConfig();
  const { sqlite } = config.engine;
  await engine.start({
    ...config,
    engine: {
      ...config.engine,
      kind: "sqlite",
      sqlite: { ...sqlite, path: `${directory}/skein.db`, files: `${directory}/files` },
    },
  });
  try {
    const options = { retention: { size: 10, age: 60_000 } };
    const publish = (id: string) =>
      engine.engine.log.publish("chat:a", {
        type: "chat_message",
        id,
        from: "ann",
        timestamp: 0,
        payload: { text: id },
      }, options);
    await Promise.all(["1", "2", "3"].map(publish));
    const text = parseExposition(await new Exposition(engine.series).render());
    assert.equal(text.value("skein_engine_commit_records_sum", {}), 3);
    const commits = text.value("skein_engine_commit_records_count", {})!;
    assert.ok(commits >= 1 && commits <= 3);
    assert.equal(text.value("skein_engine_commit_seconds_count", {}), commits);
    assert.ok(text.value("skein_engine_commit_seconds_sum", {})! > 0);
    assert.equal(text.value("skein_engine_channels", {}), 1);
    const other = new DatabaseSync(`${directory}/skein.db`, { readOnly: true });
    const [pages, size] = ["page_count", "page_size"].map((name) =>
      other.prepare(`PRAGMA ${name}`).get()![name]
    );
    other.close();
    const bytes = text.value("skein_engine_bytes", {})!;
    assert.equal(bytes, Number(pages) * Number(size));
    assert.deepEqual(engine.status(), { engine: { name: "sqlite", channels: 1, bytes } });
    await engine.engine.scrub();
    const after = parseExposition(await new Exposition(engine.series).render());
    assert.equal(after.value("skein_engine_scrub_seconds_count", {}), 1);
    assert.ok(after.value("skein_engine_scrub_seconds_sum", {})! > 0);
    assert.match(lines.join(""), /database written anew/);
  } finally {
    await engine.close();
    await Deno.remove(directory, { recursive: true });
  }
});
