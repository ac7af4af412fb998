/** Functions in real isolates, for tests. */

import { DeployedFunction, type FunctionLimits, Slots } from "../../src/functions/mod.ts";
import type { Call, FunctionError, FunctionHost, LogLine, Outcome } from "../../src/functions/mod.ts";
import { readSource } from "../../src/functions/source.ts";

/** A function under test. */
export interface TestFunction {
  readonly deployed: DeployedFunction;
  readonly slots: Slots;
  readonly lines: LogLine[];
  /** Writes files and loads what is there. */
  load(files?: Readonly<Record<string, string>>): Promise<void>;
  /** Sends the command, whose answer is the outcome's value. */
  command(command: string, args?: unknown, call?: Partial<Call>): Promise<Outcome>;
  /** Sends the command and resolves with the error it has to end in. */
  failure(command: string, args?: unknown, call?: Partial<Call>): Promise<FunctionError>;
  close(): Promise<void>;
}

const LIMITS: FunctionLimits = {
  timeout: 20_000,
  maxTimeout: 60_000,
  startTimeout: 30_000,
  memory: 256 * 1024 ** 2,
  concurrency: 16,
  queue: 100,
  idle: 60_000,
};

/** A host that refuses everything but what a test gives it. */
export function hostOf(parts: Partial<FunctionHost>): FunctionHost {
  const refuse = (name: string) => () => Promise.reject(new Error(`the test has no ${name}`));
  return new Proxy(parts as FunctionHost, {
    get: (target, name) => Reflect.get(target, name) ?? refuse(String(name)),
  });
}

/** A function whose files are `files`; the one that is loaded is `main.ts`. It is not loaded yet. */
export async function testFunction(
  files: Readonly<Record<string, string>>,
  options: {
    readonly limits?: Partial<FunctionLimits>;
    readonly host?: Partial<FunctionHost>;
    slots?: Slots;
  } = {},
): Promise<TestFunction> {
  const directory = await Deno.makeTempDir({ prefix: "skein-functions-" });
  const lines: LogLine[] = [];
  const slots = options.slots ?? new Slots(() => 20);
  const deployed = new DeployedFunction("main", {
    limits: () => ({ ...LIMITS, ...options.limits }),
    slots,
    host: hostOf(options.host ?? {}),
    log: (_name, line) => void lines.push(line),
    started: () => {},
  });
  const write = async (given: Readonly<Record<string, string>>): Promise<void> => {
    for (const [name, text] of Object.entries(given)) {
      const path = `${directory}/${name}`;
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await Deno.writeTextFile(path, text);
    }
  };
  await write(files);
  const call = (command: string, args: unknown, rest: Partial<Call> = {}) =>
    deployed.call({
      event: {
        kind: "command",
        command,
        args: args as Record<string, null>,
        mayPublish: true,
        from: "ann",
        session: "s1",
      },
      ...rest,
    });
  return {
    deployed,
    slots,
    lines,
    async load(given = {}) {
      await write(given);
      await deployed.load(await readSource(directory, "main.ts"), {});
    },
    command: (command, args = null, rest) => call(command, args, rest),
    async failure(command, args = null, rest) {
      try {
        await call(command, args, rest);
      } catch (error) {
        return error as FunctionError;
      }
      throw new Error(`${command} did not fail`);
    },
    async close() {
      await deployed.close(0);
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/** The source of a function with this handler; `event` and `context` are in scope, and what is in `before`. */
export function source(handler: string, before = "", rest = ""): string {
  return `import { defineFunction } from "./skein.ts";
${before}
export default defineFunction({
${rest}
  async handler(event: any, context) {
${handler}
  },
});
`;
}
