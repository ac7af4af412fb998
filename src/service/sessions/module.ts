/**
 * Connections and sessions as a module.
 *
 * @module
 */

import { Sessions, type SessionSettings } from "../../session/mod.ts";
import type { Config } from "../config/mod.ts";
import type { EngineModule } from "../engine/module.ts";
import type { HandlersModule } from "../handlers/module.ts";
import type { HubModule } from "../hub/module.ts";
import type { Logger } from "../log/mod.ts";
import type { Series } from "../metrics/series.ts";
import { type Module, started } from "../module.ts";
import type { TokensModule } from "../tokens/module.ts";
import { connectionFigures } from "./figures.ts";
import { ConnectionObserver } from "./observer.ts";
import { connectionSeries } from "./series.ts";
import { toSessionSettings } from "./settings.ts";
import { deepestOutbox } from "./connections.ts";

/** Sweeps between two looks at the depth of the outboxes. */
const OUTBOX_SWEEPS = 5;

/** What sessions need of other parts. */
export interface SessionsModuleOptions {
  readonly engine: EngineModule;
  readonly hub: HubModule;
  readonly tokens: TokensModule;
  readonly handlers: HandlersModule;
  /** The name of this node. */
  readonly node: string;
  readonly log: Logger;
}

/** All connections and sessions; follows `session`. */
export class SessionsModule implements Module {
  readonly name = "sessions";
  readonly keys = ["session", "quic.maxStreams"] as const;
  /** Counts what happens to connections, for their listeners too. */
  readonly observer: ConnectionObserver;
  readonly series: readonly Series[];
  readonly #options: SessionsModuleOptions;
  #settings: SessionSettings | undefined;
  #sessions: Sessions | undefined;
  #sweeps = 0;

  constructor(options: SessionsModuleOptions) {
    this.#options = options;
    this.observer = new ConnectionObserver({
      log: (level, event, fields) => options.log.log(level, event, fields),
      thresholds: () => ({ ...this.settings.thresholds, maxOutbox: this.settings.maxOutbox }),
    });
    this.series = connectionSeries(this.observer.counters, () => this.sessions);
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
    const { engine, hub, tokens, handlers, node } = this.#options;
    this.#sessions = new Sessions({
      settings: () => this.settings,
      authenticator: tokens.authenticator,
      membership: hub.hub,
      claims: engine.engine.commands,
      observer: this.observer,
      node,
      dispatch: handlers.dispatch,
    });
  }

  apply(config: Config): void {
    this.#settings = toSessionSettings(config);
  }

  sweep(): void {
    this.sessions.sweep();
    this.observer.sweep();
    if (++this.#sweeps % OUTBOX_SWEEPS !== 0) return;
    const deepest = deepestOutbox(this.sessions);
    if (deepest !== undefined) this.observer.outbox(deepest.transport, deepest.outbox.bytes, deepest);
  }

  async drain(deadline: number): Promise<void> {
    await this.#sessions?.drain(deadline);
  }

  async close(): Promise<void> {
    await this.#sessions?.close();
  }

  status(): Record<string, unknown> {
    const { sessions, observer } = this;
    return { draining: sessions.draining, ...connectionFigures(observer.counters, sessions) };
  }

  notReady(): string | undefined {
    return this.sessions.draining ? "draining" : undefined;
  }
}
