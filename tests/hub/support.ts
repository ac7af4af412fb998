/**
 * Clients that write down what they are sent, and principals to give them.
 *
 * @module
 */

import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { DEFAULT_NAMESPACE, Hub, type HubOptions } from "../../src/hub/mod.ts";
import type { Encoded, Message, Principal, Report } from "../../src/protocol/mod.ts";
import { ClientStates } from "../../src/router/mod.ts";
import type { Client, StateKey } from "../../src/router/types.ts";

/** A message and the way it took. */
export interface Sent {
  readonly message: Message;
  readonly lane: number;
}

/** A client that keeps what it is sent, as it came over a wire. */
export class FakeClient implements Client {
  readonly connectionId: string;
  readonly transport = "memory";
  readonly connectedAt = 0;
  readonly sent: Sent[] = [];
  readonly encoded: Encoded[] = [];
  readonly sessionId: string;
  principal: Principal;
  /** Called before each message is taken. */
  onSend: ((message: Message) => void) | undefined;
  ready: (lane?: number) => Promise<void> | undefined = () => undefined;
  limits = { maxMessage: 65_536 };
  readonly reports: Report[] = [];
  readonly #states = new ClientStates();
  readonly #closed = new AbortController();

  constructor(sessionId: string, principal: Principal, connectionId = `${sessionId}-1`) {
    this.sessionId = sessionId;
    this.principal = principal;
    this.connectionId = connectionId;
  }

  send(message: Encoded, lane: number): void {
    this.encoded.push(message);
    for (const part of message.parts ?? [message]) {
      this.onSend?.(part.message);
      this.sent.push({ message: JSON.parse(part.text()), lane });
    }
  }

  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  state<T>(key: StateKey<T>): T {
    return this.#states.get(key);
  }

  report(report: Report): void {
    this.reports.push(report);
  }

  /** Ends the connection, as far as handlers see it. */
  end(): void {
    this.#closed.abort();
    this.#states.end((error) => {
      throw error;
    });
  }

  /** What it was sent of a type. */
  of(type: string): Message[] {
    return this.sent.filter(({ message }) => message.type === type).map(({ message }) => message);
  }

  /** Offsets of the kept messages of a channel it was sent. */
  offsets(channel: string): number[] {
    return this.sent.flatMap(({ message: { payload } }) =>
      payload.channel === channel && typeof payload.offset === "number" ? [payload.offset] : []
    );
  }

  /** Forgets what it was sent. */
  clear(): void {
    this.sent.length = 0;
    this.encoded.length = 0;
  }
}

/** A principal that may read and write everything, unless said otherwise. */
export function principal(userId: string, more: Partial<Principal> = {}): Principal {
  return {
    userId,
    expiresAt: Infinity,
    subscribe: ["*"],
    publish: ["*"],
    rights: new Set(),
    ...more,
  };
}

/** A hub on a memory engine, with the failures it was told of. */
export function makeHub(options: Partial<HubOptions> = {}): { hub: Hub; failures: unknown[] } {
  const failures: unknown[] = [];
  const hub = new Hub({
    engine: new MemoryEngine(),
    namespace: () => DEFAULT_NAMESPACE,
    failed: (error) => failures.push(error),
    ...options,
  });
  return { hub, failures };
}

/** A client that is attached and started. */
export async function join(hub: Hub, sessionId: string, who: Principal | string): Promise<FakeClient> {
  const client = new FakeClient(sessionId, typeof who === "string" ? principal(who) : who);
  (await hub.attach(client, undefined)).start();
  return client;
}

/** Publishes a text with itself as the id. */
export function say(hub: Hub, channel: string, text: string, from = "bob"): void {
  const published = hub.publish({ origin: "api", channel, id: text, from, payload: { text } });
  if (published instanceof Promise) throw new TypeError("say() is for engines that answer at once");
}
