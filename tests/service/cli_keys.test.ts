import assert from "node:assert/strict";
import { run } from "../../src/service/cli/mod.ts";

async function cli(args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "", err = "";
  const code = await run(args, {
    env: {},
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    input: () => Promise.resolve(""),
  });
  return { code, out, err };
}

Deno.test("cli: gen-key makes a pair whose tokens the service takes, and keeps one that is there", async () => {
  const directory = await Deno.makeTempDir({ prefix: "skein-key-" });
  try {
    const made = await cli(["gen-key", "--directory", directory, "--kid", "k1"]);
    assert.equal(made.code, 0, made.err);
    const config = `${directory}/skein.jsonc`;
    const publicKey = `${directory}/k1.pub.pem`;
    await Deno.writeTextFile(
      config,
      `{"auth": {"keys": [{"alg": "EdDSA", "kid": "k1", "publicKey": "${publicKey}"}]}}`,
    );
    const key = `${directory}/k1.key.pem`;
    assert.equal((await Deno.stat(key)).mode! & 0o777, 0o600);
    const token = await cli(["token", "--config", config, "--private-key", key, "ann"]);
    assert.equal(token.code, 0, token.err);
    const checked = await cli(["token", "--config", config, "--check", token.out.trim()]);
    assert.equal(checked.code, 0, checked.out + checked.err);
    const again = await cli(["gen-key", "--directory", directory, "--kid", "k1"]);
    assert.equal(again.code, 1);
    assert.equal((await cli(["gen-key", "--kid", "a/b"])).code, 2);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
