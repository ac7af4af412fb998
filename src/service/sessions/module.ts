/**
 * Connections and sessions as a module.
 *
 * @module
 */

import { type Membership, type Observer, Sessions, type SessionSettings } from "../../session/mod.ts";
import type { Config } from "../config/mod.ts";
import { toSessionSettings } from "../config/mod.ts";
import type { HandlersModule } from "../handlers/module.ts";
import type { HubModule } from "../hub/module.ts";
import { type Module, started } from "../module.ts";
import type { TokensModule } from "../tokens/module.ts";

/** What sessions need of other parts. */
export interface SessionsModuleOptions {
  readonly hub: HubModule;
  readonly tokens: TokensModule;
  readonly handlers: HandlersModule;
  readonly observer: Observer;
  /** The name of this node. */
  readonly node: string;
}

/** All connections and sessions; follows `session`. */
export class SessionsModule implements Module {
  readonly name = "sessions";
  readonly keys = ["session", "quic.maxStreams"] as const;
  readonly #options: SessionsModuleOptions;
  #settings: SessionSettings | undefined;
  #sessions: Sessions | undefined;

  constructor(options: SessionsModuleOptions) {
    this.#options = options;
  }

  /** The sessions. */
  get sessions(): Sessions {
    return started(this.#sessions, this.name);
  }

  /** The settings in force. */
  get settings(): SessionSettings {
    return started(this.#settings, this.name);
  }

  start(config: Config): void {
    this.apply(config);
    const { hub, tokens, handlers, observer, node } = this.#options;
    const membership: Membership = hub.hub;
    this.#sessions = new Sessions({
      settings: () => this.settings,
      authenticator: tokens.authenticator,
      membership,
      observer,
      node,
      dispatch: handlers.dispatch,
    });
  }

  apply(config: Config): void {
    this.#settings = toSessionSettings(config);
  }

  sweep(now: number): void {
    this.#sessions?.sweep(now);
  }

  async drain(deadline: number): Promise<void> {
    await this.#sessions?.drain(deadline);
  }

  async close(): Promise<void> {
    await this.#sessions?.close();
  }

  status(): Record<string, unknown> {
    return { draining: this.sessions.draining };
  }

  notReady(): string | undefined {
    return this.sessions.draining ? "draining" : undefined;
  }
}

/**
 * Ends the connections whose tokens were signed with keys that no longer count. A module of its own, and the last one
 * that follows the configuration: a connection that was ended does not come back when a reload is refused.
 */
export class RevocationModule implements Module {
  readonly name = "revocation";
  readonly keys = ["auth"] as const;
  readonly everyReload = true;
  readonly #sessions: SessionsModule;
  readonly #observer: Observer;

  constructor(sessions: SessionsModule, observer: Observer) {
    this.#sessions = sessions;
    this.#observer = observer;
  }

  apply(): void {
    const ended = this.#sessions.sessions.revoke();
    if (ended > 0) {
      this.#observer.log("warn", "connections ended: the keys of their tokens are gone", { ended });
    }
  }
}
