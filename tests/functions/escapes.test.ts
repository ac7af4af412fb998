/** Ways out of an isolate, tried in real ones: none leads anywhere, and the service goes on. */

import assert from "node:assert/strict";
import { source, testFunction } from "./support.ts";

/**
 * What a hostile function does to get at the runtime although nothing in its scope leads there: a stand-in for `Deno`, on
 * which the modules of Node insist, and imports that `eval` hides from whoever reads the source.
 */
const HOSTILE = source(`
    if (event.command === "ok") return "ok";
    const any: any = new Proxy(class {}, {
      get: (target: any, key) =>
        key === "then" ? undefined : key === Symbol.toPrimitive ? () => "1" : key === "prototype" ? target.prototype : any,
      apply: () => any,
      construct: () => any,
    });
    (globalThis as any).Deno = any;
    return await eval("(async () => { const node = (name) => import('node:' + name); " + event.args + "})()");`);

/** What it does then, and what it is told. */
const TRIES: Readonly<Record<string, readonly [string, RegExp]>> = {
  "read a file": [
    'return (await node("fs")).readFileSync("/etc/passwd", "utf8")',
    /NotCapable: Requires read access/,
  ],
  "write a file": [
    '(await node("fs")).writeFileSync("/tmp/skein-escape", "x")',
    /NotCapable: Requires write access/,
  ],
  "list a folder": ['return (await node("fs")).readdirSync("/")', /NotCapable: Requires read access/],
  "read the memory of the service": [
    'return (await node("fs")).readFileSync("/proc/SERVICE/environ", "utf8")',
    /NotCapable/,
  ],
  "kill the service": [
    '(await node("process")).default.kill(SERVICE, "SIGKILL")',
    /NotCapable: Requires run access|i32/,
  ],
  "run a program": [
    'const { error, stdout } = (await node("child_process")).spawnSync("/bin/id"); if (!String(stdout).includes("uid=")) throw error ?? new Error("no output"); return "ran"',
    /./,
  ],
  "listen": [
    'const server = (await node("net")).createServer(); server.on("error", () => {}); ' +
    'server.listen(0, "127.0.0.1"); await new Promise((done) => setTimeout(done, 100)); ' +
    'if (!server.listening) throw new Error("not listening"); return "listens"',
    /not listening|NotCapable/,
  ],
  "open a database": ['new (await node("sqlite")).DatabaseSync("/tmp/skein-escape")', /./],
  "load a package": ['return (await import("npm:ms@2.1.3")).default(1)', /npm specifiers were requested/],
  "load a module from elsewhere": ['return (await import("http://127.0.0.1:PORT/x.js")).default', /./],
  "load a file": [
    'return (await import("file:///etc/os-release.json", { with: { type: "json" } })).default',
    /Requires read access/,
  ],
  "load a file of the service": ['return await import("file://SOURCE")', /Requires read access/],
};

Deno.test("functions: what leads out of an isolate is not in its scope", async () => {
  const fn = await testFunction({
    "main.ts": source(
      "return [typeof Deno, typeof process, typeof Worker, typeof WebSocket, typeof postMessage];",
    ),
  });
  try {
    await fn.load();
    assert.deepEqual((await fn.command("")).value, Array(5).fill("undefined"));
  } finally {
    await fn.close();
  }
});

for (const [what, [code, said]] of Object.entries(TRIES)) {
  Deno.test(`functions: one that gets hold of the runtime cannot ${what}`, async () => {
    let asked = 0;
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
      asked++;
      return new Response("export default 1", { headers: { "content-type": "text/javascript" } });
    });
    const fn = await testFunction({ "main.ts": HOSTILE });
    try {
      await fn.load();
      const script = code.replaceAll("PORT", String(server.addr.port)).replaceAll("SERVICE", String(Deno.pid))
        .replaceAll("SOURCE", new URL("../../main.ts", import.meta.url).pathname);
      const error = await fn.failure("try", script, { timeout: 10_000 });
      assert.ok(["threw", "timeout", "crashed"].includes(error.kind), error.kind);
      assert.match(error.message, said);
      assert.equal(asked, 0);
      await assert.rejects(Deno.stat("/tmp/skein-escape"), Deno.errors.NotFound);
    } finally {
      await fn.close();
      await server.shutdown();
    }
  });
}

/** What ends an isolate, or leaves it without an answer. */
const ENDS: Readonly<Record<string, readonly [string, string]>> = {
  "writes to standard output": [
    '(await node("process")).default.stdout.write("hello\\n".repeat(10)); await new Promise(() => {});',
    "crashed",
  ],
  "ends its worker": [
    '(await node("process")).default.reallyExit(3); await new Promise(() => {});',
    "timeout",
  ],
  "grows WebAssembly memory": [
    "const all = []; for (;;) { const memory = new WebAssembly.Memory({ initial: 1000, maximum: 65536 }); " +
    "new Uint8Array(memory.buffer).fill(1); all.push(memory); }",
    "memory",
  ],
  "takes the frames of the service": [
    "setTimeout(() => self.dispatchEvent(new MessageEvent('message', { data: new Uint8Array([255, 255, 255, 255, 0, 0, 0, 0, 1]) })), 0); " +
    "await new Promise(() => {});",
    "crashed",
  ],
};

for (const [what, [code, kind]] of Object.entries(ENDS)) {
  Deno.test(`functions: one that ${what} gets an error, and the next call is answered`, async () => {
    const fn = await testFunction({ "main.ts": HOSTILE }, { limits: { memory: 200 * 1024 ** 2 } });
    try {
      await fn.load();
      const error = await fn.failure("bad", code, { timeout: kind === "timeout" ? 1000 : 20_000 });
      assert.equal(error.kind, kind, error.message);
      assert.equal((await fn.command("ok")).value, "ok");
    } finally {
      await fn.close();
    }
  });
}
