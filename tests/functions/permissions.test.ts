/** Functions in a program of its own, with the permissions of production, and the isolate of the compiled program. */

import assert from "node:assert/strict";
import { encodeFrame, FrameReader } from "../../src/functions/child/frames.ts";
import { isolateCommand } from "../../src/functions/launch.ts";
import { source } from "./support.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

Deno.test("functions: with named permissions a service runs them, and may run no other program", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/web.ts`, source("return 'hello';", "", "on: { http: true },"));
    const script = `
import { startTestService } from "./tests/support/service.ts";
const service = await startTestService({ functions: { directory: ${
      JSON.stringify(directory)
    }, startTimeout: "60s" } });
const answer = await (await fetch(service.url + "/fn/web")).text();
await service.stop();
const runs = [Deno.execPath(), "/bin/true"].map((path) => {
  try { return new Deno.Command(path).outputSync().code; } catch (error) { return error.name; }
});
console.log(JSON.stringify({ answer, runs }));`;
    const file = `${ROOT}tests/functions/${crypto.randomUUID()}.ts`;
    await Deno.writeTextFile(file, script.replace("./tests/", "../"));
    try {
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-P=server", "--no-prompt", "--no-check", "--no-lock", file],
        cwd: ROOT,
        stdin: "null",
      }).output();
      assert.deepEqual(
        JSON.parse(new TextDecoder().decode(stdout) || `"${new TextDecoder().decode(stderr)}"`),
        { answer: "hello", runs: ["NotCapable", "NotCapable"] },
      );
    } finally {
      await Deno.remove(file);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("functions: the program itself becomes an isolate when it is told to, and gives up its permissions", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-P=server",
      "--no-prompt",
      "--no-lock",
      `${ROOT}main.ts`,
      "function-isolate",
      String(512 * 1024 ** 2),
    ],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const input = child.stdin.getWriter();
  const code = "export default { handler: async () => { " +
    "try { return (await import('file:///etc/passwd.json', { with: { type: 'json' } })).default; } " +
    "catch (error) { return error.message; } } };";
  await input.write(encodeFrame({
    t: "load",
    name: "main",
    secrets: {},
    modules: [{ name: "main.ts", json: false, code: [code] }],
  }));
  const reader = new FrameReader();
  const seen: Record<string, unknown>[] = [];
  for await (const chunk of child.stdout) {
    for (const { header } of reader.push(chunk)) {
      if (header.t !== "memory") seen.push(header);
      if (header.t === "loaded") {
        await input.write(encodeFrame({ t: "call", id: 1, event: { kind: "command" } }));
      }
    }
    if (seen.some(({ t }) => t !== "loaded")) break;
  }
  assert.deepEqual(seen.map(({ t }) => t), ["loaded", "done"]);
  assert.match(String(seen[1]!.value), /Requires read access/);
  // The end of its input is the end of the service: it must not outlive it.
  await input.close();
  assert.equal((await child.status).code, 0);
});

Deno.test("functions: an isolate in an endless loop outlives signals to its group, and ends with the service", async () => {
  const child = isolateCommand(512 * 1024 ** 2).spawn();
  const drained = Promise.all([child.stderr.pipeTo(new WritableStream()), watch()]);
  let looping = () => {};
  const loops = new Promise<void>((resolve) => looping = resolve);
  async function watch(): Promise<void> {
    const reader = new FrameReader();
    for await (const chunk of child.stdout) {
      for (const { header } of reader.push(chunk)) if (header.text === "loops") looping();
    }
  }
  const input = child.stdin.getWriter();
  const modules = [{ name: "main.ts", json: false, code: ["console.log('loops'); for (;;);"] }];
  await input.write(encodeFrame({ t: "load", name: "main", secrets: {}, modules }));
  await loops;
  for (const signal of ["SIGINT", "SIGTERM"] as const) child.kill(signal);
  await input.close();
  assert.deepEqual({ ...await child.status }, { success: true, code: 0, signal: null });
  await drained;
});
