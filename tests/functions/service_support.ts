/** A running service with functions, for tests. */

import { startTestService, type TestService } from "../support/service.ts";
import type { ConfigInput } from "../support/config.ts";

/** A service and its folder of functions. */
export interface FunctionService extends TestService {
  readonly directory: string;
  /** Writes files of the folder. */
  write(files: Readonly<Record<string, string>>): Promise<void>;
  /** Resolves with the first line of the log that fits, now or later. */
  line(fits: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
  /** Resolves when a version of the function other than `before` is in force. */
  loaded(name: string, before?: unknown): Promise<void>;
}

/** Starts a service with these functions. */
export async function functionService(
  files: Readonly<Record<string, string>>,
  functions: Record<string, unknown> = {},
  more: ConfigInput = {},
): Promise<FunctionService> {
  const directory = await Deno.makeTempDir({ prefix: "skein-functions-" });
  const write = async (given: Readonly<Record<string, string>>): Promise<void> => {
    for (const [name, text] of Object.entries(given)) {
      const path = `${directory}/${name}`;
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      // As editors do it: nobody sees half a file.
      await Deno.writeTextFile(`${path}~`, text);
      await Deno.rename(`${path}~`, path);
    }
  };
  await write(files);
  const service = await startTestService({
    ...more,
    functions: { directory, startTimeout: "60s", ...functions },
  });
  const version = async (name: string) => (await service.stats()).functions?.functions[name]?.version;
  return {
    ...service,
    directory,
    write,
    async line(fits) {
      for (;;) {
        const found = service.lines.find(fits);
        if (found !== undefined) return found;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    async loaded(name, before) {
      while ([undefined, before].includes(await version(name))) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    async stop() {
      await service.stop();
      await Deno.remove(directory, { recursive: true });
    },
  };
}
