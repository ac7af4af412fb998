/**
 * A connection to a peer as the application sees it: it outlives paths, and the QUIC connections under it.
 *
 * @module
 */

import { type Deferred, deferred } from "../async/deferred.ts";
import type { Clock } from "../async/clock.ts";
import { delay } from "../async/deadline.ts";
import type { Connection } from "../quic/mod.ts";
import type { Address } from "./address.ts";
import { PeerError } from "./errors.ts";
import type { PeerId } from "./identity.ts";
import type { PathKind } from "./path_selector.ts";
import { backoff, nextState, type PeerEvent, type PeerState } from "./state.ts";

/** The path that is used now. */
export interface PathInfo {
  readonly kind: PathKind;
  /** Where packets go. */
  readonly remote: Address;
  /** Round trip in ms, smoothed. */
  readonly rtt: number | undefined;
  /** The connection has a socket of its own, and cannot move to another path. @default false */
  readonly fastLane?: boolean;
}

/** What a connection tells. */
export interface PeerConnectionEvents {
  state?: (state: PeerState, error?: PeerError) => void;
  /** Undefined: no path now; the service has to carry what cannot wait. */
  path?: (path: PathInfo | undefined) => void;
  /** A QUIC connection is there: the first, or another after one was lost. Streams of the one before are gone. */
  connection?: (connection: Connection) => void;
}

/** Makes one QUIC connection to the peer. Undefined: the peer has called at the same time, and its call counts. */
export type Attempt = (signal: AbortSignal, isFirst: boolean) => Promise<Connection | undefined>;

/** Options of a connection. */
export interface PeerConnectionOptions {
  readonly peer: PeerId;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  /** Makes an attempt; undefined at the side that was called: it waits for the peer to call again. */
  readonly attempt?: Attempt | undefined;
  /** Milliseconds without a connection after which the side that calls gives up. @default DEFAULT_PATIENCE */
  readonly patience?: number | undefined;
  /** It is over, by whichever side: another connection may take its place. */
  readonly onClosing: () => void;
  /** The last packet has left. */
  readonly onClosed: (reason: string) => void;
}

/** A call of the peer that counts instead of ours has to lead to a connection within this many ms. */
const CALL_PATIENCE = 10_000;
/** The called side waits this many ms for the peer to call again. */
const CALLED_PATIENCE = 60_000;

/** The calling side gives up after this many ms without a connection: a machine may sleep over lunch. */
const DEFAULT_PATIENCE = 3_600_000;

/** Throws RangeError when a `patience` is no time. */
export function checkPatience(patience: number | undefined): void {
  if (patience === undefined || patience > 0) return;
  throw new RangeError(`patience: ${patience} is not a number of milliseconds above 0`);
}

/** A connection to a peer. */
export class PeerConnection {
  readonly peer: PeerId;
  readonly #options: PeerConnectionOptions;
  readonly #listeners = new Set<PeerConnectionEvents>();
  readonly #stop = new AbortController();
  #state: PeerState = "disconnected";
  #current: Connection | undefined;
  #waiting: Deferred<Connection> | undefined;
  #path: PathInfo | undefined;
  #isCalling = false;
  #attempts = 0;
  #failedAttempts = 0;
  #cancel: (() => void) | undefined;
  #cancelPatience: (() => void) | undefined;
  #lastError: PeerError | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: PeerConnectionOptions) {
    this.peer = options.peer;
    this.#options = options;
  }

  get state(): PeerState {
    return this.#state;
  }

  /** The path that is used now. */
  get path(): PathInfo | undefined {
    const path = this.#path;
    if (path === undefined) return undefined;
    const { kind, remote, rtt, fastLane = false } = path;
    return { kind, remote, rtt, fastLane };
  }

  /** The QUIC connection there is now. */
  get current(): Connection | undefined {
    return this.#current;
  }

  /** Whether this side is calling the peer now. */
  get isCalling(): boolean {
    return this.#isCalling;
  }

  /** Whether it was closed for good. */
  get isClosed(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Calls the functions of `events`. Returns a function that stops it. */
  on(events: PeerConnectionEvents): () => void {
    this.#listeners.add(events);
    return () => this.#listeners.delete(events);
  }

  /**
   * The QUIC connection, as soon as there is one: its streams and datagrams are those of `src/quic/`. Rejects with
   * PeerError once the connection is closed, or cannot be made for a reason that no other attempt changes; `gave_up`: the
   * peer was away for longer than `patience`, and `cause` says why the last attempt failed.
   */
  ready(): Promise<Connection> {
    if (this.#current !== undefined) return Promise.resolve(this.#current);
    if (this.isClosed) return Promise.reject(this.#stop.signal.reason);
    if (this.#waiting === undefined) {
      this.#waiting = deferred();
      this.#waiting.promise.catch(() => {});
    }
    return this.#waiting.promise;
  }

  /** Begins. For the side that calls. `expectsCall`: the peer is calling already; see `expectCall`. */
  start(expectsCall = false): void {
    this.#to("connect");
    this.#wait();
    if (expectsCall) this.expectCall();
    else void this.#try();
  }

  /**
   * The peer has called, and is answered: this side does not call meanwhile, or there would be two connections, of which one
   * ends with what was said on it.
   */
  expectCall(): void {
    if (this.#current !== undefined || this.isClosed || this.#options.attempt === undefined) return;
    this.#cancel?.();
    this.#cancel = this.#options.clock.after(CALL_PATIENCE, () => {
      this.#to("retry");
      void this.#try();
    });
  }

  /** A QUIC connection was made, by this side or by the peer's call. One that is there already ends. */
  adopt(connection: Connection): void {
    if (this.isClosed) return void connection.close();
    const before = this.#current;
    this.#current = connection;
    this.#failedAttempts = 0;
    this.#lastError = undefined;
    this.#cancel?.();
    this.#cancelPatience?.();
    if (this.#state === "disconnected") this.#to("connect");
    this.#to("established");
    this.#waiting?.resolve(connection);
    this.#waiting = undefined;
    this.#tell(({ connection: told }) => told?.(connection));
    void before?.close(0, "replaced");
    connection.closed.then((info) => {
      if (this.#current !== connection) return;
      this.#current = undefined;
      if (info.by === "remote" && info.code === CLOSED_CODE) return void this.close("closed by the peer");
      this.#lost();
    });
  }

  /** The path has changed. */
  moved(path: PathInfo | undefined): void {
    this.#path = path;
    this.#tell(({ path: told }) => told?.(this.path));
  }

  /** Ends it for good and tells the peer. Resolves when that was told, after a second at most. Never rejects. */
  close(reason = "closed", error: PeerError = new PeerError("closed", reason)): Promise<void> {
    return this.#closing ??= this.#close(reason, error);
  }

  async #close(reason: string, error: PeerError): Promise<void> {
    this.#cancel?.();
    this.#cancelPatience?.();
    const current = this.#current;
    this.#current = undefined;
    this.#stop.abort(error);
    this.#waiting?.reject(error);
    this.#options.onClosing();
    this.#to("close", error);
    if (current !== undefined) {
      await current.close(CLOSED_CODE, reason);
      await delay(LINGER, { timers: this.#options.clock });
    }
    this.#options.onClosed(reason);
  }

  #lost(): void {
    const { clock, attempt } = this.#options;
    this.#to("lost", new PeerError("connection_lost"));
    if (attempt !== undefined) {
      this.#wait();
      return void this.#try();
    }
    this.#cancel = clock.after(CALLED_PATIENCE, () => void this.close("the peer did not come back"));
  }

  /** Whatever an attempt waits for, and however many follow: without a connection in time they end. */
  #wait(): void {
    const { clock, patience = DEFAULT_PATIENCE } = this.#options;
    // The longest timer is less than for ever.
    if (patience === Infinity) return;
    this.#cancelPatience = clock.after(patience, () => {
      const text = `the peer was away for ${Math.round(patience / 1000)} s`;
      const why = this.#lastError === undefined ? text : `${text}: ${this.#lastError.message}`;
      void this.close(text, new PeerError("gave_up", why, { cause: this.#lastError }));
    });
  }

  async #try(): Promise<void> {
    const { attempt, clock, random } = this.#options;
    try {
      const isFirst = this.#attempts++ === 0;
      this.#isCalling = true;
      const connection = await attempt!(this.#stop.signal, isFirst).finally(() => this.#isCalling = false);
      if (connection !== undefined) return this.adopt(connection);
      if (this.#current !== undefined || this.isClosed) return;
      this.#cancel?.();
      this.#cancel = clock.after(CALL_PATIENCE, () => void this.#try());
    } catch (cause) {
      // The call of the peer has led to a connection meanwhile.
      if (this.isClosed || this.#current !== undefined) return;
      const error = cause instanceof PeerError
        ? cause
        : new PeerError("connection_lost", (cause as Error).message, { cause });
      if (error.recovery === "end") return void this.close(error.message, error);
      this.#lastError = error;
      this.#to("attempt_failed", error);
      this.#failedAttempts++;
      this.#cancel?.();
      this.#cancel = clock.after(backoff(this.#failedAttempts, random()), () => {
        this.#to("retry");
        void this.#try();
      });
    }
  }

  #to(event: PeerEvent, error?: PeerError): void {
    const next = nextState(this.#state, event);
    if (next === undefined) return;
    this.#state = next;
    this.#tell(({ state }) => state?.(next, error));
  }

  /** A listener that throws must not stop the others. */
  #tell(call: (events: PeerConnectionEvents) => void): void {
    for (const events of [...this.#listeners]) {
      try {
        call(events);
      } catch (error) {
        reportError(error);
      }
    }
  }
}

/** The last packet of a QUIC connection leaves some turns after its end: its link stays for so many ms. */
export const LINGER = 200;
/** The QUIC close code that means: do not call again. */
const CLOSED_CODE = 1000;
