/**
 * A service that is stopped and started again where it was, with the files it kept.
 *
 * @module
 */

import { SignJWT } from "jose";
import { type ClientOptions, SkeinClient } from "../../src/client/mod.ts";
import { startTestService, type TestService } from "../support/service.ts";

const SECRET = "a secret of at least thirty-two bytes, for tests";

/** What makes a client use one transport alone. */
export const ALONE = {
  webtransport: { enableWebSocket: false },
  quic: { rawQuic: true, enableWebSocket: false },
  websocket: { enableQuic: false },
} as const satisfies Record<string, Partial<ClientOptions>>;

/** A service with a directory of its own, and clients of it. */
export class Restartable implements AsyncDisposable {
  service!: TestService;
  readonly #directory: string;
  readonly #clients: SkeinClient[] = [];
  /** QUIC gets another port each time, because a process gets none a second time; clients ask for it. */
  #http = 0;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(): Promise<Restartable> {
    const place = new Restartable(await Deno.makeTempDir({ prefix: "skein-files-" }));
    await place.#start();
    return place;
  }

  async restart(): Promise<void> {
    await this.service.stop();
    await this.#start();
  }

  join(user: string, over: Partial<ClientOptions> = {}): SkeinClient {
    const client = new SkeinClient({
      url: this.service.url,
      getToken: () =>
        new SignJWT({ sub: user, exp: Math.floor(Date.now() / 1000) + 3600 })
          .setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(SECRET)),
      reconnectDelay: 50,
      maxReconnectDelay: 200,
      breaker: { failures: 1000 },
      ...over,
    });
    this.#clients.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.service.stop();
    await Deno.remove(this.#directory, { recursive: true });
  }

  async #start(): Promise<void> {
    this.service = await startTestService({
      http: { hostname: "127.0.0.1", port: this.#http },
      engine: {
        kind: "sqlite",
        sqlite: { path: `${this.#directory}/skein.db`, files: `${this.#directory}/files` },
      },
      certificates: { directory: this.#directory },
      auth: { keys: [{ alg: "HS256", secret: SECRET }] },
    });
    this.#http = this.service.service.addresses.http.port;
  }
}
