/**
 * The hub as a module.
 *
 * @module
 */

import { type CommandLimits, Hub, type HubOptions, type NamespaceLookup } from "../../hub/mod.ts";
import type { Config } from "../config/mod.ts";
import type { EngineModule } from "../engine/module.ts";
import type { Logger } from "../log/mod.ts";
import { counters, gauge, type Series } from "../metrics/series.ts";
import { type Module, started } from "../module.ts";
import { HubCounters } from "./counters.ts";
import { namespaceLookup } from "./settings.ts";

/** Channels, users and presence; follows `namespaces`, `bots` and the limits of a session. */
export class HubModule implements Module {
  readonly name = "hub";
  readonly keys = ["namespaces", "bots", "session.maxChannels", "session.maxMessage"] as const;
  readonly series: readonly Series[];
  readonly #engine: EngineModule;
  readonly #counters: HubCounters;
  #namespaces: NamespaceLookup = () => undefined;
  #bots: CommandLimits | undefined;
  #limits: Pick<Config["session"], "maxChannels" | "maxMessage"> | undefined;
  #hub: Hub | undefined;

  readonly #extend: NonNullable<HubOptions["extend"]>;

  constructor(engine: EngineModule, extend: NonNullable<HubOptions["extend"]>, log: Logger) {
    this.#engine = engine;
    this.#extend = extend;
    this.#counters = new HubCounters(log);
    this.series = [
      gauge("skein_channels", "Channels with subscribers on this node.", () => this.hub.channelCount),
      gauge("skein_users", "Users with a session on this node.", () => this.hub.userCount),
      gauge(
        "skein_bot_commands_open",
        "Commands to bots that wait for an answer.",
        () => this.hub.commands.open,
      ),
      counters(
        "skein_key_packages_claimed_total",
        "Key packages given to those who invite a device: `given` once, of `last_resort`, or refused as `limited`.",
        ["outcome"],
        () => Object.entries(this.hub.keyPackages.counts).map(([outcome, count]) => [[outcome], count]),
      ),
      ...this.#counters.series,
    ];
  }

  /** The hub. */
  get hub(): Hub {
    return started(this.#hub, this.name);
  }

  start(config: Config): void {
    this.apply(config);
    const hub = this.#hub = new Hub({
      engine: this.#engine.engine,
      namespace: (name) => this.#namespaces(name),
      maxChannels: () => this.#limits!.maxChannels,
      maxMessage: () => this.#limits!.maxMessage,
      commandLimits: () => this.#bots!,
      failed: this.#counters.failed,
      extend: this.#extend,
    });
    hub.addHook(this.#counters.hook);
    hub.events.listen("counters", this.#counters.listener);
  }

  apply(config: Config): void {
    this.#namespaces = namespaceLookup(config);
    this.#limits = config.session;
    this.#bots = config.bots;
  }

  sweep(): void {
    this.#hub?.sweep();
  }

  async close(): Promise<void> {
    await this.#hub?.close();
  }

  status(): Record<string, unknown> {
    return { channels: this.hub.channelCount, users: this.hub.userCount };
  }
}
