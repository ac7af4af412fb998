/** Configuration files that are empty, half written or gone while the service runs. */

import assert from "node:assert/strict";
import { createTokenSigner } from "../../src/auth/mod.ts";
import { startTestService } from "../support/service.ts";
import { inDirectory, portFile, watching } from "./config_watch_support.ts";

const PATIENCE = 100;

for (
  const [what, text] of [
    ["an empty file", ""],
    ["a file of white space", " \n\n"],
    ["a file cut after its first comment", "// Skein\n"],
    ["a file cut in the middle", '{ "quic": { "port": 2 }'],
  ]
) {
  Deno.test(`config watch: ${what} is refused while running`, () =>
    inDirectory(async (dir) => {
      const path = `${dir}/skein.jsonc`;
      await Deno.writeTextFile(path, portFile(1));
      await watching(path, async ({ changes, problems }) => {
        await Deno.writeTextFile(path, text!);
        const [problem] = await problems.next();
        assert.match(problem!, /empty|syntax error/);
        assert.equal(changes.length, 0);
        await Deno.writeTextFile(path, portFile(3));
        assert.deepEqual((await changes.next()).previous.quic.port, 1);
      }, { patience: PATIENCE });
    }));
}

Deno.test("config watch: a file that is half written is read when the rest has come", () =>
  inDirectory(async (dir) => {
    const path = `${dir}/skein.jsonc`;
    await Deno.writeTextFile(path, portFile(1));
    await watching(path, async ({ changes, problems, reload }) => {
      const whole = portFile(2);
      await Deno.writeTextFile(path, "");
      const reloading = reload();
      // Longer than a watch waits for further events: it looks at each of these states.
      for (let length = 0; length <= whole.length; length += 4) {
        await Deno.writeTextFile(path, whole.slice(0, length));
        await new Promise((resolve) => setTimeout(resolve, 80));
      }
      await Deno.writeTextFile(path, whole);
      assert.equal((await changes.next()).next.quic.port, 2);
      assert.equal(await reloading, true);
      assert.equal(problems.length, 0);
    });
  }));

Deno.test("config watch: a file that stays away is reported once and counts again when it is back", () =>
  inDirectory(async (dir) => {
    const path = `${dir}/skein.jsonc`;
    await Deno.writeTextFile(path, portFile(1));
    const back = Promise.withResolvers<void>();
    await watching(path, async ({ problems, changes }) => {
      await Deno.remove(path);
      assert.match((await problems.next()).join(), /there is no such file/);
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert.equal(problems.length, 0, "once");
      await Deno.writeTextFile(path, portFile(1));
      await back.promise;
      assert.equal(changes.length, 0);
    }, { patience: 20, poll: 20, onUnchanged: () => back.resolve() });
  }));

Deno.test("config watch: closing does not wait for a half-written file", () =>
  inDirectory(async (dir) => {
    const path = `${dir}/skein.jsonc`;
    await Deno.writeTextFile(path, portFile(1));
    const reloading = Promise.withResolvers<boolean>();
    await watching(path, async ({ reload }) => {
      await Deno.writeTextFile(path, "");
      void reload().then(reloading.resolve);
    }, { patience: 600_000 });
    assert.equal(await reloading.promise, false);
  }));

Deno.test("reload: production does not become development while the service runs", async () => {
  const secret = "s".repeat(32);
  const production = {
    env: "production" as const,
    auth: { keys: [{ alg: "HS256" as const, secret }] },
    quic: { enabled: false },
    api: { keys: ["0123456789abcdef"] },
  };
  const service = await startTestService(production);
  const lastReload = async () => {
    const headers = { "x-api-key": "0123456789abcdef" };
    return (await (await fetch(`${service.url}/stats`, { headers })).json()).lastReload;
  };
  const devToken = async () => {
    const answer = await fetch(`${service.url}/dev/token`, { method: "POST", body: '{"user":"ann"}' });
    await answer.body?.cancel();
    return answer.status;
  };
  try {
    await service.reconfigure({ api: production.api });
    const { ok, problems } = await lastReload();
    assert.equal(ok, false);
    assert.match(problems.join(), /^env: .*production/);
    assert.equal(await devToken(), 404, "nobody makes tokens");
    const client = await service.dial("websocket");
    await client.authenticate(
      await createTokenSigner({ key: { alg: "HS256", secret } }).sign({ sub: "ann" }),
    );
    await client.close();
  } finally {
    await service.stop();
  }
});
