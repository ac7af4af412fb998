/**
 * A queue, an endpoint that does what a test says, and couriers between them, with time that is moved by hand.
 *
 * @module
 */

import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { Breaker } from "../../src/webhooks/breaker.ts";
import type { Post, Posted, WebhookEvent } from "../../src/webhooks/contract.ts";
import { Courier } from "../../src/webhooks/courier.ts";
import { WebhookQueue } from "../../src/webhooks/queue.ts";
import type { Endpoint } from "../../src/webhooks/mod.ts";
import { FakeClock, settle } from "../support/clock.ts";
import { endpoint } from "./support.ts";

/** Nobody answers. */
export const DOWN: Posted = { status: 0, failure: "unreachable", isDown: true };
/** The endpoint works and does not take it. */
export const REFUSED: Posted = { status: 400, failure: "status 400" };

/** What a request that is given up comes to. */
function givenUp(signal: AbortSignal | undefined): Promise<Posted> {
  const posted = { status: 0, failure: "aborted" };
  return new Promise((resolve) => {
    if (signal?.aborted) resolve(posted);
    else signal?.addEventListener("abort", () => resolve(posted), { once: true });
  });
}

/** A queue, an endpoint that does what a test says, and couriers between them. */
export class Office {
  readonly clock = new FakeClock();
  readonly engine = new MemoryEngine({ clock: this.clock, offsets: "store" });
  readonly taken: string[] = [];
  readonly buried: { id: string; attempts: number; failure: string }[] = [];
  readonly requests: { at: number; ids: string[] }[] = [];
  readonly failures: unknown[] = [];
  lost = 0;
  answer: (ids: string[]) => Posted | Promise<Posted> = () => ({ status: 204 });
  readonly endpoint: Endpoint;
  readonly queue: WebhookQueue;
  courier: Courier | undefined;
  life = { killed: false };
  #count = 0;

  constructor(over: Partial<Endpoint> = {}) {
    this.endpoint = endpoint(over);
    this.queue = new WebhookQueue(this.engine, "test", () => this.endpoint);
  }

  readonly post: Post = async ({ id, body, signal }) => {
    const { type, data } = JSON.parse(body);
    const ids: string[] = type === "batch" ? data.events.map((event: WebhookEvent) => event.id) : [id];
    this.requests.push({ at: this.clock.now(), ids });
    const posted = await Promise.race([this.answer(ids), givenUp(signal)]);
    if (posted.failure === undefined) this.taken.push(...ids);
    return posted;
  };

  async add(count = 1): Promise<string[]> {
    const ids = [];
    for (let i = 0; i < count; i++) {
      const id = `evt_${++this.#count}`;
      ids.push(id);
      await this.queue.append({
        id,
        type: "message",
        user: "ann",
        timestamp: this.clock.wall(),
        data: { text: id },
      });
    }
    return ids;
  }

  async open(): Promise<Courier> {
    // A process that was killed does nothing more, and hears of nothing.
    const life = this.life = { killed: false };
    const never = new Promise<never>(() => {});
    const { queue } = this;
    this.courier = new Courier({
      endpoint: this.endpoint,
      queue: {
        read: (...args) => life.killed ? never : queue.read(...args),
        kept: (queued) => life.killed ? never : queue.kept(queued),
        told: () => queue.told(),
        tell: (at) => life.killed ? never : queue.tell(at),
        bury: (one, letter) => life.killed ? never : queue.bury(one, letter),
        follow: (listener) => queue.follow(listener),
        unfollow: () => life.killed ? undefined : queue.unfollow(),
      },
      post: async (request) => {
        if (life.killed) return await never;
        const posted = await this.post(request);
        return life.killed ? await never : posted;
      },
      breaker: new Breaker({ random: () => 1 }),
      clock: this.clock,
      random: () => 1,
      events: {
        sent: () => {},
        buried: ({ id }, attempts, failure) => void this.buried.push({ id, attempts, failure }),
        lost: () => void this.lost++,
        failed: (error) => void this.failures.push(error),
      },
    });
    await this.courier.start();
    await settle();
    return this.courier;
  }

  async close(): Promise<void> {
    await this.courier?.stop();
    this.courier = undefined;
  }
}
