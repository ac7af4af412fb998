/**
 * What follows when keys are withdrawn, as a module.
 *
 * @module
 */

import type { Config } from "../config/mod.ts";
import type { HubModule } from "../hub/module.ts";
import type { Logger } from "../log/mod.ts";
import type { Module } from "../module.ts";
import type { TokensModule } from "../tokens/module.ts";
import type { SessionsModule } from "./module.ts";

/** What a node asks of the others when its keys have changed. */
const KEYS_CHANGED = "keys_changed";

/** What the revocation needs of other parts. */
export interface RevocationOptions {
  readonly hub: HubModule;
  readonly sessions: SessionsModule;
  readonly tokens: TokensModule;
  /** Reads the configuration again, and the keys that it names. */
  readonly reload: () => Promise<unknown>;
  readonly log: Logger;
}

/**
 * Ends the connections whose tokens were signed with keys that were withdrawn, and has the other nodes look at their keys
 * at once. It comes after every other module that can refuse a configuration: a connection that was ended cannot be
 * brought back by a rollback.
 */
export class RevocationModule implements Module {
  readonly name = "revocation";
  readonly keys = ["auth"] as const;
  readonly everyReload = true;
  readonly #options: RevocationOptions;
  /** The revision of the tokens that the other nodes have, or were told of. */
  #told = 0;

  constructor(options: RevocationOptions) {
    this.#options = options;
  }

  start(_config: Config): void {
    const { hub, tokens, reload, log } = this.#options;
    this.#told = tokens.revision;
    hub.hub.nodes.handle(KEYS_CHANGED, () => {
      log.info("another node has other keys: reading the configuration again", {});
      // Nobody waits for it: what it finds is logged here, as for every reload.
      reload().catch((error) => log.error("configuration could not be read again", { error }));
      return {};
    });
  }

  apply(): void {
    const { hub, sessions, tokens, log } = this.#options;
    const ended = sessions.sessions.revoke();
    if (ended > 0) log.warn("connections ended: the keys of their tokens are gone", { ended });
    // Only what has changed is told, or two nodes would tell each other for ever.
    if (tokens.revision === this.#told) return;
    this.#told = tokens.revision;
    hub.hub.nodes.askOthers(KEYS_CHANGED, {}).catch((error) =>
      log.warn("a node was not told that keys have changed: it has to read its configuration", { error })
    );
  }
}
