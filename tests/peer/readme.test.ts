/** The README's program, run as its readers run it, and the sample configurations for STUN and TURN. */

import assert from "node:assert/strict";
import { loadConfig } from "../../src/service/config/load.ts";
import { problemLine } from "../../src/service/config/problem.ts";
import { ROOT } from "../service/cli_support.ts";

Deno.test("peer readme: the pair of peers finds a path and echoes", async () => {
  const readme = await Deno.readTextFile(`${ROOT}src/peer/README.md`);
  const program = /^```ts\n(\/\/ pair\.ts\n[\s\S]*?)^```/m.exec(readme)?.[1];
  assert.ok(program !== undefined, "no pair.ts in the README");
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/pair.ts`, program);
    const imports = { "@skein/client/quic/peer": `${ROOT}src/peer/mod.ts` };
    const own = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`)).imports;
    await Deno.writeTextFile(
      `${directory}/deno.json`,
      JSON.stringify({ unstable: ["net"], imports: { ...own, ...imports } }),
    );
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--check", "-A", "pair.ts"],
      cwd: directory,
      env: { NO_COLOR: "1" },
      signal: AbortSignal.timeout(60_000),
    }).output();
    const text = new TextDecoder();
    assert.equal(code, 0, text.decode(stderr));
    const lines = text.decode(stdout).trim().split("\n");
    for (const line of ["path: direct", "state: connected", "echo: hello"]) {
      assert.ok(lines.includes(line), lines.join());
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("peer readme: what turnserver.conf says of the service's configuration is good", async () => {
  const conf = await Deno.readTextFile(`${ROOT}deploy/turnserver.conf`);
  const at = conf.indexOf('#   "peers": {');
  assert.ok(at > 0);
  const secret = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(secret, "REPLACE-WITH-32-RANDOM-BYTES");
    const text = `{${conf.slice(at).replaceAll(/^#/gm, "").replace("/etc/skein/turn-secret", secret)}}`;
    const { config, problems } = await loadConfig({ path: "sample", text, env: {} });
    assert.deepEqual(problems.map(problemLine), []);
    assert.equal(config!.peers.turn.length, 3);
  } finally {
    await Deno.remove(secret);
  }
});
