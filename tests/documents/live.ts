/**
 * A whole service on real sockets that keeps what it has, and clients of it on every transport.
 *
 * @module
 */

import { SignJWT } from "jose";
import { type ClientOptions, SkeinClient } from "../../src/client/mod.ts";
import { startTestService, type TestService } from "../support/service.ts";

const UNLIMITED = { messagesPerSecond: 0, messageBurst: 0, bytesPerSecond: 0, byteBurst: 0 };
const SECRET = "a secret of at least thirty-two bytes, for tests";

/** A user's token. */
export function token(user: string): Promise<string> {
  return new SignJWT({ sub: user, exp: Math.floor(Date.now() / 1000) + 3600 })
    .setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(SECRET));
}

/** WebTransport, raw QUIC, WebSocket, and whatever comes first. */
export const TRANSPORTS: readonly Partial<ClientOptions>[] = [
  { enableWebSocket: false },
  { rawQuic: true, enableWebSocket: false },
  { enableQuic: false },
  {},
];

/** A service that can be stopped and started again where it was, with what it kept. */
export class Restartable {
  service!: TestService;
  /** QUIC gets another port each time, because a process gets none a second time; clients ask for it. */
  #http = 0;

  constructor(readonly directory: string) {}

  async start(): Promise<void> {
    this.service = await startTestService({
      http: { hostname: "127.0.0.1", port: this.#http },
      engine: { kind: "sqlite", sqlite: { path: `${this.directory}/skein.db` } },
      certificates: { directory: this.directory },
      auth: { keys: [{ alg: "HS256", secret: SECRET }] },
      session: { rates: { connection: UNLIMITED, user: UNLIMITED } },
    });
    this.#http = this.service.service.addresses.http.port;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async stop(): Promise<void> {
    const { service } = this;
    this.service = undefined as never;
    await service?.stop();
  }

  client(user: string, over: Partial<ClientOptions> = {}): SkeinClient {
    return new SkeinClient({
      url: this.service.url,
      getToken: () => token(user),
      reconnectDelay: 50,
      maxReconnectDelay: 200,
      breaker: { failures: 1000 },
      ...over,
    });
  }
}

/** Runs with a service that is gone afterwards, and all it kept. */
export async function withService(run: (place: Restartable) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "skein-documents-" });
  const place = new Restartable(directory);
  await place.start();
  try {
    await run(place);
  } finally {
    await place.stop();
    await Deno.remove(directory, { recursive: true });
  }
}
