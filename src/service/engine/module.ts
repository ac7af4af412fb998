/**
 * The engine as a module.
 *
 * @module
 */

import type { Engine } from "../../engine/contract.ts";
import type { Config } from "../config/mod.ts";
import { type Module, started } from "../module.ts";
import { openEngine } from "./open.ts";

/** Opens the engine that `engine` asks for; a change of `engine` needs a restart. */
export class EngineModule implements Module {
  readonly name = "engine";
  readonly #failed: (error: unknown, stage: string) => void;
  #engine: Engine | undefined;

  /** `failed` is told of failures that nobody waits for. */
  constructor(failed: (error: unknown, stage: string) => void) {
    this.#failed = failed;
  }

  /** The open engine. */
  get engine(): Engine {
    return started(this.#engine, this.name);
  }

  async start(config: Config): Promise<void> {
    this.#engine = await openEngine(config, this.#failed);
  }

  sweep(): void {
    this.#engine?.sweep();
  }

  async close(): Promise<void> {
    await this.#engine?.close();
  }

  status(): Record<string, unknown> {
    return { engine: this.engine.name };
  }

  notReady(): string | undefined {
    return this.engine.healthy() ? undefined : "engine";
  }
}
