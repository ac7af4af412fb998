/** Processes of the command line, and what they write. */

/** The program. */
export const MAIN = new URL("../../main.ts", import.meta.url).pathname;
/** The directory of the project. */
export const ROOT = new URL("../../", import.meta.url).pathname;

/** A process whose standard error, or output, is read line by line. */
export class Child {
  readonly #child: Deno.ChildProcess;
  readonly #lines: string[] = [];
  readonly #reading: Promise<void>;
  #wake: () => void = () => {};
  #ended = false;

  constructor(args: string[], cwd: string, env: Record<string, string> = {}, command = Deno.execPath()) {
    const child = new Deno.Command(command, {
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

/** Runs `body` with a directory of its own. */
export async function inDirectory(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** A configuration file on free ports. */
export function config(more: Record<string, unknown> = {}): string {
  return JSON.stringify({ http: { port: 0 }, quic: { port: 0 }, log: { format: "json" }, ...more });
}

/** Starts `serve` with the configuration in `dir`. */
export function serve(
  dir: string,
  env: Record<string, string> = {},
  args = ["--config", `${dir}/skein.jsonc`],
): Child {
  const deno = ["run", "--no-prompt", "--quiet", "-A", "--config", `${ROOT}deno.json`];
  return new Child([...deno, MAIN, ...args], dir, env);
}
