/**
 * One session over whatever transport works: it connects, comes back, moves between transports, sends what is
 * published until it is acknowledged, and delivers what is received once and in order.
 *
 * @module
 */

import { clientRow, Encoded, isAcknowledged, type Message, type Payload, uuidv7 } from "../protocol/core.ts";
import type { AcknowledgedType, ClientType, ServerNotice, UnansweredType } from "../protocol/mod.ts";
import { sleep } from "./clock.ts";
import { unwatched } from "./deferred.ts";
import { Emitter, type Listener } from "./emitter.ts";
import type { EnvironmentEvent } from "./environment.ts";
import { SkeinError } from "./errors.ts";
import type { ClientEvents, ClientStatus } from "./events.ts";
import { type ClientOptions, type ResolvedOptions, resolveOptions } from "./options.ts";
import type { Receipt } from "./outbox/outbox.ts";
import type { ClientMetrics } from "./policy/meter.ts";
import { Connector, type Established } from "./session/connector.ts";
import { Heartbeat } from "./session/heartbeat.ts";
import { type Recipients, take } from "./session/incoming.ts";
import type { Position } from "./session/inbox.ts";
import { type ChannelHandler, type ChannelHandlerPort, ChannelHandlers } from "./session/channel_handlers.ts";
import type { Link } from "./session/link.ts";
import { Links } from "./session/links.ts";
import { Mover } from "./session/mover.ts";
import { Publisher } from "./session/publisher.ts";
import { Redial } from "./session/redial.ts";
import { Reporter } from "./session/reporter.ts";
import { type AnswerOf, type Following, type Question, Requests } from "./session/requests.ts";
import { Subscriptions } from "./session/subscriptions.ts";
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
  readonly #publisher: Publisher;
  readonly #mover: Mover;
  readonly #reporter: Reporter;
  readonly #recipients: Recipients;
  readonly #subscriptions: Subscriptions;
  readonly #handlers: ChannelHandlers;
  #status: ClientStatus = "idle";
  #heartbeat: Heartbeat | undefined;
  #sessionId: string | undefined;
  #userId: string | undefined;
  #connected = unwatched<void>();
  #unwatch: (() => void) | undefined;
  #network = "";
  /** The network changed, and nothing has come over the new one yet. */
  #migrating: ClientTransportKind | undefined;

  /** Throws SkeinError `bad_argument` when an option makes no sense. Nothing is dialled before `connect`. */
  constructor(options: ClientOptions) {
    const resolved = this.#options = resolveOptions(options);
    const { clock, requestTimeout, outbox, signal, metricsInterval } = resolved;
    const failed = (error: SkeinError): void => this.#events.emit("error", error);
    this.#tokens = new Tokens(resolved.getToken, clock);
    this.#connector = new Connector(resolved, this.#tokens);
    this.#redial = new Redial(resolved, this.#tokens);
    this.#requests = new Requests(clock, requestTimeout);
    this.#reporter = new Reporter(clock, metricsInterval, (metrics) => this.#events.emit("metrics", metrics));
    this.#publisher = new Publisher(clock, outbox, {
      acknowledged: (receipt) => this.#events.emit("acknowledged", receipt),
      rejected: (id, error) => this.#events.emit("rejected", { id, error }),
      refused: (channel, error) => this.#handlers.refused(channel, error),
      changed: (pending) => this.#events.emit("pending", pending),
      failed,
    });
    this.#handlers = new ChannelHandlers((type, payload, id) => this.send(type, payload, id));
    this.#subscriptions = new Subscriptions(clock, this.#requests, {
      delivered: (message) => this.#delivered(message),
      discontinuity: (gap) => this.#events.emit("discontinuity", gap),
      ended: (channel, error) => this.#events.emit("left", { channel, error }),
    });
    this.#links = new Links(resolved, this.#connector, this.#redial, {
      resume: (link, token) =>
        this.#sessionId === undefined
          ? undefined
          : { sessionId: this.#sessionId, channels: this.#subscriptions.resumePoints(link, token.length) },
      early: (link) => this.#publisher.early(link, (channel) => this.#subscriptions.awaits(channel)),
      attached: (established, before) => this.#attached(established, before),
      detached: () => this.#detached(),
      ended: ({ code, reason }, willReconnect) => {
        this.#events.emit("disconnected", { code, reason, willReconnect });
        if (willReconnect) this.#setStatus("reconnecting");
      },
      gaveUp: (error) => void this.#stop("idle", error),
      failed,
      message: (message, isCurrent) => this.#message(message, isCurrent),
      laneLost: (link, lane) => {
        this.#requests.laneLost(lane);
        this.#publisher.resend();
        this.#subscriptions.laneLost(lane, link);
        this.#handlers.laneLost();
      },
    });
    this.#mover = new Mover(resolved, {
      move: (wish) => this.#links.move(wish),
      has: (path) => this.#connector.has(path),
      openUntil: (path) => this.#connector.openUntil(path),
      demote: (path) => this.#connector.demote(path),
    });
    this.#recipients = {
      publisher: this.#publisher,
      requests: this.#requests,
      subscriptions: this.#subscriptions,
      handlers: this.#handlers,
      pushed: (message) => this.#events.emit("message", message),
      notice: (notice) => this.#notice(notice),
      failed,
    };
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
    if (this.#status === "closed") return Promise.reject(SkeinError.closed());
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
   * (`closed`), or when the attempts are used up.
   */
  connect(): Promise<void> {
    if (this.#status === "closed") return Promise.reject(SkeinError.closed());
    const { promise } = this.#connected;
    if (this.#status === "idle") {
      const { environment } = this.#options;
      this.#redial.connected();
      this.#network = environment.network();
      this.#unwatch = environment.watch((event) => this.#around(event));
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

  /** Ends the connection and the session at the server. What is not acknowledged waits for the next `connect`. */
  async disconnect(): Promise<void> {
    if (this.#status === "idle" || this.#status === "closed") return;
    await this.#stop("idle", SkeinError.closed());
  }

  /** Ends everything for good. What is not acknowledged stays in the storage, if there is one. */
  async close(): Promise<void> {
    if (this.#status === "closed") return;
    const error = SkeinError.closed();
    this.#options.signal?.removeEventListener("abort", this.#aborted);
    await this.#stop("closed", error);
    this.#subscriptions.close();
    this.#connector.close();
    await this.#publisher.close(error);
    this.#events.clear();
  }

  /** Publishes; resolves when the server has committed it. Waits for a connection as long as it takes. */
  send(type: AcknowledgedType, payload: Payload, id?: string): Promise<Receipt>;
  /** Asks, and resolves with the answer. */
  send<Q extends Question>(type: Q, payload: Payload, id?: string): Promise<AnswerOf<Q>>;
  /** Sends once, now. Rejects with `connection_lost` when there is no connection. */
  send(type: UnansweredType, payload: Payload, id?: string): Promise<void>;
  send(type: ClientType, payload: Payload, id?: string): Promise<unknown> {
    if (this.#status === "closed") return Promise.reject(SkeinError.closed());
    if (isAcknowledged(type)) return this.#publisher.publish(type, payload, id);
    const row = clientRow(type as string);
    if (row?.answer !== undefined) return this.#requests.ask(type as Question, payload, id);
    const link = this.#links.current;
    if (link === undefined) {
      return Promise.reject(new SkeinError("connection_lost", "not connected", { temporary: true }));
    }
    const message = new Encoded({ type, id: id ?? uuidv7(), timestamp: Date.now(), payload });
    if (row?.datagram !== true || !link.transport.sendDatagram(message)) {
      link.sendEncoded(message, link.laneOf(type, payload.channel));
    }
    return Promise.resolve();
  }

  /** Asks what several messages answer; see `Requests.follow`. */
  follow = (question: Following): Promise<void> => this.#requests.follow(question);

  /** `handler` takes what concerns a channel. Throws `bad_argument` when it has one already. */
  handleChannel = (channel: string, handler: ChannelHandler): ChannelHandlerPort =>
    this.#handlers.keep(channel, handler);

  readonly #aborted = (): void => void this.close();

  #attached({ link, response, fellBackFrom, connectTime }: Established, before: Link | undefined): void {
    const { kind } = link.transport;
    const { sessionId, userId, resumed } = response;
    this.#sessionId = sessionId;
    this.#userId = userId;
    this.#tokens.accepted(response.expiresIn, this.#refresh);
    this.#subscriptions.attach(link, response);
    for (const each of [this.#requests, this.#publisher, this.#handlers]) each.attach(link);
    this.#mover.attach(link.path);
    this.#reporter.attach(link, fellBackFrom, connectTime);
    this.#heartbeat?.stop();
    this.#heartbeat = new Heartbeat(link, response.heartbeat, this.#options.clock, {
      dead: () => link.abandon("nothing came for too long"),
      roundTrip: (ms) => {
        this.#reporter.roundTrip(ms);
        this.#mover.roundTrip(ms);
      },
      datagram: (lost) => {
        this.#reporter.datagram(lost);
        this.#mover.datagram(lost);
      },
    });
    this.#setStatus("connected");
    this.#connected.resolve();
    this.#events.emit("connected", { transport: kind, sessionId, userId, resumed });
    const from = before?.transport.kind ?? kind;
    if (from !== kind) this.#events.emit("transportchange", { from, to: kind });
  }

  #detached(): void {
    this.#heartbeat?.stop();
    this.#heartbeat = undefined;
    this.#reporter.detach();
    this.#mover.detach();
    for (const each of [this.#requests, this.#publisher, this.#handlers, this.#subscriptions]) each.detach();
    if (this.#migrating !== undefined) this.#survived(false);
  }

  async #stop(status: "idle" | "closed", error: SkeinError): Promise<void> {
    const wasConnected = this.isConnected();
    this.#migrating = undefined;
    this.#tokens.stop();
    this.#unwatch?.();
    this.#unwatch = undefined;
    const stopping = this.#links.stop(error);
    this.#requests.close(error);
    this.#connected.reject(error);
    this.#connected = unwatched<void>();
    this.#setStatus(status);
    await stopping;
    if (wasConnected) {
      this.#events.emit("disconnected", { code: 1000, reason: "normal", willReconnect: false });
    }
  }

  readonly #refresh = async (): Promise<void> => {
    if (!this.#options.renewable) return;
    const token = await this.#tokens.renew();
    if (!this.isConnected()) return;
    const { expiresIn } = await this.#requests.ask("auth_refresh", { token });
    this.#tokens.accepted(expiresIn, this.#refresh);
  };

  // --- what comes ---

  #message(message: Message, isCurrent: boolean): void {
    if (isCurrent) {
      const isPong = this.#heartbeat?.received(message);
      if (this.#migrating !== undefined) this.#survived(true);
      if (isPong) return;
    }
    try {
      take(message, this.#recipients);
    } catch (cause) {
      this.#recipients.failed(
        new SkeinError("bad_payload", `a ${message.type} that cannot be read`, { cause }),
      );
    }
  }

  #delivered(message: ClientEvents["delivered"]): void {
    this.#events.emit("delivered", message);
    if (!this.#events.has("message")) return;
    const { type, id, timestamp, ...payload } = message;
    this.#events.emit("message", { type, id, timestamp, payload });
  }

  #notice(notice: ServerNotice): void {
    if (notice.kind === "token_expiring") {
      this.#refresh().catch((cause) =>
        this.#recipients.failed(new SkeinError("no_token", "the token could not be renewed", { cause }))
      );
    }
    const { signal } = this.#links;
    if (signal === undefined || (notice.kind !== "moved_to" && notice.kind !== "draining")) return;
    this.#events.emit("draining", { deadline: notice.deadline });
    if (notice.kind === "moved_to") this.#connector.discovery.moveTo(notice.urls);
    // Not all at once: the clients of a node arrive somewhere together.
    const wait = this.#options.random() * notice.deadline / 2;
    sleep(this.#options.clock, wait, signal).then(() => this.#links.move({}), () => {});
  }

  #around(event: EnvironmentEvent): void {
    if (event === "network" || event === "online") {
      this.#connector.forgetPreference(this.#network);
      this.#network = this.#options.environment.network();
      const transport = this.#links.current?.transport;
      if (event === "network" && transport?.laneful === true) this.#migrating = transport.kind;
      this.#mover.networkChanged();
    }
    if (event !== "offline") this.reconnect();
    this.#heartbeat?.suspect();
  }

  #survived(survived: boolean): void {
    const transport = this.#migrating!;
    this.#migrating = undefined;
    if (!survived) this.#reporter.migrationFailed();
    this.#events.emit("migrated", { survived, transport });
  }

  #setStatus(status: ClientStatus): void {
    if (this.#status === status) return;
    this.#status = status;
    this.#events.emit("status", status);
  }
}
