/**
 * Functions as a module.
 *
 * @module
 */

import { settles } from "../../async/deadline.ts";
import { type Call, FunctionError, type Outcome } from "../../functions/mod.ts";
import type { ApiFunction } from "../../protocol/api/function_types.ts";
import type { Config } from "../config/mod.ts";
import type { EngineModule } from "../engine/module.ts";
import type { FunctionAnswer, FunctionRequest, FunctionRequests } from "../http/deps.ts";
import type { HubModule } from "../hub/module.ts";
import type { Logger } from "../log/mod.ts";
import type { Series } from "../metrics/series.ts";
import { type Module, started } from "../module.ts";
import { FunctionBots } from "./commands.ts";
import { FunctionCounters } from "./counters.ts";
import { FunctionDirectory } from "./directory.ts";
import { FunctionFetch } from "./fetch.ts";
import { knownManifests } from "./known.ts";
import { ServiceHost } from "./host.ts";
import { answerRequest, statusOf } from "./requests.ts";
import { Schedules } from "./schedules.ts";
import { functionOf } from "./described.ts";
import { FunctionSet } from "./set.ts";
import { readSecrets } from "./settings.ts";
import { Triggers } from "./triggers.ts";

/** Milliseconds that the start of the service waits for functions. */
const START_PATIENCE = 5000;

/** An application's own logic; follows `functions`. */
export class FunctionsModule implements Module, FunctionRequests {
  readonly name = "functions";
  readonly keys = ["functions"] as const;
  readonly series: readonly Series[];
  readonly #engine: EngineModule;
  readonly #hub: HubModule;
  readonly #log: Logger;
  readonly #counters: FunctionCounters;
  readonly #fetch = new FunctionFetch();
  #config: Config["functions"] | undefined;
  #secrets: Readonly<Record<string, string>> = {};
  #host: ServiceHost | undefined;
  #directory: FunctionDirectory | undefined;
  #set: FunctionSet | undefined;
  #triggers: Triggers | undefined;
  #bots: FunctionBots | undefined;
  #schedules: Schedules | undefined;

  constructor(engine: EngineModule, hub: HubModule, log: Logger) {
    this.#engine = engine;
    this.#hub = hub;
    this.#log = log;
    this.#counters = new FunctionCounters(log, () => this.#set, () => Object.values(this.#secrets));
    this.series = this.#counters.series;
  }

  /** Calls a function. Rejects with FunctionError; its kind is `unknown` when there is no such function. */
  async call(name: string, call: Call): Promise<Outcome> {
    const set = this.#set;
    if (set === undefined) throw new FunctionError("unknown", `no function is called ${name}`);
    return await this.#counters.observe(name, call, () => set.call(name, call));
  }

  /** The functions of this node, by name, those that never loaded too. */
  list(): ApiFunction[] {
    const set = this.#set;
    return set === undefined
      ? []
      : [...set.problems()].map(({ name, problem }) => functionOf(set, this.#counters, name, problem))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** What a function printed after the line `after`; undefined: there is no such function. */
  lines(name: string, after: number) {
    const isThere = [...this.#set?.problems() ?? []].some((each) => each.name === name);
    return isThere ? this.#counters.lines(name, after) ?? { lines: [], last: 0 } : undefined;
  }

  /** Whether a function answers HTTP requests. */
  answers(name: string): boolean {
    return this.#set?.manifest(name)?.http !== undefined;
  }

  /** Has a function answer an HTTP request; undefined: there is none. Rejects with FunctionError. */
  answer(name: string, request: FunctionRequest): Promise<FunctionAnswer> | FunctionAnswer | undefined {
    const set = this.#set;
    return set && answerRequest(set, (name, call) => this.call(name, call), name, request);
  }

  /** The answer to a request when the function failed. */
  readonly failure = statusOf;

  async start(config: Config): Promise<void> {
    this.#config = config.functions;
    this.#secrets = await readSecrets(config);
    this.#host = new ServiceHost({
      hub: this.#hub.hub,
      values: this.#engine.engine.values,
      limits: () => this.#settings,
      fetch: (name, request, signal) => {
        const { grants, maxTimeout } = this.#settings;
        return this.#fetch.fetch(grants[name], request, maxTimeout, signal);
      },
      now: () => performance.now(),
    });
    this.#hub.hub.events.listen(this.name, (event) => this.#triggers?.onSession(event));
    await this.#open();
  }

  async apply(next: Config, previous: Config): Promise<void> {
    const secrets = await readSecrets(next);
    this.#config = next.functions;
    this.#secrets = secrets;
    if (next.functions.directory === previous.functions.directory) return void await this.#set?.update();
    await this.#shut(next.functions.timeout);
    await this.#open();
  }

  sweep(now: number): void {
    this.#set?.sweep(performance.now());
    this.#schedules?.sweep(now);
  }

  async drain(deadline: number): Promise<void> {
    await this.#schedules?.close();
    await Promise.all([this.#directory?.close(), this.#set?.close(deadline)]);
  }

  async close(): Promise<void> {
    await this.#shut(0);
    this.#fetch.close();
  }

  status(): Record<string, unknown> {
    return { functions: this.#counters.status() };
  }

  get #settings(): Config["functions"] {
    return started(this.#config, this.name);
  }

  async #open(): Promise<void> {
    const { directory: path } = this.#settings;
    if (path === null) return;
    const directory = this.#directory = new FunctionDirectory(path, () => set.update());
    const set: FunctionSet = this.#set = new FunctionSet({
      path,
      directory,
      limits: () => this.#settings,
      host: started(this.#host, this.name),
      known: knownManifests(this.#engine.engine.values),
      secrets: (name) =>
        Object.fromEntries(
          (this.#settings.grants[name]?.secrets ?? []).map((key) => [key, this.#secrets[key]!]),
        ),
      log: this.#counters.log,
      started: this.#counters.started,
      loaded: (name, hash) => {
        this.#counters.loaded(name, hash);
        this.#changed();
      },
      failed: this.#counters.failed,
      removed: (name) => {
        this.#host?.forget(name);
        this.#changed();
        this.#log.info("function removed", { function: name });
      },
    });
    const { hub } = this.#hub, call = (name: string, call: Call) => this.call(name, call);
    const onFailure = () => this.#settings.onFailure;
    this.#triggers = new Triggers({ hub, host: started(this.#host, this.name), set, call, onFailure });
    const taken = (name: string) =>
      this.#log.error("function has the name of another bot", { function: name });
    this.#bots = new FunctionBots({ hub, set, call, taken });
    this.#schedules = new Schedules({
      values: this.#engine.engine.values,
      set,
      call,
      failed: this.#counters.scheduleFailed,
    });
    // Hundreds of functions that were never loaded before must not keep the service from its start.
    await settles(directory.watch(), START_PATIENCE);
    this.#triggers.update();
    const { unloaded } = set;
    if (unloaded.any && onFailure() === "refuse") {
      this.#log.error("messages are refused until functions that may have to see them have loaded", {
        functions: unloaded.names,
      });
    }
  }

  #changed(): void {
    this.#triggers?.update();
    this.#bots?.update();
  }

  async #shut(patience: number): Promise<void> {
    this.#triggers?.close();
    this.#bots?.close();
    await this.#schedules?.close();
    await Promise.all([this.#directory?.close(), this.#set?.close(patience)]);
    this.#directory =
      this.#set =
      this.#triggers =
      this.#schedules =
        undefined;
  }
}
