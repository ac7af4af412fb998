/**
 * This node among the others of the service, as a module.
 *
 * @module
 */

import { Underway } from "../../async/underway.ts";
import type { NodeInfo } from "../../engine/contract.ts";
import type { Config } from "../config/mod.ts";
import type { EngineModule } from "../engine/module.ts";
import type { Logger } from "../log/mod.ts";
import { counter, gauge, type Series } from "../metrics/series.ts";
import type { Module } from "../module.ts";
import type { SessionsModule } from "../sessions/module.ts";

/** Milliseconds after which a node that is not heard of is dead; it announces itself three times in that. */
const LEASE = 10_000;
/** Sweeps between two announcements. */
const SWEEPS = 3;

/** Says that this node is alive, and claims its sessions anew when others took it for dead. */
export class NodesModule implements Module {
  readonly name = "nodes";
  readonly series: readonly Series[] = [
    gauge("skein_nodes", "Nodes of the service that are alive, this one too.", () => this.#alive.length),
    counter(
      "skein_node_lapses_total",
      "Times that this node was not heard of for so long that others took it for dead.",
      () => this.#lapses,
    ),
  ];
  readonly #node: string;
  readonly #engine: EngineModule;
  readonly #sessions: SessionsModule;
  readonly #log: Logger;
  #alive: readonly NodeInfo[] = [];
  #sweeps = 0;
  #lapses = 0;
  #isAnnounced = false;
  readonly #announcing = new Underway();

  /** `node`: what the operator calls this node. */
  constructor(node: string, engine: EngineModule, sessions: SessionsModule, log: Logger) {
    this.#node = node;
    this.#engine = engine;
    this.#sessions = sessions;
    this.#log = log;
  }

  async start(_config: Config): Promise<void> {
    await this.#announce();
    this.#isAnnounced = true;
  }

  sweep(): void {
    if (!this.#isAnnounced || ++this.#sweeps % SWEEPS !== 0) return;
    void this.#announcing.add(
      this.#announce().catch((error) => this.#log.error("node could not announce itself", { error })),
    );
  }

  async close(): Promise<void> {
    if (!this.#isAnnounced) return;
    this.#isAnnounced = false;
    // It would say that a node lives which has ended.
    await this.#announcing.over();
    await this.#engine.engine.commands.retire();
  }

  status(): Record<string, unknown> {
    return { nodes: this.#alive };
  }

  async #announce(): Promise<void> {
    const { commands } = this.#engine.engine;
    if (!await commands.announce(this.#node, LEASE)) {
      this.#lapses++;
      this.#log.warn("others took this node for dead: it claims its sessions again", { node: this.#node });
      this.#sessions.sessions.reclaim();
    }
    this.#alive = await commands.nodes();
  }
}
