/**
 * The hub as a module.
 *
 * @module
 */

import { Hub, type NamespaceLookup } from "../../hub/mod.ts";
import type { Config } from "../config/mod.ts";
import type { EngineModule } from "../engine/module.ts";
import { gauge, type Series } from "../metrics/series.ts";
import { type Module, started } from "../module.ts";
import { namespaceLookup } from "./settings.ts";

/** Channels, users and presence; follows `namespaces` and the limits of a session. */
export class HubModule implements Module {
  readonly name = "hub";
  readonly keys = ["namespaces", "session.maxChannels", "session.maxMessage"] as const;
  readonly series: readonly Series[] = [
    gauge("skein_channels", "Channels with members on this node.", () => this.hub.channelCount),
    gauge("skein_users", "Users with a session on this node.", () => this.hub.userCount),
  ];
  readonly #engine: EngineModule;
  readonly #failed: (error: unknown, stage: string) => void;
  #namespaces: NamespaceLookup = () => undefined;
  #limits: Pick<Config["session"], "maxChannels" | "maxMessage"> | undefined;
  #hub: Hub | undefined;

  /** `failed` is told of failures that nobody waits for. */
  constructor(engine: EngineModule, failed: (error: unknown, stage: string) => void) {
    this.#engine = engine;
    this.#failed = failed;
  }

  /** The hub. */
  get hub(): Hub {
    return started(this.#hub, this.name);
  }

  start(config: Config): void {
    this.apply(config);
    this.#hub = new Hub({
      engine: this.#engine.engine,
      namespace: (name) => this.#namespaces(name),
      maxChannels: () => this.#limits!.maxChannels,
      maxMessage: () => this.#limits!.maxMessage,
      failed: this.#failed,
    });
  }

  apply(config: Config): void {
    this.#namespaces = namespaceLookup(config);
    this.#limits = config.session;
  }

  sweep(now: number): void {
    this.#hub?.sweep(now);
  }

  status(): Record<string, unknown> {
    return { channels: this.hub.channelCount, users: this.hub.userCount };
  }
}
