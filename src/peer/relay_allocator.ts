/**
 * The relayed address of this process: one TURN allocation, shared by all peers and all that they do, made when it is
 * needed, renewed before its credentials end, ended when nobody uses it.
 *
 * @module
 */

import { Underway } from "../async/underway.ts";
import type { Clock } from "../async/clock.ts";
import { settles } from "../async/deadline.ts";
import { PeerError } from "./errors.ts";
import type { MeetingServers, RelayServer } from "./ports.ts";
import { allocate, type Allocation } from "./turn/allocation.ts";
import { openCarrier } from "./turn/carrier.ts";
import { parseServerUrl } from "./turn/url.ts";

/** Options of a relay allocator. */
export interface RelayAllocatorOptions {
  readonly clock: Clock;
  /** Fresh credentials, from the service. */
  readonly servers: () => Promise<MeetingServers>;
  /** A relayed address can be used. */
  readonly onOpen: (relay: Allocation) => void;
  /** A relayed address has ended: another one follows if it is needed. */
  readonly onClose: (relay: Allocation) => void;
  /** Certificate authorities in PEM to trust for TLS besides the runtime's. */
  readonly caCerts?: readonly string[];
  /** Asks one server. Rejects with PeerError. @default over UDP, TCP or TLS as its URL says */
  readonly allocate?: (server: RelayServer) => Promise<Allocation>;
}

/** The next server is asked too when one has not agreed within this many ms: UDP may be blocked in silence. */
const HEAD_START = 250;
/** An allocation that no path uses is ended after this many ms. */
const IDLE_TIME = 300_000;
/** It is replaced this many ms before its credentials end. */
const RENEW_BEFORE = 60_000;
/** One that was replaced goes on for so many ms. */
const REPLACED_TIME = 10_000;
/** After a refusal nobody asks again for this many ms. */
const REFUSED_PAUSE = 5_000;

/** Makes and ends allocations. */
export class RelayAllocator {
  readonly #options: RelayAllocatorOptions;
  #making: Promise<Allocation> | undefined;
  #relay: Allocation | undefined;
  /** End allocations that have been replaced. */
  readonly #replaced = new Set<() => void>();
  #users = 0;
  #refusedAt = -Infinity;
  #cancelIdle: (() => void) | undefined;
  #cancelRenewal: (() => void) | undefined;
  readonly #over = new AbortController();
  /** Allocations that are being made, and ended. */
  readonly #underway = new Underway();

  constructor(options: RelayAllocatorOptions) {
    this.#options = options;
  }

  /** The allocation there is now. */
  get relay(): Allocation | undefined {
    return this.#relay;
  }

  /**
   * Makes an allocation unless there is one; calls share the work. Rejects with PeerError `relay_refused` when no server
   * agrees, `server_timeout` when none answers.
   */
  open(): Promise<Allocation> {
    if (this.#relay !== undefined) return Promise.resolve(this.#relay);
    if (this.#over.signal.aborted) return Promise.reject(new PeerError("closed"));
    if (this.#options.clock.now() - this.#refusedAt < REFUSED_PAUSE) {
      return Promise.reject(new PeerError("relay_refused", "no TURN server agreed a moment ago"));
    }
    return this.#makeOne();
  }

  /** A path begins to use the allocation, or a connection is being made that may. To be given back once. */
  use(): () => void {
    this.#users++;
    this.#cancelIdle?.();
    let used = true;
    return () => {
      if (!used) return;
      used = false;
      if (--this.#users === 0) this.#idle();
    };
  }

  /** Ends an allocation. */
  end(relay: Allocation): void {
    void this.#underway.add(Promise.resolve(relay.close()));
  }

  /** Ends everything. Resolves when the servers have been told, or have not answered for some tenths of a second. */
  async close(): Promise<void> {
    this.#over.abort(new PeerError("closed"));
    this.#cancelIdle?.();
    this.#cancelRenewal?.();
    if (this.#relay !== undefined) this.end(this.#relay);
    for (const end of this.#replaced) end();
    await this.#underway.over();
  }

  /** Calls share the work. */
  #makeOne(): Promise<Allocation> {
    return this.#making ??= this.#underway.add(this.#make().finally(() => this.#making = undefined));
  }

  async #make(): Promise<Allocation> {
    const { servers, onOpen, onClose, clock } = this.#options;
    try {
      const { turn, expiresIn } = await servers();
      const relay = await this.#race(turn);
      if (this.#over.signal.aborted) {
        this.end(relay);
        throw new PeerError("closed");
      }
      const before = this.#relay;
      this.#relay = relay;
      relay.closed.then(() => {
        if (this.#relay === relay) this.#relay = undefined;
        onClose(relay);
      });
      onOpen(relay);
      if (before !== undefined) this.#endLater(before);
      this.#cancelRenewal?.();
      // Servers keep on refreshing an allocation whose credentials have ended, so the end is kept here.
      const renewal = Math.max(expiresIn - RENEW_BEFORE, expiresIn / 2);
      this.#cancelRenewal = clock.after(renewal, () => this.#renew(relay));
      if (this.#users === 0) this.#idle();
      return relay;
    } catch (error) {
      if (error instanceof PeerError && error.code !== "closed") this.#refusedAt = clock.now();
      throw error;
    }
  }

  /** Paths move to the new one before the old one ends. */
  #endLater(before: Allocation): void {
    const end = (): void => {
      this.#replaced.delete(end);
      cancel();
      this.end(before);
    };
    const cancel = this.#options.clock.after(REPLACED_TIME, end);
    this.#replaced.add(end);
  }

  #renew(relay: Allocation): void {
    if (this.#relay !== relay) return;
    if (this.#users === 0) return this.end(relay);
    this.#makeOne().catch(() => this.end(relay));
  }

  #idle(): void {
    this.#cancelIdle?.();
    this.#cancelIdle = this.#options.clock.after(IDLE_TIME, () => {
      this.#cancelRenewal?.();
      if (this.#relay !== undefined) this.end(this.#relay);
    });
  }

  /** Asks the servers one after another with a head start; the first that agrees is taken. */
  async #race(servers: readonly RelayServer[]): Promise<Allocation> {
    let found: Allocation | undefined;
    let failure: unknown = new PeerError("relay_refused", "no TURN server is configured");
    const attempts: Promise<void>[] = [];
    for (const server of servers) {
      const attempt = this.#ask(server).then((relay) => {
        if (found === undefined) found = relay;
        else this.end(relay);
      }, (error) => void (failure = error));
      attempts.push(this.#underway.add(attempt));
      await settles(attempt, HEAD_START, { timers: this.#options.clock });
      if (found !== undefined) return found;
    }
    // Whichever comes first; those that have failed do not end the wait for the others.
    const successes = attempts.map((attempt) =>
      attempt.then(() => found === undefined ? Promise.reject(failure) : found)
    );
    try {
      return await Promise.any(successes);
    } catch {
      throw failure;
    }
  }

  async #ask(server: RelayServer): Promise<Allocation> {
    const { caCerts, clock } = this.#options;
    if (this.#options.allocate !== undefined) return await this.#options.allocate(server);
    const { url, username, credential } = server;
    const { signal } = this.#over;
    const carrier = await openCarrier(parseServerUrl(url), {
      signal,
      ...caCerts === undefined ? {} : { caCerts },
    });
    return await allocate({ carrier, username, credential, clock, signal });
  }
}
