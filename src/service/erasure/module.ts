/**
 * Deleting for good as a module: documents, and what belongs to users.
 *
 * @module
 */

import { coarseClock } from "../../async/clock.ts";
import type { EngineModule } from "../engine/module.ts";
import type { HubModule } from "../hub/module.ts";
import type { Logger } from "../log/mod.ts";
import { LabelledCounter } from "../metrics/labelled_counter.ts";
import { counters, gauge, type Series } from "../metrics/series.ts";
import { type Module, started } from "../module.ts";
import { DocumentLife } from "./documents.ts";
import { Erasures } from "./users.ts";
import { UserExport } from "./export.ts";

/** Milliseconds between two looks for documents that nobody changes. */
const LOOK = 10_000;
/** Milliseconds between two looks for erasures that were interrupted, or failed. */
const RESUME = 60_000;

/** Deletes documents, exports and erases what belongs to users. */
export class ErasureModule implements Module {
  readonly name = "erasure";
  readonly #engine: EngineModule;
  readonly #hub: HubModule;
  readonly #log: Logger;
  readonly #clock = coarseClock();
  #documents: DocumentLife | undefined;
  #users: Erasures | undefined;
  #export: UserExport | undefined;
  #endUser: (user: string) => Promise<void> = () => Promise.resolve();
  #resumedAt = -Infinity;
  #lookedAt = 0;
  readonly #outcomes = new LabelledCounter();
  readonly #removed = new LabelledCounter();
  readonly series: readonly Series[] = [
    counters(
      "skein_erasures_total",
      "Users who were to be erased, by outcome: done, or failed, which is tried again within a minute.",
      ["outcome"],
      () => this.#outcomes.samples(),
    ),
    counters(
      "skein_erased_total",
      "What was removed with users who were erased, by kind: message, document, file.",
      ["kind"],
      () => this.#removed.samples(),
    ),
    gauge(
      "skein_erasures_active",
      "Users who are being erased by this node.",
      () => this.#users?.active,
    ),
  ];

  constructor(engine: EngineModule, hub: HubModule, log: Logger) {
    this.#engine = engine;
    this.#hub = hub;
    this.#log = log;
  }

  /** Deletes documents. */
  get documents(): DocumentLife {
    return started(this.#documents, this.name);
  }

  /** Erases what belongs to users. */
  get users(): Erasures {
    return started(this.#users, this.name);
  }

  /** Exports what belongs to users. */
  get export(): UserExport {
    return started(this.#export, this.name);
  }

  /** `end` refuses the tokens of a user, and ends the connections that came with them. */
  endUsersBy(end: (user: string) => Promise<void>): void {
    this.#endUser = end;
  }

  start(): void {
    const { engine } = this.#engine, { hub } = this.#hub;
    const documents = this.#documents = new DocumentLife({
      engine,
      hub,
      now: () => this.#clock.now(),
      wall: () => Date.now(),
    });
    this.#export = new UserExport(engine, documents);
    this.#users = new Erasures({
      engine,
      hub,
      documents,
      endUser: (user) => this.#endUser(user),
      now: () => this.#clock.now(),
      events: {
        erased: ({ user, messages, documents, files }, ms) => {
          this.#outcomes.add("done");
          this.#removed.add("message", messages);
          this.#removed.add("document", documents);
          this.#removed.add("file", files);
          this.#log.info("user erased", { user, messages, documents, files, ms: Math.round(ms) });
        },
        failed: (error, user) => {
          this.#outcomes.add("failed");
          this.#log.error("user not erased", { ...user === undefined ? {} : { user }, error });
        },
      },
    });
  }

  sweep(now: number): void {
    if (this.#users === undefined) return;
    // Not at the start: sessions can be ended only when all modules have started.
    if (now - this.#resumedAt >= RESUME) {
      this.#resumedAt = now;
      void this.#users.resume();
    }
    if (now - this.#lookedAt < LOOK) return;
    this.#lookedAt = now;
    void this.#documents?.expire(this.#failed);
  }

  async close(): Promise<void> {
    await Promise.all([this.#users?.close(), this.#documents?.close()]);
  }

  readonly #failed = (error: unknown): void => this.#log.error("documents not expired", { error });
}
