/**
 * What the attacks share: a service in a process of its own, with the permissions it has in production, and a pair of
 * well-behaved clients beside the attacker.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createConnection, type Socket } from "node:net";
import type { ConfigInput } from "../support/config.ts";
import { type CarrierKind, dial, type TestClient } from "../support/client.ts";
import { deadline } from "../../src/async/deadline.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** A service under attack. */
export interface Target extends AsyncDisposable {
  readonly port: number;
  readonly quicPort: number;
  readonly url: string;
  /** SHA-256 of the certificate of QUIC. */
  readonly certificateHash: Uint8Array<ArrayBuffer>;
  /** Resident memory in bytes. */
  residentBytes(): Promise<number>;
  // deno-lint-ignore no-explicit-any
  stats(): Promise<any>;
  /** What `/metrics` says. */
  metrics(): Promise<string>;
  token(user: string): Promise<string>;
  connect(kind: CarrierKind, user: string): Promise<TestClient>;
  /** Bytes of log lines so far. */
  readonly logged: number;
}

/** Options of a target. */
export interface TargetOptions {
  /** File descriptors that its process may have. @default those of this process */
  readonly descriptors?: number;
  readonly config?: ConfigInput;
  /** Serves HTTPS with this certificate. @default none */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** Bytes of a mebibyte. */
export const MEBIBYTE = 1024 * 1024;

/** Starts a service. */
export async function startTarget({ descriptors, config = {}, tls }: TargetOptions = {}): Promise<Target> {
  const directory = await Deno.makeTempDir({ prefix: "skein-attack-" });
  const path = `${directory}/skein.jsonc`;
  await Deno.writeTextFile(
    path,
    JSON.stringify({
      engine: { kind: "memory" },
      drain: { deadline: 0 },
      certificates: { directory },
      log: { level: "info", format: "json" },
      ...config,
      http: {
        hostname: "127.0.0.1",
        port: 0,
        internal: { port: 0 },
        ...(tls && { tls }),
        ...config.http,
      },
      quic: { hostname: "127.0.0.1", port: 0, ...config.quic },
    }),
  );
  const limit = descriptors === undefined ? "" : `ulimit -n ${descriptors}; `;
  const flags = "--allow-net --allow-read --allow-write --allow-env --allow-sys";
  const child = new Deno.Command("/bin/sh", {
    args: [
      "-c",
      `${limit}exec "$0" run --no-prompt --no-check ${flags} main.ts serve --config "$1"`,
      Deno.execPath(),
      path,
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let logged = 0, last = "", served = false;
  const serving = Promise.withResolvers<Record<string, string>>();
  serving.promise.catch(() => {});
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) {
      logged += chunk.length;
      last = (last + decoder.decode(chunk)).slice(-4000);
      const line = served ? undefined : /^.*"event":"serving".*\n/m.exec(last)?.[0];
      if (line === undefined) continue;
      served = true;
      serving.resolve(JSON.parse(line));
    }
    serving.reject(new Error(`it ended:\n${last}`));
  })();
  let ended = false;
  void child.status.then(() => ended = true);
  const trusting = Deno.createHttpClient({ caCerts: tls === undefined ? [] : [tls.cert] });
  const stop = async (): Promise<void> => {
    if (!ended) child.kill("SIGTERM");
    const { code } = await child.status;
    await reading;
    trusting.close();
    await Deno.remove(directory, { recursive: true });
    // Whatever it went through, it was there to the end and was shut down in order.
    if (served) assert.equal(code, 0, `it ended with ${code}:\n${last}`);
  };
  try {
    const [port, quicPort, internal] = portsOf(
      await deadline(serving.promise, 30_000, () => new Error(`it does not serve:\n${last}`)),
    );
    const url = `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`;
    const ask = async (path: string) =>
      await fetch(`http://127.0.0.1:${internal}${path}`, { signal: AbortSignal.timeout(20_000) });
    const statistics = async () => await (await ask("/stats?limit=0")).json();
    const token = async (user: string): Promise<string> => {
      const body = JSON.stringify({ user });
      const answer = await fetch(`${url}/dev/token`, { method: "POST", body, client: trusting });
      return (await answer.json()).token;
    };
    const { certificateHashes } = await (await fetch(`${url}/client.json`, { client: trusting })).json();
    const certificateHash = Uint8Array.fromBase64(certificateHashes[0]);
    return {
      port,
      quicPort,
      url,
      certificateHash,
      metrics: async () => await (await ask("/metrics")).text(),
      token,
      stats: statistics,
      residentBytes: async () => (await statistics()).process.residentBytes,
      async connect(kind, user) {
        const secret = await token(user);
        const client = await dial({ kind, httpPort: port, quicPort, certificateHash, timeout: 20_000 });
        await client.authenticate(secret);
        return client;
      },
      get logged() {
        return logged;
      },
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The ports of HTTP, QUIC and the internal listener, of the log line that names them. */
function portsOf({ http, quic, internal }: Record<string, string>): [number, number, number] {
  const port = (address = "") => Number(/:(\d+)/.exec(address)?.[1]);
  return [port(http), port(quic), port(internal)];
}

/** Waits until `holds`; rejects after half a minute. A failure of `holds` means not yet. */
export async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  const until = performance.now() + 30_000;
  let reason: unknown = "";
  for (;;) {
    try {
      if (await holds()) return;
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      reason = error;
    }
    if (performance.now() > until) throw new Error(`not within 30 s: ${what} ${reason}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The status of `/healthz`, asked by a new connection; "" when there is no answer within `patience` milliseconds. */
export function health(port: number, patience = 10_000): Promise<string> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port });
    let answer = "";
    socket.setTimeout(patience, () => socket.destroy());
    socket.on("error", () => {});
    socket.on("data", (chunk) => answer += chunk);
    socket.on("close", () => resolve(answer.split(" ")[1] ?? ""));
    socket.write("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
  });
}

/** TCP connections that say `first` and then nothing. */
export async function openSockets(port: number, count: number, first = ""): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i++) {
    const socket = createConnection({ host: "127.0.0.1", port });
    socket.on("error", () => {});
    if (first !== "") socket.write(first);
    sockets.push(socket);
    // Some at a time, so that this process keeps up.
    if (i % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return sockets;
}

/** The request of a WebSocket. */
export const UPGRADE =
  "GET /connection/websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/** Two clients that talk with each other all the time, on one transport. */
export class Pair implements AsyncDisposable {
  readonly #ann: TestClient;
  readonly #bob: TestClient;
  readonly #times: number[] = [];
  #talking = true;
  readonly #done: Promise<void>;

  private constructor(ann: TestClient, bob: TestClient) {
    this.#ann = ann;
    this.#bob = bob;
    this.#done = this.#talk();
    // Told by `check`.
    this.#done.catch(() => {});
  }

  static async start(target: Target, kind: CarrierKind): Promise<Pair> {
    const ann = await target.connect(kind, "ann"), bob = await target.connect(kind, "bob");
    await bob.ask("subscribe", { channel: "chat:pair" });
    return new Pair(ann, bob);
  }

  async #talk(): Promise<void> {
    let heard = performance.now();
    for (let n = 0; this.#talking; n++) {
      // Bob only listens otherwise, and a client that says nothing for long is taken for dead.
      if (performance.now() - heard > 2000) {
        await this.#bob.ask("ping", {});
        heard = performance.now();
      }
      const text = `message ${n}`;
      const began = performance.now();
      const arrived = this.#bob.next(
        ({ type, payload }) => type === "chat_message" && payload["text"] === text,
        20_000,
        text,
      );
      arrived.catch(() => {});
      const { type } = await this.#ann.ask("chat_message", { channel: "chat:pair", text });
      assert.equal(type, "message_ack");
      await arrived;
      this.#times.push(performance.now() - began);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /**
   * Ends the talk: every message was acknowledged and delivered, and nobody was closed. Prints how long that took, and
   * `found`, what else is worth telling of the attack.
   */
  async check(attack: string, found = ""): Promise<void> {
    this.#talking = false;
    await this.#done;
    const sorted = this.#times.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))]!.toFixed(1);
    assert.ok(sorted.length > 0, "the pair never said anything");
    console.log(`${attack}: ${sorted.length} messages, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms; ${found}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#talking = false;
    await this.#done.catch(() => {});
    await Promise.all([this.#ann.close(), this.#bob.close()]);
  }
}

/** Time for an attack to last, in milliseconds. */
export function lasting(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
