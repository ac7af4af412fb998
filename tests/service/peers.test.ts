/** The servers that peers are told of, and the credentials for them. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { PeersModule } from "../../src/service/peers/module.ts";
import { defaultConfig } from "../support/config.ts";

const SECRET = "shared with the TURN server";
const TURN = ["turn:turn.example.org", "turns:turn.example.org"];

async function moduleWith(peers: Record<string, unknown>, now = 1_000_000): Promise<PeersModule> {
  const module = new PeersModule(() => now);
  const config = defaultConfig();
  await module.start({ ...config, peers: { ...config.peers, ...peers } });
  return module;
}

Deno.test("peers module: TURN credentials are those that coturn makes of the shared secret", async () => {
  const module = await moduleWith({ stun: ["stun:turn.example.org"], turn: TURN, turnSecret: SECRET });
  const { stun, turn, expiresIn } = module.servers("a-session");
  assert.deepEqual(stun, ["stun:turn.example.org"]);
  assert.equal(expiresIn, 3_600_000);
  const username = "4600:a-session";
  const credential = createHmac("sha1", SECRET).update(username).digest("base64");
  assert.deepEqual(turn, TURN.map((url) => ({ url, username, credential })));
});

Deno.test("peers module: another secret holds from the next credentials on", async () => {
  const module = await moduleWith({ turn: TURN, turnSecret: SECRET });
  const [before] = module.servers("s").turn;
  const config = defaultConfig();
  await module.apply({ ...config, peers: { ...config.peers, turn: TURN, turnSecret: "another" } });
  assert.notEqual(module.servers("s").turn[0]!.credential, before!.credential);
});

Deno.test("peers module: without servers nothing is handed out", async () => {
  const module = await moduleWith({});
  assert.deepEqual(module.servers("s"), { stun: [], turn: [], expiresIn: 3_600_000 });
});

Deno.test("peers module: the secret may lie in a file, and a missing file refuses the configuration", async () => {
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, `${SECRET}\n`);
  const module = await moduleWith({ turn: TURN, turnSecretFile: file });
  const credential = createHmac("sha1", SECRET).update("4600:s").digest("base64");
  assert.equal(module.servers("s").turn[0]!.credential, credential);
  await Deno.remove(file);
  await assert.rejects(moduleWith({ turn: TURN, turnSecretFile: file }));
});
