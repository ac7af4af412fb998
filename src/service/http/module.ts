/**
 * The HTTP listeners as modules: the public one and the internal one.
 *
 * @module
 */

import { CertificateModule } from "../certificates/module.ts";
import type { Config } from "../config/mod.ts";
import type { Logger } from "../log/mod.ts";
import type { Module } from "../module.ts";
import type { HttpAppModule } from "./app_module.ts";
import { type HttpAddress, HttpListener } from "./listener.ts";

/** Milliseconds that requests in progress have when the service ends. */
const GRACE = 500;

/** The public listener: page, WebSocket, API, health; follows `http`. */
export class HttpModule implements Module {
  readonly name = "http";
  readonly keys = ["http"] as const;
  /** Its certificate, a module that comes before this one. */
  readonly certificate: CertificateModule;
  readonly #app: HttpAppModule;
  readonly #log: Logger;
  #listener: HttpListener | undefined;

  constructor(app: HttpAppModule, log: Logger) {
    this.#app = app;
    this.#log = log;
    this.certificate = new CertificateModule({
      name: "http.tls",
      keys: ["http.tls"],
      settings: ({ http }) => http.tls ?? undefined,
      changed: (tls) => {
        this.#listener?.setCertificate(tls).catch((error) => log.error("http failure", { error }));
      },
      log,
    });
  }

  /** Where it listens; `undefined` while it does not. */
  get address(): { readonly hostname: string; readonly port: number } | undefined {
    return this.#listener?.address;
  }

  start(config: Config): Promise<void> {
    this.#listener = new HttpListener({ group: "http", handler: this.#app.handler, log: this.#log });
    return this.apply(config);
  }

  async apply({ http }: Config): Promise<void> {
    const { hostname, port, websocket, headTimeout } = http;
    const tls = http.tls === null ? undefined : this.certificate.current;
    const address: HttpAddress = {
      hostname,
      port,
      websocket,
      headTimeout,
      tls: tls && { cert: tls.cert, key: tls.key },
    };
    await this.#listener!.apply(address);
  }

  async close(): Promise<void> {
    await this.#listener?.close(GRACE);
  }

  status(): Record<string, unknown> {
    return { listeners: { http: this.address } };
  }
}

/** The internal listener: health, metrics, API and dashboard without a key; follows `http.internal`. */
export class InternalHttpModule implements Module {
  readonly name = "internal http";
  readonly keys = ["http.internal"] as const;
  readonly #app: HttpAppModule;
  readonly #log: Logger;
  #listener: HttpListener | undefined;

  constructor(app: HttpAppModule, log: Logger) {
    this.#app = app;
    this.#log = log;
  }

  /** Where it listens; `undefined` while it does not. */
  get address(): { readonly hostname: string; readonly port: number } | undefined {
    return this.#listener?.address;
  }

  start(config: Config): Promise<void> {
    const handler = this.#app.internalHandler;
    this.#listener = new HttpListener({ group: "http.internal", handler, log: this.#log });
    return this.apply(config);
  }

  async apply({ http: { internal } }: Config): Promise<void> {
    await this.#listener!.apply(internal === null ? undefined : { ...internal, tls: undefined });
  }

  async close(): Promise<void> {
    await this.#listener?.close(GRACE);
  }

  status(): Record<string, unknown> {
    return { listeners: { internal: this.address } };
  }
}
