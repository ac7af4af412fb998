/**
 * Who in the service has a say about connections and subscriptions, before they begin.
 *
 * @module
 */

import type { MaybePromise } from "../engine/contract.ts";
import { type ErrorName, matchesAny, type Principal, ProtocolError } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";
import { Asking } from "./asking.ts";
import { type ReadAttempt, ReadDecisions } from "./read_decisions.ts";
import { isBuiltIn } from "./settings.ts";

/** What hooks may add to the claims of a token. The limits of a token's claims hold for both together. */
export interface ClaimAdditions {
  /** Channel patterns for both ways. */
  readonly channels?: readonly string[];
  readonly subscribe?: readonly string[];
  readonly publish?: readonly string[];
  readonly rights?: readonly string[];
  /** Its fields are added to those of the token's `info`, and replace those of the same name. */
  readonly info?: Readonly<Record<string, unknown>>;
}

/** A connection, as far as it is known before it has a session. */
export type Connecting = Pick<Client, "connectionId" | "transport" | "connectedAt">;

/** A connection that is to be let in, or whose token is to be taken in place of its first one. */
export interface ConnectAttempt {
  readonly connection: Connecting;
  /** Who the token says it is, with what hooks have granted. */
  readonly principal: Principal;
  /** The session that it wants to go on with. */
  readonly resume: string | undefined;
  /** It is open already, and brings another token of its user. */
  readonly refresh: boolean;
  /** Adds to the claims. They hold until the connection ends or brings another token. Throws ProtocolError `bad_payload`. */
  grant(claims: ClaimAdditions): void;
}

/** A subscription that is to begin. */
export interface SubscribeAttempt {
  readonly client: Client;
  readonly channel: string;
  /** The connection begins with it, because its client was subscribed before. */
  readonly resumed: boolean;
}

/** What has a say about connections and subscriptions. Hooks are asked in the order they were added. */
export interface AdmissionHook {
  /** Named in log lines and metrics. */
  readonly name: string;
  /**
   * Throws or rejects with ProtocolError to refuse. The client is shown the error's detail: `not_available` lets it try
   * again, any other error ends the connection for good. More than the deadline of hooks is `not_available`.
   */
  connect?(attempt: ConnectAttempt): MaybePromise<void>;
  /** As `connect`, for a channel that the token allows. Any error is the answer to `subscribe`. */
  subscribe?(attempt: SubscribeAttempt): MaybePromise<void>;
  /**
   * As `subscribe`, for the files of a channel and a user who is not subscribed to it. What is said holds for a while.
   * @default only subscribers may, where `subscribe` is asked
   */
  read?(attempt: ReadAttempt): MaybePromise<void>;
  /** Patterns of the channels that `subscribe` and `read` are asked about. @default all; inboxes and the broadcast channel never */
  readonly channels?: readonly string[];
}

/** What admissions need; see `HubOptions`. */
export interface AdmissionParts {
  readonly patience: number;
  readonly extend: (principal: Principal, claims: ClaimAdditions) => Principal;
  readonly failed: (error: unknown, stage: string) => void;
  /** Milliseconds of a clock that only goes forward. @default performance.now */
  readonly now?: () => number;
}

/** A decision that is not there yet. */
interface Deciding {
  readonly over: Promise<unknown>;
  /** Its client has unsubscribed meanwhile. */
  left: boolean;
}

/** The hooks that were added. Without any, nothing is asked and nothing is allocated. */
export class Admissions {
  readonly #parts: AdmissionParts;
  readonly #connecting: Asking<AdmissionHook, ConnectAttempt>;
  readonly #subscribing: Asking<AdmissionHook, SubscribeAttempt>;
  readonly #reading: Asking<AdmissionHook, ReadAttempt>;
  readonly #reads: ReadDecisions;
  #hooks: readonly AdmissionHook[] = [];
  #onConnect: readonly AdmissionHook[] = [];
  #onSubscribe: readonly AdmissionHook[] = [];
  /** By session and channel. */
  readonly #deciding = new Map<string, Deciding>();

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
    const { patience, failed, now = () => performance.now() } = parts;
    this.#connecting = new Asking({ ask: (hook, attempt) => hook.connect!(attempt), patience, failed });
    this.#subscribing = new Asking({ ask: (hook, attempt) => hook.subscribe!(attempt), patience, failed });
    this.#reading = new Asking({ ask: readOf, patience, failed });
    this.#reads = new ReadDecisions((attempt) => this.#decideRead(attempt), now);
  }

  /** Adds a hook behind those there are. Throws TypeError when one of its name was added before. */
  add(hook: AdmissionHook): void {
    if (this.#hooks.some(({ name }) => name === hook.name)) {
      throw new TypeError(`two hooks are named ${hook.name}`);
    }
    this.#replace([...this.#hooks, hook]);
  }

  /** Removes the hook of that name. */
  remove(name: string): void {
    this.#replace(this.#hooks.filter((hook) => hook.name !== name));
  }

  /** Asks about a connection; what it gives has the claims that were granted. Throws or rejects as the first that refuses. */
  connect(
    principal: Principal,
    attempt: Omit<ConnectAttempt, "principal" | "grant">,
  ): MaybePromise<Principal> {
    if (this.#onConnect.length === 0) return principal;
    const { extend } = this.#parts;
    let granted = principal;
    let over = false;
    const asked = this.#connecting.ask(this.#onConnect, {
      ...attempt,
      get principal() {
        return granted;
      },
      grant(claims) {
        if (!over) granted = extend(granted, claims);
      },
    });
    const done = (): Principal => {
      over = true;
      return granted;
    };
    return asked instanceof Promise ? asked.then(done) : done();
  }

  /** Asks about a subscription. Throws or rejects as the first that refuses. */
  subscribe(attempt: SubscribeAttempt): MaybePromise<void> {
    const hooks = this.#hooksOf(attempt.channel);
    return hooks === undefined ? undefined : this.#subscribing.ask(hooks, attempt);
  }

  /**
   * As `subscribe`, then `join`, which is told whether that is later. While the decision is not there, `wait` finds it, and
   * `leave` makes it come to nothing.
   */
  subscribeThen<T>(attempt: SubscribeAttempt, join: (later: boolean) => MaybePromise<T>): MaybePromise<T> {
    const asked = this.subscribe(attempt);
    if (!(asked instanceof Promise)) return join(false);
    const key = keyOf(attempt.client, attempt.channel);
    const joined = asked.then(() => {
      if (deciding.left) throw new ProtocolError("not_subscribed", "left before the answer came");
      return join(true);
    });
    const over = joined.then(() => {}, () => {}).finally(() => {
      if (this.#deciding.get(key) === deciding) this.#deciding.delete(key);
    });
    const deciding: Deciding = { over, left: false };
    this.#deciding.set(key, deciding);
    return joined;
  }

  /** Resolves when nothing is decided any more about a subscription; undefined when that is so now. */
  wait(client: Client, channel: string): Promise<unknown> | undefined {
    return this.#deciding.size === 0 ? undefined : this.#deciding.get(keyOf(client, channel))?.over;
  }

  /** The client does not want the subscription any more; false: nothing is decided about it. */
  leave(client: Client, channel: string): boolean {
    const deciding = this.#deciding.get(keyOf(client, channel));
    if (deciding === undefined || deciding.left) return false;
    deciding.left = true;
    return true;
  }

  /**
   * Why a client may not read what a channel keeps although its token allows the channel: hooks have a say about it, and
   * the client is not subscribed.
   */
  refuseRead(channel: string, isSubscribed: () => boolean): ErrorName | undefined {
    return this.#hooksOf(channel) === undefined || isSubscribed() ? undefined : "not_subscribed";
  }

  /**
   * Asks whether a user who is not subscribed to a channel may read its files; an answer holds for some seconds. Throws or
   * rejects as the first hook that refuses.
   */
  read(attempt: ReadAttempt): MaybePromise<void> {
    return this.#hooksOf(attempt.channel) === undefined ? undefined : this.#reads.ask(attempt);
  }

  #decideRead(attempt: ReadAttempt): MaybePromise<void> {
    return this.#reading.ask(this.#hooksOf(attempt.channel) ?? [], attempt);
  }

  #hooksOf(channel: string): readonly AdmissionHook[] | undefined {
    if (this.#onSubscribe.length === 0 || isBuiltIn(channel)) return undefined;
    const hooks = this.#onSubscribe.filter(({ channels }) =>
      channels === undefined || matchesAny(channels, channel)
    );
    return hooks.length === 0 ? undefined : hooks;
  }

  #replace(hooks: readonly AdmissionHook[]): void {
    this.#hooks = hooks;
    this.#reads.clear();
    this.#onConnect = hooks.filter(({ connect }) => connect !== undefined);
    this.#onSubscribe = hooks.filter(({ subscribe }) => subscribe !== undefined);
  }
}

function readOf(hook: AdmissionHook, attempt: ReadAttempt): MaybePromise<void> {
  if (hook.read === undefined) throw new ProtocolError("not_subscribed");
  return hook.read(attempt);
}

/** Neither holds a space. */
function keyOf({ connectionId }: Client, channel: string): string {
  return `${connectionId} ${channel}`;
}
