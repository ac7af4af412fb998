import assert from "node:assert/strict";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const ROOT = new URL("../../", import.meta.url).pathname;

/** A process whose standard error is read line by line. */
class Child {
  readonly #child: Deno.ChildProcess;
  readonly #lines: string[] = [];
  readonly #reading: Promise<void>;
  #wake: () => void = () => {};
  #ended = false;

  constructor(args: string[], cwd: string, env: Record<string, string> = {}) {
    const child = new Deno.Command(Deno.execPath(), {
      args,
      cwd,
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#child = child;
    this.#reading = (async () => {
      let rest = "";
      for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) {
        const parts = (rest + chunk).split("\n");
        rest = parts.pop()!;
        this.#lines.push(...parts);
        this.#wake();
      }
      this.#ended = true;
      this.#wake();
    })();
  }

  /** The next line that holds `text`; those before it are given up. */
  async line(text: string): Promise<string> {
    const deadline = Date.now() + 30_000;
    const seen: string[] = [];
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) {
        seen.push(line);
        if (line.includes(text)) return line;
        continue;
      }
      const left = deadline - Date.now();
      if (this.#ended || left <= 0) throw new Error(`no line with ${text} in:\n${seen.join("\n")}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(resolve, left);
      await promise;
      clearTimeout(timer);
    }
  }

  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** The exit code. */
  async end(): Promise<number> {
    const { code } = await this.#child.status;
    await this.#reading;
    return code;
  }

  /** Whatever happened, it is gone afterwards. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#child.status;
    await this.#reading;
  }
}

async function inDirectory(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function config(more: Record<string, unknown> = {}): string {
  return JSON.stringify({ http: { port: 0 }, quic: { port: 0 }, log: { format: "json" }, ...more });
}

function serve(
  dir: string,
  env: Record<string, string> = {},
  args = ["--config", `${dir}/skein.jsonc`],
): Child {
  const deno = ["run", "--no-prompt", "--quiet", "-A", "--config", `${ROOT}deno.json`];
  return new Child([...deno, MAIN, ...args], dir, env);
}

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
      assert((await child.line("could not start")).includes('"level":"error"'), "it is an error");
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

Deno.test("serve: a second signal ends a drain that takes too long, at once and with 1", () =>
  inDirectory(async (dir) => {
    // A service whose end never comes: what counts here is the signals.
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
      const waiting = untilSignalled(service, createLogger({ format: "json" }));
      console.error("ready");
      await waiting;
      clearInterval(keepAlive);
    `;
    await Deno.writeTextFile(`${dir}/program.ts`, program);
    const deno = ["run", "--no-prompt", "--no-check", "--quiet", "-A", "--config", `${ROOT}deno.json`];
    await using child = new Child([...deno, `${dir}/program.ts`], dir);
    await child.line("ready");
    child.signal("SIGHUP");
    await child.line("could not reload");
    child.signal("SIGTERM");
    await child.line("asked SIGTERM");
    child.signal("SIGTERM");
    await child.line("ending at once");
    assert.equal(await child.end(), 1);
  }));
