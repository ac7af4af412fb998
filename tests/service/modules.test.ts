import assert from "node:assert/strict";
import { type Config } from "../../src/service/config/mod.ts";
import { needsRestart } from "../../src/service/config/diff.ts";
import { defaultConfig } from "../support/config.ts";
import { settings } from "../../src/service/config/shape.ts";
import { createLogger } from "../../src/service/log/mod.ts";
import { createModules } from "../../src/service/modules.ts";
import { startService } from "../../src/service/service.ts";
import { startTestService } from "../support/service.ts";
import { parseExposition } from "./metrics_support.ts";

function modules() {
  const log = createLogger({ write: () => {} });
  return createModules({ config: defaultConfig(), log }, {
    apply: () => Promise.resolve(),
    series: () => [],
    status: () => ({}),
    notReady: () => undefined,
  }).list;
}

Deno.test("modules: each has a name of its own", () => {
  const names = modules().map(({ name }) => name);
  assert.deepEqual(names, [...new Set(names)]);
});

Deno.test("modules: every setting is followed by one, or needs a restart", () => {
  const keys = modules().flatMap((module) => module.apply === undefined ? [] : module.keys ?? []);
  const alone = settings().map(({ key }) => key).filter((key) =>
    !keys.some((own) => key === own || key.startsWith(`${own}.`)) && !needsRestart(key)
  );
  // The service itself reads it when it drains.
  assert.deepEqual(alone, ["drain.deadline"]);
});

Deno.test("modules: the keys they follow are settings, or groups of settings", () => {
  const known = settings().map(({ key }) => key);
  const keys = modules().flatMap((module) => module.keys ?? []);
  const unknown = keys.filter((own) => !known.some((key) => key === own || key.startsWith(`${own}.`)));
  assert.deepEqual(unknown, []);
});

Deno.test("modules: the series of each are in the metrics of a running service", async () => {
  const service = await startTestService();
  try {
    const text = await (await fetch(`${service.url}/metrics`)).text();
    parseExposition(text);
    const shown = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
    const expected = new Set(modules().flatMap(({ series = [] }) => series.map(({ name }) => name)));
    assert.ok(expected.size > 20);
    assert.deepEqual([...shown].sort(), [...expected].sort());
  } finally {
    await service.stop();
  }
});

Deno.test("modules: a service whose HTTP port is in use closes its QUIC listener and its database", async () => {
  const directory = await Deno.makeTempDir();
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const start = (httpPort: number) => {
    const config: Config = defaultConfig();
    return startService({
      config: {
        ...config,
        http: { ...config.http, hostname: "127.0.0.1", port: httpPort },
        quic: { ...config.quic, hostname: "127.0.0.1", port: 0 },
        certificates: { directory, names: [] },
        drain: { deadline: 0 },
      },
      log: createLogger({ write: () => {} }),
    });
  };
  const before = Deno.cwd();
  Deno.chdir(directory);
  try {
    await assert.rejects(start((taken.addr as Deno.NetAddr).port), /^BindError: http\.port: \d+ is in use/);
    // A database that is open cannot be opened again; the sanitizers find what else would be left.
    const service = await start(0);
    await service.shutdown("test is over");
  } finally {
    Deno.chdir(before);
    taken.close();
    await Deno.remove(directory, { recursive: true });
  }
});
