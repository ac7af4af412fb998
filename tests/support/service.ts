/** A whole service in this process, on free ports, for tests. */

import { type Config } from "../../src/service/config/mod.ts";
import { loadConfig } from "../../src/service/config/load.ts";
import { type ConfigInput } from "./config.ts";
import { createLogger } from "../../src/service/log/mod.ts";
import { type Service, type StartOptions, startService } from "../../src/service/service.ts";
import { type CarrierKind, dial, type DialOptions, type TestClient } from "./client.ts";

/** A running service and how to reach it. */
export interface TestService {
  readonly service: Service;
  readonly config: Config;
  /** `http://127.0.0.1:port` */
  readonly url: string;
  readonly websocketUrl: string;
  /** WebTransport */
  readonly webtransportUrl: string;
  readonly quicPort: number;
  readonly certificateHash: Uint8Array<ArrayBuffer>;
  /** Log lines, as objects. */
  readonly lines: Record<string, unknown>[];
  /** A token from the service's own door. */
  token(user: string, claims?: Record<string, unknown>): Promise<string>;
  /** Connects without authenticating. */
  dial(kind: CarrierKind, options?: Partial<DialOptions>): Promise<TestClient>;
  /** Connects as a user of that name. */
  connect(kind: CarrierKind, user: string, claims?: Record<string, unknown>): Promise<TestClient>;
  /** Replaces the configuration file; resolves when the service has taken or refused it. */
  reconfigure(input: ConfigInput): Promise<void>;
  /** The figures of `/stats`. */
  // deno-lint-ignore no-explicit-any
  stats(): Promise<any>;
  stop(): Promise<void>;
}

const LOCAL: ConfigInput = {
  http: { hostname: "127.0.0.1", port: 0, perIp: { rate: 100_000, burst: 100_000, connections: 10_000 } },
  quic: { hostname: "127.0.0.1", port: 0 },
  drain: { deadline: 0 },
  engine: { kind: "memory" },
};

/**
 * Starts a service on free ports with a certificate of its own; `input` is what its configuration file says. `engine`: how
 * its engine is opened.
 */
export async function startTestService(
  input: ConfigInput = {},
  engine?: StartOptions["openEngine"],
): Promise<TestService> {
  const directory = await Deno.makeTempDir({ prefix: "skein-test-" });
  const configPath = `${directory}/skein.jsonc`;
  const merged = (over: ConfigInput): ConfigInput => ({
    ...LOCAL,
    ...over,
    http: { ...LOCAL.http, ...over.http },
    quic: { ...LOCAL.quic, ...over.quic },
    engine: {
      ...LOCAL.engine,
      ...over.engine,
      sqlite: { path: `${directory}/skein.db`, files: `${directory}/files`, ...over.engine?.sqlite },
    },
    certificates: { directory, ...over.certificates },
  });
  await Deno.writeTextFile(configPath, JSON.stringify(merged(input)));
  const { config, problems } = await loadConfig({ path: configPath });
  if (config === undefined) throw new Error(JSON.stringify(problems));
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({
    level: "debug",
    format: "json",
    write: (line) => void lines.push(JSON.parse(line)),
  });
  const service = await startService({
    config,
    configPath,
    log,
    version: "test",
    ...(engine === undefined ? {} : { openEngine: engine }),
  });
  const { http, quic } = service.addresses;
  const url = `http://127.0.0.1:${http.port}`;
  const client = await (await fetch(`${url}/client.json`)).json();
  const hashes: string[] = client.certificateHashes ?? [];
  const certificateHash = hashes.length > 0 ? Uint8Array.fromBase64(hashes[0]!) : new Uint8Array();
  const running: TestService = {
    service,
    config,
    dial(kind, options = {}) {
      const { http, quic } = service.addresses;
      const target = { httpPort: http.port, quicPort: quic?.port ?? 0, certificateHash };
      return dial({ kind, ...target, strict: true, ...options });
    },
    async connect(kind, user, claims) {
      const token = await running.token(user, claims);
      const client = await running.dial(kind);
      await client.authenticate(token);
      return client;
    },
    url,
    websocketUrl: `ws://127.0.0.1:${http.port}/connection/websocket`,
    webtransportUrl: `https://127.0.0.1:${quic?.port}/connection/webtransport`,
    quicPort: quic?.port ?? 0,
    certificateHash,
    lines,
    async token(user, claims = {}) {
      const answer = await fetch(`${url}/dev/token`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ user, ...claims }),
      });
      const body = await answer.json();
      if (typeof body.token !== "string") {
        throw new Error(`no token: ${answer.status} ${JSON.stringify(body)}`);
      }
      return body.token;
    },
    async reconfigure(next) {
      await Deno.writeTextFile(configPath, JSON.stringify(merged(next)));
      await service.reload();
    },
    async stats() {
      return await (await fetch(`${url}/stats`)).json();
    },
    async stop() {
      await service.shutdown("test is over");
      await Deno.remove(directory, { recursive: true });
    },
  };
  return running;
}
