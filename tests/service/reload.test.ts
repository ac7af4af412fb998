/** What a running service does with a configuration that is read again. */

import assert from "node:assert/strict";
import { createTokenSigner } from "../../src/auth/mod.ts";
import { makeCertificate } from "../support/certificate.ts";
import { startTestService } from "../support/service.ts";

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

async function healthy(port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`);
    return await answer.text() === "ok\n";
  } catch {
    return false;
  }
}

Deno.test("reload: a file that is corrected counts as a good reload though no setting changed", async () => {
  const service = await startTestService();
  try {
    await service.reconfigure({ nonsense: 1 } as never);
    assert.equal((await service.stats()).lastReload.ok, false);
    await service.reconfigure({});
    const { lastReload, configReloads } = await service.stats();
    assert.equal(lastReload.ok, true);
    // The watcher may have read each of them too.
    assert.ok(configReloads.ok > 0 && configReloads.failed > 0, JSON.stringify(configReloads));
    assert.equal(configReloads.lastOk, true);
  } finally {
    await service.stop();
  }
});

Deno.test("reload: a configuration that one listener cannot take leaves all listeners where they were", async () => {
  const port = freePort();
  const service = await startTestService({ http: { port } });
  const taken = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  try {
    const moved = freePort();
    await service.reconfigure({
      http: { port: moved },
      quic: { port: (taken.addr as Deno.NetAddr).port },
    });
    assert.equal((await service.stats()).lastReload.ok, false);
    assert.equal(service.service.addresses.http.port, port);
    assert.equal(await healthy(port), true);
    assert.equal(await healthy(moved), false);
    const client = await service.connect("quic", "ann");
    await client.close();
  } finally {
    taken.close();
    await service.stop();
  }
});

Deno.test("reload: a secret whose file has other content under the same name is read at the next reload", async () => {
  const directory = await Deno.makeTempDir();
  const secretFile = `${directory}/secret`;
  const token = (secret: string) =>
    createTokenSigner({ key: { alg: "HS256", secret } }).sign({ sub: "ann", expiresIn: 60_000 });
  const [old, fresh] = ["o".repeat(32), "f".repeat(32)];
  await Deno.writeTextFile(secretFile, old);
  const config = { auth: { keys: [{ alg: "HS256" as const, secretFile }] } };
  const service = await startTestService(config);
  try {
    const before = await service.dial("websocket");
    await before.authenticate(await token(old));
    await before.close();
    await Deno.writeTextFile(secretFile, fresh);
    assert.equal(await service.service.reload(), true);
    const refused = await service.dial("websocket");
    await refused.send("auth_request", { token: await token(old) });
    assert.equal((await refused.ended()).code, 3500);
    const after = await service.dial("websocket");
    await after.authenticate(await token(fresh));
    await after.close();
  } finally {
    await service.stop();
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("reload: TLS is switched on and off on the same port", async () => {
  const port = freePort();
  const tls = await makeCertificate();
  const service = await startTestService({ http: { port } });
  using client = Deno.createHttpClient({ caCerts: [tls.cert], poolMaxIdlePerHost: 0 });
  const secure = async () =>
    await (await fetch(`https://127.0.0.1:${port}/healthz`, { client } as RequestInit)).text();
  try {
    const before = await service.connect("websocket", "ann");
    await service.reconfigure({ http: { port, tls: { cert: tls.cert, key: tls.key } } });
    assert.deepEqual((await before.ended()).code, 1001, "clients come back, with TLS");
    assert.equal(await secure(), "ok\n");
    assert.equal(await healthy(port), false, "no plain HTTP any more");
    await service.reconfigure({ http: { port, tls: { cert: tls.cert, key: "no key" } } });
    assert.equal(await secure(), "ok\n", "what cannot be had changes nothing");
    await service.reconfigure({ http: { port } });
    assert.equal(await healthy(port), true);
    await assert.rejects(secure());
  } finally {
    await service.stop();
  }
});

Deno.test("reload: what is in force is a line that names the changed keys, those that need a restart apart", async () => {
  const service = await startTestService();
  try {
    await service.reconfigure({ session: { maxChannels: 7 }, engine: { dedupeWindow: "5m" } });
    await service.reconfigure({ session: { maxChannels: 0 } } as never);
    const lines = service.lines.filter(({ event }) => event === "configuration in force");
    assert.deepEqual(lines.map(({ level, changed, afterRestart }) => ({ level, changed, afterRestart })), [{
      level: "info",
      changed: ["session.maxChannels", "engine.dedupeWindow"],
      afterRestart: ["engine.dedupeWindow"],
    }]);
  } finally {
    await service.stop();
  }
});
