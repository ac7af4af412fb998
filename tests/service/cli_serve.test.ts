import assert from "node:assert/strict";
import { Child, config, inDirectory, ROOT, serve } from "./cli_support.ts";

Deno.test("serve: the service starts with a file, says where it serves, and ends with 0 on SIGTERM", () =>
  inDirectory(async (dir) => {
    await Deno.writeTextFile(`${dir}/skein.jsonc`, config());
    await using child = serve(dir);
    const serving = JSON.parse(await child.line('"event":"serving"'));
    assert.match(serving.page, /^http:\/\/localhost:\d+\/$/);
    assert.match(serving.quic, /^\[::\]:\d+\/udp$/);
    assert(
      (await child.line("development mode")).includes('"level":"warn"'),
      "development mode is said aloud",
    );
    const response = await fetch(`${serving.page}healthz`);
    assert.equal(response.status, 200);
    await response.body?.cancel();
    child.signal("SIGTERM");
    assert.equal(await child.end(), 0);
  }));

Deno.test("serve: SIGINT ends the service in order as well", () =>
  inDirectory(async (dir) => {
    await Deno.writeTextFile(`${dir}/skein.jsonc`, config());
    await using child = serve(dir);
    await child.line('"event":"serving"');
    child.signal("SIGINT");
    assert.equal(await child.end(), 0);
  }));

Deno.test("serve: SIGHUP reads the file at once: a bad one is reported and the service goes on", () =>
  inDirectory(async (dir) => {
    await Deno.writeTextFile(`${dir}/skein.jsonc`, config());
    await using child = serve(dir);
    const { page } = JSON.parse(await child.line('"event":"serving"'));
    await Deno.writeTextFile(`${dir}/skein.jsonc`, config({ quic: { prot: 1 } }));
    child.signal("SIGHUP");
    assert((await child.line("quic.prot")).includes("did you mean quic.port"), "the problem is logged");
    const response = await fetch(`${page}healthz`);
    assert.equal(response.status, 200);
    await response.body?.cancel();
    child.signal("SIGTERM");
    assert.equal(await child.end(), 0);
  }));

Deno.test("serve: SIGHUP without a file to read says that there is none, and the service goes on", () =>
  inDirectory(async (dir) => {
    await using child = serve(dir, {}, ["--http.port", "0", "--quic.port", "0", "--log.format", "json"]);
    await child.line('"event":"serving"');
    child.signal("SIGHUP");
    assert((await child.line("no configuration file")).includes('"level":"warn"'));
    child.signal("SIGTERM");
    assert.equal(await child.end(), 0);
  }));

Deno.test("serve: a port in use ends the start with 1 and one line", () =>
  inDirectory(async (dir) => {
    const taken = Deno.listen({ hostname: "::", port: 0 });
    try {
      const { port } = taken.addr as Deno.NetAddr;
      await Deno.writeTextFile(`${dir}/skein.jsonc`, config({ http: { port } }));
      await using child = serve(dir);
      const line = JSON.parse(await child.line("could not start"));
      assert.equal(line.level, "error");
      assert.equal(
        line.reason,
        `http.port: ${port} is in use; end the program that uses it (perhaps another Skein), ` +
          `or set another port, as in --http.port ${port + 1}`,
      );
      assert.equal(line.error, undefined, "no stack");
      assert.equal(await child.end(), 1);
    } finally {
      taken.close();
    }
  }));

Deno.test("serve: development mode is refused where the environment demands production", () =>
  inDirectory(async (dir) => {
    await Deno.writeTextFile(`${dir}/skein.jsonc`, config());
    await using child = serve(dir, { SKEIN_ENV: "production" });
    await child.line("auth.keys: no keys");
    assert.equal(await child.end(), 1);
  }));

/** A program with a service whose end never comes: it shows what signals do. */
async function signalled(dir: string, terminal: boolean): Promise<Child> {
  const program = `
    import { untilSignalled } from ${JSON.stringify(`${ROOT}src/service/cli/signals.ts`)};
    import { createLogger } from ${JSON.stringify(`${ROOT}src/service/log/mod.ts`)};
    const never = new Promise(() => {});
    const keepAlive = setInterval(() => {}, 1000);
    const service = {
      finished: never,
      shutdown(reason) { console.error("asked " + reason); return never; },
      reload: () => Promise.reject(new Error("cannot")),
    };
    const waiting = untilSignalled(service, createLogger({ format: "json" }), ${terminal});
    console.error("ready");
    await waiting;
    clearInterval(keepAlive);
  `;
  await Deno.writeTextFile(`${dir}/program.ts`, program);
  const deno = ["run", "--no-prompt", "--no-check", "--quiet", "-A", "--config", `${ROOT}deno.json`];
  const child = new Child([...deno, `${dir}/program.ts`], dir);
  await child.line("ready");
  return child;
}

Deno.test("serve: a second signal ends a drain that takes too long, at once and with 1", () =>
  inDirectory(async (dir) => {
    await using child = await signalled(dir, false);
    child.signal("SIGTERM");
    await child.line("asked SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 600));
    child.signal("SIGTERM");
    await child.line("ending at once");
    assert.equal(await child.end(), 1);
  }));

Deno.test("serve: signals right after the first one are the same Ctrl-C", () =>
  inDirectory(async (dir) => {
    await using child = await signalled(dir, true);
    child.signal("SIGINT");
    child.signal("SIGTERM");
    await child.line("asked");
    await new Promise((resolve) => setTimeout(resolve, 600));
    // This throws when the second signal has ended the process.
    child.signal("SIGINT");
    await child.line("ending at once");
    assert.equal(await child.end(), 1);
  }));

Deno.test("serve: SIGHUP reloads without a terminal and a reload that fails is logged", () =>
  inDirectory(async (dir) => {
    await using child = await signalled(dir, false);
    child.signal("SIGHUP");
    await child.line("could not reload");
  }));

Deno.test("serve: SIGHUP ends a service in a terminal", () =>
  inDirectory(async (dir) => {
    await using child = await signalled(dir, true);
    child.signal("SIGHUP");
    await child.line("asked SIGHUP");
  }));
