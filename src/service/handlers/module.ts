/**
 * Handlers and their router as a module.
 *
 * @module
 */

import { type DocumentLimits, routes } from "../../handlers/mod.ts";
import { type Context, Router } from "../../router/mod.ts";
import type { Config } from "../config/mod.ts";
import type { ErasureModule } from "../erasure/module.ts";
import type { FilesModule } from "../files/module.ts";
import type { HubModule } from "../hub/module.ts";
import type { PeersModule } from "../peers/module.ts";
import { type Module, started } from "../module.ts";

/** What a message of each type does; follows `documents` and `rpc`. */
export class HandlersModule implements Module {
  readonly name = "handlers";
  readonly keys = ["documents", "rpc"] as const;
  readonly #hub: HubModule;
  readonly #files: FilesModule;
  readonly #erasure: ErasureModule;
  readonly #peers: PeersModule;
  #documents: DocumentLimits | undefined;
  #rpcTimeout = 0;
  #router: Router | undefined;

  constructor(hub: HubModule, files: FilesModule, erasure: ErasureModule, peers: PeersModule) {
    this.#hub = hub;
    this.#files = files;
    this.#erasure = erasure;
    this.#peers = peers;
  }

  /** Hands a message to the handler of its type. */
  readonly dispatch = (context: Context): void | Promise<void> => this.#router!.dispatch(context);

  start(config: Config): void {
    this.apply(config);
    const { files } = this.#files;
    const handlers = routes({
      hub: this.#hub.hub,
      files,
      deletion: this.#erasure.documents,
      peers: this.#peers,
      documents: () => started(this.#documents, this.name),
      rpcTimeout: () => this.#rpcTimeout,
    });
    this.#router = new Router(handlers, [files.listen]);
  }

  apply(config: Config): void {
    this.#documents = config.documents;
    this.#rpcTimeout = config.rpc.timeout;
  }
}
