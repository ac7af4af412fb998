/**
 * One endpoint at work on one node: what it decides and answers, and what it is told while this node is the one that
 * tells it.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import type { Engine, MaybePromise } from "../engine/contract.ts";
import { matchesAny } from "../protocol/mod.ts";
import { Breaker, type BreakerState } from "./breaker.ts";
import { type Endpoint, type EventName, NOTIFICATIONS, type Post, type WebhookEvent } from "./contract.ts";
import { Courier, type CourierEvents } from "./courier.ts";
import { Decider, type DecisionEvents } from "./decisions.ts";
import { Lease } from "./lease.ts";
import { WebhookQueue } from "./queue.ts";

/** What a worker needs. */
export interface WorkerParts {
  readonly endpoint: Endpoint;
  readonly engine: Pick<Engine, "log" | "values">;
  readonly post: Post;
  /** Unique among the nodes that live. */
  readonly node: string;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly events: CourierEvents & DecisionEvents;
}

/** Milliseconds between two looks at the lease. */
const LEASE_INTERVAL = 5000;

/** One endpoint. */
export class EndpointWorker {
  readonly endpoint: Endpoint;
  readonly decider: Decider;
  readonly queue: WebhookQueue;
  readonly #parts: WorkerParts;
  readonly #breaker: Breaker;
  readonly #lease: Lease;
  #courier: Courier | undefined;
  #lookAt = 0;
  #looking: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: WorkerParts) {
    const { endpoint, engine, post, node, clock, random, events } = parts;
    this.#parts = parts;
    this.endpoint = endpoint;
    const breaker = this.#breaker = new Breaker({ random });
    this.queue = new WebhookQueue(engine, endpoint.name, () => endpoint);
    this.#lease = new Lease(engine.values, `webhooks ${endpoint.name}`, node);
    this.decider = new Decider({ endpoint, post, breaker, clock, events });
  }

  /** Whether the endpoint is asked or told of an event about `channel`. */
  wants(event: EventName, channel?: string): boolean {
    const { events, channels } = this.endpoint;
    return events.includes(event) && (channel === undefined || matchesAny(channels, channel));
  }

  /** Keeps an event for it; resolves when it is committed. */
  keep(event: WebhookEvent): MaybePromise<unknown> {
    return this.queue.append(event);
  }

  /** Where its breaker stands. */
  get breaker(): BreakerState {
    return this.#breaker.state(this.#parts.clock.now());
  }

  /** Whether this node tells it of events. */
  get isTelling(): boolean {
    return this.#courier !== undefined;
  }

  /** Events that were read from its queue and are not done. */
  get open(): number {
    return this.#courier?.open ?? 0;
  }

  /** Takes, renews or waits for the lease. To be called once a second. */
  sweep(): Promise<void> {
    const { clock, endpoint } = this.#parts;
    const tells = NOTIFICATIONS.some((event) => endpoint.events.includes(event));
    if (this.#stopped || !tells || clock.now() < this.#lookAt) return Promise.resolve();
    this.#lookAt = clock.now() + LEASE_INTERVAL;
    return this.#looking ??= this.#look().finally(() => this.#looking = undefined);
  }

  /** Ends what is under way within `deadline` milliseconds, and lets other nodes go on. Never rejects. */
  async stop(deadline = 0): Promise<void> {
    this.#stopped = true;
    await this.#looking;
    await this.#courier?.stop(deadline);
    this.#courier = undefined;
    try {
      await this.#lease.release();
    } catch (error) {
      this.#parts.events.failed(error, "lease");
    }
  }

  async #look(): Promise<void> {
    const { events } = this.#parts;
    try {
      const isHeld = await this.#lease.hold();
      if (isHeld && this.#courier === undefined && !this.#stopped) {
        const courier = new Courier({ ...this.#parts, queue: this.queue, breaker: this.#breaker });
        await courier.start();
        this.#courier = courier;
      } else if (!isHeld && this.#courier !== undefined) {
        const courier = this.#courier;
        this.#courier = undefined;
        await courier.stop();
      }
    } catch (error) {
      // The lease may lapse; another node may tell of events that this one tells of too.
      events.failed(error, "lease");
    }
  }
}
