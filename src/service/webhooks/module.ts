/**
 * Webhooks as a module.
 *
 * @module
 */

import { systemClock } from "../../async/clock.ts";
import type { MaybePromise } from "../../engine/contract.ts";
import {
  type Endpoint,
  EndpointWorker,
  Sender,
  SessionNotifications,
  type WebhookEvent,
} from "../../webhooks/mod.ts";
import type { Config } from "../config/mod.ts";
import type { EngineModule } from "../engine/module.ts";
import type { HubModule } from "../hub/module.ts";
import type { Logger } from "../log/mod.ts";
import { gauges, type Series } from "../metrics/series.ts";
import type { Module } from "../module.ts";
import { WebhookCounters } from "./counters.ts";
import { takeLeave, takePart } from "./hooks.ts";
import { toEndpoints } from "./settings.ts";

/** Milliseconds that requests under way have when the service ends or an endpoint is configured otherwise. */
const STOP = 2000;

/** What webhooks need of other parts. */
export interface WebhooksModuleOptions {
  readonly engine: EngineModule;
  readonly hub: HubModule;
  /** The name of this node. */
  readonly node: string;
  readonly version: string;
  readonly log: Logger;
}

/** An endpoint at work. */
interface Working {
  readonly worker: EndpointWorker;
  readonly sender: Sender;
}

/** Back ends that decide, are told, and answer calls; follows `webhooks`. */
export class WebhooksModule implements Module {
  readonly name = "webhooks";
  readonly keys = ["webhooks"] as const;
  /** Secrets may be in files. */
  readonly everyReload = true;
  readonly series: readonly Series[];
  readonly #options: WebhooksModuleOptions;
  readonly #counters: WebhookCounters;
  #working = new Map<string, Working>();
  /** While somebody is told of sessions. */
  #notifications: SessionNotifications | undefined;
  /** Endpoints that were configured before have not ended yet. */
  #isChanging = false;

  constructor(options: WebhooksModuleOptions) {
    this.#options = options;
    this.#counters = new WebhookCounters(options.log);
    this.series = [
      ...this.#counters.series,
      gauges(
        "skein_webhook_open",
        "Notifications that this node has read from the queue of an endpoint and that are not done.",
        ["endpoint"],
        () => this.workers.map((worker) => [[worker.endpoint.name], worker.open]),
      ),
      gauges(
        "skein_webhook_breaker_open",
        "1 while an endpoint is left alone because it does not work.",
        ["endpoint"],
        () => this.workers.map((worker) => [[worker.endpoint.name], worker.breaker === "closed" ? 0 : 1]),
      ),
    ];
  }

  /** The endpoints at work, in the order of the configuration. */
  get workers(): readonly EndpointWorker[] {
    return [...this.#working.values()].map(({ worker }) => worker);
  }

  async start(config: Config): Promise<void> {
    this.#options.hub.hub.events.listen("webhooks", (event) => this.#notifications?.listener(event));
    await this.apply(config);
  }

  async apply(config: Config): Promise<void> {
    const endpoints = await toEndpoints(config);
    const before = this.#working;
    const working = new Map<string, Working>();
    for (const endpoint of endpoints) {
      const known = before.get(endpoint.name);
      const isSame = known !== undefined &&
        JSON.stringify(known.worker.endpoint) === JSON.stringify(endpoint);
      if (isSame) before.delete(endpoint.name);
      working.set(endpoint.name, isSame ? known : this.#make(endpoint));
    }
    const { hub } = this.#options.hub;
    // First all leave: the hooks of an endpoint have its name.
    for (const { worker } of before.values()) takeLeave(hub, worker);
    for (const { worker } of working.values()) {
      takeLeave(hub, worker);
      takePart(hub, worker, this.#keep);
    }
    this.#working = working;
    const tellsSessions = this.workers.some(({ endpoint: { events } }) =>
      events.includes("join") || events.includes("leave") || events.includes("disconnect")
    );
    // Sessions that end while nobody is told must not be remembered.
    if (!tellsSessions) this.#notifications = undefined;
    else {this.#notifications ??= new SessionNotifications((event, channel) =>
        this.#tell(event, channel), Date.now);}
    // One courier at a time: the one before has to end before its successor begins.
    this.#isChanging = true;
    try {
      await stopAll(before.values());
    } finally {
      this.#isChanging = false;
    }
    await this.#look();
  }

  sweep(): void {
    this.#counters.sweep();
    void this.#look();
  }

  async close(): Promise<void> {
    // Events of what ends after this are kept all the same.
    await stopAll(this.#working.values());
  }

  status(): Record<string, unknown> {
    const webhooks: Record<string, unknown> = {};
    for (const { endpoint: { name, events }, breaker, isTelling, open } of this.workers) {
      webhooks[name] = { events, breaker, telling: isTelling, open };
    }
    return { webhooks };
  }

  #make(endpoint: Endpoint): Working {
    const { engine, node, version } = this.#options;
    const sender = new Sender(endpoint, `skein/${version}`);
    const worker = new EndpointWorker({
      endpoint,
      engine: engine.engine,
      post: sender.post,
      node,
      clock: systemClock,
      random: Math.random,
      events: this.#counters.of(endpoint.name),
    });
    return { worker, sender };
  }

  async #look(): Promise<void> {
    if (!this.#isChanging) await Promise.all(this.workers.map((worker) => worker.sweep()));
  }

  /** Keeps an event for an endpoint. Rejects when it cannot be kept. */
  readonly #keep = (worker: EndpointWorker, event: WebhookEvent): MaybePromise<unknown> => {
    const { name } = worker.endpoint;
    const failed = (error: unknown): never => {
      this.#counters.notKept(name, error);
      throw error;
    };
    try {
      const kept = worker.keep(event);
      this.#counters.kept(name);
      return kept instanceof Promise ? kept.catch(failed) : kept;
    } catch (error) {
      return failed(error);
    }
  };

  /** Keeps an event of a session for those who want it. Nobody waits. */
  #tell(event: WebhookEvent, channel: string | undefined): void {
    for (const worker of this.workers) {
      if (!worker.wants(event.type, channel)) continue;
      try {
        const kept = this.#keep(worker, event);
        // It was counted and logged.
        if (kept instanceof Promise) kept.catch(() => {});
      } catch {
        // As above.
      }
    }
  }
}

async function stopAll(working: Iterable<Working>): Promise<void> {
  await Promise.all([...working].map(async ({ worker, sender }) => {
    await worker.stop(STOP);
    sender.close();
  }));
}
