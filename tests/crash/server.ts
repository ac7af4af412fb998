/**
 * The service in a process of its own, started as its users start it, to be killed.
 *
 * @module
 */

import { createTokenSigner } from "../../src/auth/mod.ts";
import type { ConfigInput } from "../support/config.ts";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);
const SECRET = "the secret of the crash test, which is of no use elsewhere";
const OFF = { messagesPerSecond: 0, messageBurst: 0, bytesPerSecond: 0, byteBurst: 0 };
/** Milliseconds a start may take on a machine that is busy. */
const START_LIMIT = 30_000;

/** What stays between two starts of the service. */
export interface Place {
  readonly directory: string;
  readonly port: number;
  readonly token: string;
}

/** Makes a place with a configuration and a port that was free a moment ago. */
export async function makePlace(over: ConfigInput = {}): Promise<Place> {
  const directory = await Deno.makeTempDir({ prefix: "skein-crash-" });
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const config: ConfigInput = {
    http: { hostname: "127.0.0.1", port },
    quic: { enabled: false },
    auth: { keys: [{ alg: "HS256", secret: SECRET }] },
    session: { rates: { connection: OFF, user: OFF } },
    namespaces: { default: { historySize: 1_000_000, historyAge: "1d" } },
    engine: { sqlite: { path: `${directory}/data/skein.db` } },
    log: { level: "info", format: "json" },
    ...over,
  };
  await Deno.writeTextFile(`${directory}/skein.jsonc`, JSON.stringify(config));
  const signer = createTokenSigner({ key: { alg: "HS256", secret: SECRET } });
  return { directory, port, token: await signer.sign({ sub: "ann" }) };
}

/** The environment of this process without the variables that configure the service. */
function environment(): Record<string, string> {
  const names = Object.entries(Deno.env.toObject());
  return Object.fromEntries(names.filter(([name]) => !name.startsWith("SKEIN_") && name !== "PORT"));
}

/** A running service. */
export interface Life extends AsyncDisposable {
  /** Ends it as `kill -9` does, and waits until it is gone. */
  kill(): Promise<void>;
}

/** Starts the service and waits until it serves. */
export async function startServer(place: Place): Promise<Life> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--quiet",
      "--no-check",
      "-P=server",
      `--config=${ROOT}deno.json`,
      `${ROOT}main.ts`,
      "serve",
      "--config",
      "skein.jsonc",
    ],
    cwd: place.directory,
    clearEnv: true,
    env: { ...environment(), NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let log = "";
  const serving = Promise.withResolvers<void>();
  const reading = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      log = (log + text).slice(-20_000);
      if (log.includes('"event":"serving"')) serving.resolve();
    }
    serving.reject(new Error(`the service ended before it served:\n${log}`));
  })();
  // After the start nobody reads its output.
  serving.promise.catch(() => {});
  const kill = async (): Promise<void> => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await child.status;
    await reading;
  };
  const timer = setTimeout(
    () => serving.reject(new Error(`not serving within ${START_LIMIT} ms:\n${log}`)),
    START_LIMIT,
  );
  try {
    await serving.promise;
  } catch (error) {
    await kill();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return { kill, [Symbol.asyncDispose]: kill };
}
