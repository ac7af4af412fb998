/**
 * The service: its modules, following the configuration until it is told to end.
 *
 * @module
 */

import type { Config } from "./config/mod.ts";
import type { Logger } from "./log/mod.ts";
import { createModules, type Modules, type StartOptions } from "./modules.ts";
import { ModuleRunner } from "./runner.ts";

export type { StartOptions } from "./modules.ts";

/** Where a service listens. */
export interface Addresses {
  readonly http: { readonly hostname: string; readonly port: number };
  readonly internal: { readonly hostname: string; readonly port: number } | undefined;
  readonly quic: { readonly hostname: string; readonly port: number } | undefined;
}

/** A running service. */
export interface Service {
  /** Resolves when it has ended. */
  readonly finished: Promise<void>;
  readonly addresses: Addresses;
  /** Drains and ends; a second call waits for the first. */
  shutdown(reason: string): Promise<void>;
  /** Reads the configuration file again; says whether what it found is in force. */
  reload(): Promise<boolean>;
}

/**
 * Starts a service. Rejects when something it needs cannot be had: a port, a certificate, a key; what had started by
 * then is closed.
 */
export async function startService(options: StartOptions): Promise<Service> {
  const service = new RunningService(options);
  await service.start();
  return service;
}

class RunningService implements Service {
  readonly finished: Promise<void>;
  readonly #log: Logger;
  readonly #modules: Modules;
  readonly #runner: ModuleRunner;
  readonly #finish = Promise.withResolvers<void>();
  #config: Config;
  #shutdown: Promise<void> | undefined;

  constructor(options: StartOptions) {
    this.#config = options.config;
    this.#log = options.log;
    this.finished = this.#finish.promise;
    this.#modules = createModules(options, {
      apply: async (next, previous, changed) => {
        await this.#runner.apply(next, previous, changed);
        this.#config = next;
      },
      series: () => this.#runner.series(),
      status: () => this.#runner.status(),
      notReady: () => this.#runner.notReady(),
    });
    this.#runner = new ModuleRunner(this.#modules.list, { log: options.log });
  }

  get addresses(): Addresses {
    const { http, internal, quic } = this.#modules;
    const { hostname, port } = this.#config.http;
    return { http: http.address ?? { hostname, port }, internal: internal.address, quic: quic.address };
  }

  start(): Promise<void> {
    return this.#runner.start(this.#config);
  }

  reload(): Promise<boolean> {
    return this.#modules.configuration.reload();
  }

  shutdown(reason: string): Promise<void> {
    return this.#shutdown ??= this.#end(reason);
  }

  async #end(reason: string): Promise<void> {
    const connections = this.#modules.sessions.sessions.connections.size;
    this.#log.info("draining", { reason, connections });
    await this.#runner.drain(this.#config.drain.deadline);
    await this.#runner.close();
    this.#log.info("ended", { reason });
    this.#finish.resolve();
  }
}
