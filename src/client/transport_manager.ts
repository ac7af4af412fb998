/**
 * One session over whatever transport works: it connects, comes back, moves between transports, sends what is
 * published until it is acknowledged, and delivers what is received once and in order.
 *
 * @module
 */

import type { Message, Payload } from "../protocol/core.ts";
import type { AcknowledgedType, ClientType, UnansweredType } from "../protocol/mod.ts";
import { attempt, quietDeferred } from "../async/deferred.ts";
import { Emitter, type Listener } from "./emitter.ts";
import { SkeinError } from "./errors.ts";
import type { ClientEvents, ClientStatus } from "./events.ts";
import { type ClientOptions, type ResolvedOptions, resolveOptions } from "./options.ts";
import type { Receipt } from "./outbox/outbox.ts";
import type { ClientMetrics } from "./policy/meter.ts";
import { type ChannelHandler, type ChannelHandlerPort, ChannelHandlers } from "./session/channel_handlers.ts";
import { Connector, type Established } from "./session/connector.ts";
import { Heartbeat } from "./session/heartbeat.ts";
import type { Position } from "./session/inbox.ts";
import type { Link } from "./session/link.ts";
import { Links } from "./session/links.ts";
import { Mover } from "./session/mover.ts";
import type { SessionPart } from "./session/part.ts";
import { Outgoing } from "./session/outgoing.ts";
import { Publisher } from "./session/publisher.ts";
import type { Publishing } from "./session/publishing.ts";
import { Pushes } from "./session/pushes.ts";
import { Redial } from "./session/redial.ts";
import { Relocation } from "./session/relocation.ts";
import { Renewal } from "./session/renewal.ts";
import { Reporter } from "./session/reporter.ts";
import { type AnswerOf, type Following, type Question, Requests } from "./session/requests.ts";
import { Subscriptions } from "./session/subscriptions.ts";
import { Surroundings } from "./session/surroundings.ts";
import { Tokens } from "./session/tokens.ts";
import type { ClientTransportKind } from "./transport/contract.ts";

/** One session of one user on one device. */
export class TransportManager {
  readonly #options: ResolvedOptions;
  readonly #events = new Emitter<ClientEvents>();
  readonly #tokens: Tokens;
  readonly #connector: Connector;
  readonly #redial: Redial;
  readonly #links: Links;
  readonly #requests: Requests;
  readonly #outgoing: Outgoing;
  readonly #publisher: Publisher;
  readonly #reporter: Reporter;
  readonly #subscriptions: Subscriptions;
  readonly #handlers: ChannelHandlers;
  readonly #surroundings: Surroundings;
  /** In the order in which they are told of the connection, and asked whose a message is. */
  readonly #parts: readonly SessionPart[];
  #status: ClientStatus = "idle";
  #closing: Promise<void> | undefined;
  #sessionId: string | undefined;
  #userId: string | undefined;
  #connected = quietDeferred<void>();

  /** Throws SkeinError `bad_argument` when an option makes no sense. Nothing is dialled before `connect`. */
  constructor(options: ClientOptions) {
    const resolved = this.#options = resolveOptions(options);
    const { clock, random, requestTimeout, outbox, signal, metricsInterval, environment } = resolved;
    const events = this.#events;
    const failed = (error: SkeinError): void => events.emit("error", error);
    const tokens = this.#tokens = new Tokens(resolved.getToken, clock);
    const connector = this.#connector = new Connector(resolved, tokens, failed);
    this.#redial = new Redial(resolved, tokens);
    const requests = this.#requests = new Requests(clock, requestTimeout);
    const reporter = this.#reporter = new Reporter(
      clock,
      metricsInterval,
      (metrics) => events.emit("metrics", metrics),
    );
    const publisher = this.#publisher = new Publisher(clock, requests, outbox, {
      acknowledged: (receipt) => events.emit("acknowledged", receipt),
      rejected: (id, error) => events.emit("rejected", { id, error }),
      refused: (channel, error) => handlers.refused(channel, error),
      changed: (pending) => events.emit("pending", pending),
      room: () => handlers.room(),
      failed,
    });
    const outgoing = this.#outgoing = new Outgoing(publisher, requests, () => this.#links.current);
    const handlers = this.#handlers = new ChannelHandlers(outgoing);
    const subscriptions = this.#subscriptions = new Subscriptions(clock, requests, {
      delivered: (message) => this.#delivered(message),
      discontinuity: (gap) => events.emit("discontinuity", gap),
      ended: (channel, error) => events.emit("left", { channel, error }),
    });
    const links = this.#links = new Links(resolved, connector, this.#redial, {
      resume: (link, token) =>
        this.#sessionId === undefined
          ? undefined
          : { sessionId: this.#sessionId, channels: subscriptions.resumePoints(link, token.length) },
      early: (link, token) => publisher.early(link, token, (channel) => subscriptions.isUnplaced(channel)),
      attached: (established, before) => this.#attached(established, before),
      detached: () => this.#each((part) => part.detach?.()),
      ended: ({ code, reason }, willReconnect) => {
        events.emit("disconnected", { code, reason, willReconnect });
        if (willReconnect) this.#setStatus("reconnecting");
      },
      gaveUp: (error) => void this.#stop(error.error === "unauthorized" ? "unauthorized" : "idle", error),
      failed,
      message: (message, isCurrent) => this.#message(message, isCurrent),
      laneLost: (link, lane) => this.#each((part) => part.laneLost?.(lane, link)),
    });
    const mover = new Mover(resolved, {
      paths: connector.paths,
      move: (request) => links.move(request),
      openUntil: (path) => connector.openUntil(path),
    });
    const heartbeat = new Heartbeat(clock, [reporter, mover]);
    this.#surroundings = new Surroundings(environment, {
      changed: (before) => {
        connector.forgetPreference(before);
        mover.networkChanged();
      },
      hopeful: () => this.reconnect(),
      suspect: () => heartbeat.suspect(),
      migrated: (survived, transport) => {
        if (!survived) reporter.migrationFailed();
        events.emit("migrated", { survived, transport });
      },
    });
    this.#parts = [
      this.#surroundings,
      reporter,
      heartbeat,
      // Before `requests` and `publisher`: a channel is joined before anything is published there.
      subscriptions,
      requests,
      publisher,
      handlers,
      mover,
      new Renewal(tokens, requests, clock, resolved.renewable, failed),
      new Relocation(links, connector.discovery, clock, random, (notice) => events.emit("draining", notice)),
      // Last: it takes what is left.
      new Pushes((message) => events.emit("message", message), failed),
    ];
    if (signal?.aborted) void this.close();
    else signal?.addEventListener("abort", this.#aborted, { once: true });
  }

  /** Where the session stands. */
  get status(): ClientStatus {
    return this.#status;
  }

  /** Whether the session is on a connection. */
  isConnected(): boolean {
    return this.#links.current !== undefined;
  }

  /** What carries the session; null while nothing does. */
  getTransportType(): ClientTransportKind | null {
    return this.#links.current?.transport.kind ?? null;
  }

  /** The session, once there is one. */
  get sessionId(): string | undefined {
    return this.#sessionId;
  }

  /** Who the token says we are, once the server said so. */
  get userId(): string | undefined {
    return this.#userId;
  }

  /** Messages that are not acknowledged. */
  get pending(): number {
    return this.#publisher.pending;
  }

  /** The channels the application is on. */
  get channels(): string[] {
    return this.#subscriptions.channels;
  }

  /**
   * Joins a channel and stays on it, whatever happens to connections. Resolves when the server has confirmed it; rejects
   * with its error. `since`: what comes after that place is wanted too.
   */
  subscribe(channel: string, since?: Position): Promise<void> {
    if (this.#status === "closed") return attempt(() => Promise.reject(SkeinError.closed()));
    return this.#subscriptions.subscribe(channel, since);
  }

  /** Leaves a channel. */
  unsubscribe(channel: string): Promise<void> {
    return this.#subscriptions.unsubscribe(channel);
  }

  /** Where a channel stands: the last message that was delivered; undefined when that is not known. */
  position(channel: string): Position | undefined {
    return this.#subscriptions.position(channel);
  }

  /** Resolves when the outbox of an earlier run has been read. */
  get loaded(): Promise<void> {
    return this.#publisher.loaded;
  }

  /** Calls `listener` at each `event`; returns what takes it off again. */
  on<E extends keyof ClientEvents>(event: E, listener: Listener<ClientEvents[E]>): () => void {
    return this.#events.on(event, listener);
  }

  /** Takes a listener off. */
  off<E extends keyof ClientEvents>(event: E, listener: Listener<ClientEvents[E]>): void {
    this.#events.off(event, listener);
  }

  /**
   * Connects, and stays connected. Resolves with the first connection; rejects when the server says not to come back
   * (`closed`), takes none of the tokens (`unauthorized`), when there is nothing to dial with (`no_transport`), or when the
   * attempts are used up.
   */
  connect(): Promise<void> {
    if (this.#status === "closed") return attempt(() => Promise.reject(SkeinError.closed()));
    const { promise } = this.#connected;
    if (this.#status === "idle" || this.#status === "unauthorized") {
      this.#redial.connected();
      this.#surroundings.start();
      this.#setStatus("connecting");
      this.#links.start();
    }
    return promise;
  }

  /** Tries at once what would be tried later: the user asks for it. */
  reconnect(): void {
    this.#connector.closeBreakers();
    this.#redial.wake();
  }

  /** Measurements of now; begins the next interval of `throughput`. */
  measure(): ClientMetrics {
    return this.#reporter.measure();
  }

  /**
   * Ends the connection and the session at the server, and forgets the token and whose it was. Channels are kept for the
   * next `connect`, and what is not acknowledged until the same user connects again.
   */
  async disconnect(): Promise<void> {
    this.#tokens.forget();
    this.#userId = undefined;
    if (this.#status === "idle" || this.#status === "closed") return;
    await this.#stop("idle", SkeinError.closed());
  }

  /** Ends everything for good. What is not acknowledged stays in the storage, if there is one. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    const error = SkeinError.closed();
    this.#tokens.close();
    this.#options.signal?.removeEventListener("abort", this.#aborted);
    await this.#stop("closed", error);
    await Promise.all([this.#connector.close(), ...this.#parts.map((part) => part.close?.(error))]);
    this.#events.clear();
  }

  /** Publishes; resolves when the server has committed it. Waits for a connection as long as it takes. */
  send(type: AcknowledgedType, payload: Payload, id?: string): Promise<Receipt>;
  /** Asks, and resolves with the answer. */
  send<Q extends Question>(type: Q, payload: Payload, id?: string): Promise<AnswerOf<Q>>;
  /** Sends once, now. Rejects with `connection_lost` when there is no connection. */
  send(type: UnansweredType, payload: Payload, id?: string): Promise<void>;
  send(type: ClientType, payload: Payload, id?: string): Promise<unknown> {
    if (this.#status === "closed") return attempt(() => Promise.reject(SkeinError.closed()));
    return attempt(() => this.#outgoing.send(type, payload, id));
  }

  /**
   * Publishes several messages, all or none; each promise settles as that of `send` does. Throws SkeinError when none is
   * taken.
   */
  publish(publishings: readonly Publishing[]): Promise<Receipt>[] {
    if (this.#status === "closed") throw SkeinError.closed();
    return this.#outgoing.publish(publishings);
  }

  /** Asks what several messages answer; see `Requests.follow`. */
  follow = (question: Following): Promise<void> => this.#requests.follow(question);

  /** `handler` takes what concerns a channel. Throws `bad_argument` when it has one already. */
  handleChannel = (channel: string, handler: ChannelHandler): ChannelHandlerPort =>
    this.#handlers.handle(channel, handler);

  readonly #aborted = (): void => void this.close();

  readonly #each = (tell: (part: SessionPart) => void): void => this.#parts.forEach(tell);

  #attached(established: Established, before: Link | undefined): void {
    const { link, response } = established;
    const { kind } = link.transport;
    const { sessionId, connectionId, userId, resumed } = response;
    this.#sessionId = sessionId;
    this.#userId = userId;
    this.#each((part) => part.attach?.(link, established));
    this.#setStatus("connected");
    this.#connected.resolve();
    this.#events.emit("connected", { transport: kind, sessionId, connectionId, userId, resumed });
    const from = before?.transport.kind ?? kind;
    if (from !== kind) this.#events.emit("transportchange", { from, to: kind });
  }

  async #stop(status: "idle" | "unauthorized" | "closed", error: SkeinError): Promise<void> {
    const wasConnected = this.isConnected();
    this.#each((part) => part.stop?.(error));
    const stopping = this.#links.stop(error);
    this.#connected.reject(error);
    this.#connected = quietDeferred<void>();
    this.#setStatus(status);
    await stopping;
    if (wasConnected) {
      this.#events.emit("disconnected", { code: 1000, reason: "normal", willReconnect: false });
    }
  }

  #message(message: Message, isCurrent: boolean): void {
    try {
      for (const part of this.#parts) if (part.take?.(message, isCurrent) === true) return;
    } catch (cause) {
      const unreadable = `a ${message.type} that cannot be read`;
      this.#events.emit("error", new SkeinError("bad_payload", unreadable, { cause }));
    }
  }

  #delivered(message: ClientEvents["delivered"]): void {
    this.#events.emit("delivered", message);
    if (!this.#events.has("message")) return;
    const { type, id, timestamp, ...payload } = message;
    this.#events.emit("message", { type, id, timestamp, payload });
  }

  #setStatus(status: ClientStatus): void {
    if (this.#status === status) return;
    this.#status = status;
    this.#events.emit("status", status);
  }
}
