/**
 * The connection of the session, and the change from one to the next: dialled until there is one, replaced while it
 * lives, dialled again when it ends.
 *
 * @module
 */

import { CLOSE_CODES, type Message } from "../../protocol/core.ts";
import { SkeinError } from "../errors.ts";
import type { ResolvedOptions } from "../options.ts";
import type { Connector, ConnectRequest, Established } from "./connector.ts";
import { errorOf, type Link, type LinkEnd, type LinkHandler } from "./link.ts";
import { RaceLost } from "./race.ts";
import type { Redial } from "./redial.ts";

/** Milliseconds a connection that was replaced may take to go by itself. */
const REPLACED_LINGER = 2000;

/** What is told of the session's connection. */
export interface LinksHost {
  /** What a link that is about to authenticate resumes. */
  resume: ConnectRequest["resume"];
  /** A link has asked for authentication while no other carries the session. */
  early(link: Link, token: string): void;
  /** Another link carries the session; `before` does no more. Called before anything it brings is handed on. */
  attached(established: Established, before: Link | undefined): void;
  /** No link carries the session. */
  detached(): void;
  /** The link ended and none takes its place at once. */
  ended(end: LinkEnd, willReconnect: boolean): void;
  /** Nothing is dialled any more. */
  gaveUp(error: SkeinError): void;
  failed(error: SkeinError): void;
  /** A message, of the link in use or of one that was replaced a moment ago. */
  message(message: Message, isCurrent: boolean): void;
  laneLost(link: Link, lane: number): void;
}

/** Keeps the session on a link. */
export class Links implements LinkHandler {
  readonly #options: ResolvedOptions;
  readonly #connector: Connector;
  readonly #redial: Redial;
  readonly #host: LinksHost;
  readonly #retired = new Map<Link, () => void>();
  #link: Link | undefined;
  #abort: AbortController | undefined;
  #moving = false;
  /** Ended while the session was moving away from it. */
  #left: Link | undefined;
  #cycling: AbortSignal | undefined;

  constructor(options: ResolvedOptions, connector: Connector, redial: Redial, host: LinksHost) {
    this.#options = options;
    this.#connector = connector;
    this.#redial = redial;
    this.#host = host;
  }

  /** The link in use. */
  get current(): Link | undefined {
    return this.#link;
  }

  /** Aborted when dialling stops. */
  get signal(): AbortSignal | undefined {
    return this.#abort?.signal;
  }

  /** Begins to dial. */
  start(): void {
    this.#abort = new AbortController();
    void this.#cycle(0, this.#abort.signal);
  }

  /** Ends the link, and dialling. Never rejects. */
  async stop(reason: SkeinError): Promise<void> {
    const link = this.#link;
    this.#link = undefined;
    this.#abort?.abort(reason);
    this.#abort = undefined;
    const closing = [...this.#retired.keys()].map((retired) => this.#discard(retired));
    if (link !== undefined) {
      this.#host.detached();
      closing.push(link.close());
    }
    await Promise.all(closing);
  }

  /** Moves the session to another link while it lives; false when that did not come about. Never rejects. */
  async move(request: Pick<ConnectRequest, "only" | "probe">): Promise<boolean> {
    const signal = this.#abort?.signal;
    if (this.#moving || this.#link === undefined || signal === undefined) return false;
    this.#moving = true;
    try {
      const established = await this.#connector.connect({ ...request, resume: this.#host.resume, signal });
      if (signal.aborted) void this.#connector.discard(established.link);
      else this.#adopt(established);
      return !signal.aborted;
    } catch {
      this.#connector.discovery.forget();
      return false;
    } finally {
      this.#moving = false;
      const left = this.#left?.end;
      this.#left = undefined;
      // The move failed, and the link it was to replace ended meanwhile: connect anew.
      if (this.#link === undefined && left !== undefined && !signal.aborted) {
        this.#host.ended(left, true);
        void this.#cycle(0, signal);
      }
    }
  }

  // --- driven by links ---

  message(link: Link, message: Message): void {
    this.#host.message(message, link === this.#link);
  }

  laneLost(link: Link, lane: number): void {
    if (link === this.#link) this.#host.laneLost(link, lane);
  }

  failed(_link: Link, cause: unknown): void {
    this.#host.failed(new SkeinError("bad_request", "the server sent what cannot be read", { cause }));
  }

  ended(link: Link, end: LinkEnd): void {
    // Of one that was given up the transport may not have ended yet.
    void this.#discard(link);
    const signal = this.#abort?.signal;
    if (link !== this.#link || signal === undefined) return;
    this.#link = undefined;
    this.#host.detached();
    // A link that takes the session over makes the server end this one: if it arrives, nobody has to know.
    if (this.#moving && (end.reconnect || end.code === CLOSE_CODES.replaced)) {
      this.#left = link;
      return;
    }
    // The one that has the session now may be a link that we gave up while the server was slow to answer: that is no
    // other client, and it goes.
    const isOurs = end.code === CLOSE_CODES.replaced && this.#connector.hasStray();
    const wait = this.#redial.afterEnd(
      isOurs ? { ...end, reconnect: true } : end,
      this.#options.clock.now() - link.since,
    );
    this.#host.ended(end, wait !== undefined);
    if (wait === undefined) this.#host.gaveUp(errorOf(end));
    else void this.#cycle(wait, signal);
  }

  // --- dialling ---

  async #cycle(wait: number | undefined, signal: AbortSignal): Promise<void> {
    if (this.#cycling === signal) return;
    this.#cycling = signal;
    try {
      while (wait !== undefined && this.#link === undefined) {
        await this.#redial.pause(wait, signal);
        if (signal.aborted) return;
        wait = await this.#attempt(signal);
      }
    } finally {
      if (this.#cycling === signal) this.#cycling = undefined;
    }
  }

  /** Milliseconds until the next attempt; undefined: there is none. */
  async #attempt(signal: AbortSignal): Promise<number | undefined> {
    try {
      const established = await this.#connector.connect({
        resume: this.#host.resume,
        early: (link, token) => this.#host.early(link, token),
        signal,
      });
      if (signal.aborted) {
        void this.#connector.discard(established.link);
        return undefined;
      }
      this.#cycling = undefined;
      this.#adopt(established);
      return undefined;
    } catch (error) {
      if (signal.aborted) return undefined;
      const failure = failureOf(error);
      this.#host.failed(failure);
      this.#connector.discovery.forget();
      const wait = this.#redial.afterFailure(failure);
      if (wait === undefined) this.#host.gaveUp(failure);
      return wait;
    }
  }

  #adopt(established: Established): void {
    const { link } = established;
    const before = this.#link ?? this.#left;
    this.#left = undefined;
    this.#link = link;
    this.#redial.connected();
    this.#host.attached(established, before);
    if (before !== undefined && before.end === undefined) {
      // The server ends it, or we do. What it still brings is taken.
      this.#retired.set(before, this.#options.clock.after(REPLACED_LINGER, () => void this.#discard(before)));
    }
    // Listeners may have closed the client.
    if (this.#link === link) link.start(this);
  }

  #discard(link: Link): Promise<void> {
    this.#retired.get(link)?.();
    this.#retired.delete(link);
    return this.#connector.discard(link);
  }
}

/** What an attempt failed of: what a server said, or else what was tried. */
function failureOf(error: unknown): SkeinError {
  const errors = error instanceof RaceLost ? error.errors : [error];
  const said = errors.find((each) => each instanceof SkeinError && (each.code > 0 || errors.length === 1));
  if (said instanceof SkeinError) return said;
  const reasons = errors.map((each) => (each as Error).message).join("; ");
  return new SkeinError("connection_lost", `not connected: ${reasons}`, {
    temporary: true,
    cause: error,
  });
}
