/**
 * The hub of a node: who is on which channel, and what they are sent.
 *
 * @module
 */

import { type Clock, systemClock } from "../async/clock.ts";
import { Underway } from "../async/underway.ts";
import type {
  Engine,
  EphemeralMessage,
  Found,
  Growth,
  MaybePromise,
  Page,
  Position,
  PresenceEntry,
  Published,
  ReadOptions,
} from "../engine/contract.ts";
import { type ErrorName, type Principal, ProtocolError } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";
import { Admissions, type ConnectAttempt } from "./admissions.ts";
import { Attachments } from "./attachments.ts";
import { BotService } from "./bot_service.ts";
import { Coalescer } from "./coalescer.ts";
import { Checkpoints } from "./checkpoints.ts";
import type { Attached, HubOptions, ResumePoints, Subscribed } from "./contract.ts";
import { type PublishHook, PublishHooks } from "./hooks.ts";
import { Leases } from "./leases.ts";
import { Nodes } from "./nodes.ts";
import { KeyPackages } from "./key_packages.ts";
import { Peers } from "./peers.ts";
import type { PublishRequest } from "./publication.ts";
import { pushToSubscribers } from "./pushes.ts";
import { Responders } from "./responders.ts";
import { Publisher } from "./publisher.ts";
import type { HubSession } from "./session.ts";
import { SessionEvents } from "./session_events.ts";
import { SessionRegistry } from "./session_registry.ts";
import { type NamespaceLookup, type NamespaceSettings, refuseSubscribe, settingsOf } from "./settings.ts";
import { SubscribeRequests } from "./subscribe_requests.ts";
import { Streams } from "./streams.ts";
import { Subscriptions } from "./subscriptions.ts";

/** Sessions, their subscriptions, presence and fan-out of one node. What is kept is kept by the engine. */
export class Hub {
  readonly #engine: Engine;
  readonly #coalescer: Coalescer;
  readonly #underway = new Underway();
  readonly #namespace: NamespaceLookup;
  readonly #clock: Clock;
  readonly #sessions: SessionRegistry;
  readonly #leases: Leases;
  readonly #subscriptions: Subscriptions;
  readonly #requests: SubscribeRequests;
  readonly #attachments: Attachments;
  readonly #publisher: Publisher;
  readonly #streams: Streams;
  readonly #maxMessage: () => number;
  /** Who has a say about connections and subscriptions. */
  readonly admissions: Admissions;
  /** Who answers `rpc`. */
  readonly responders = new Responders();
  /** Read positions and snapshots. */
  readonly checkpoints: Checkpoints;
  /** What devices leave for those who add them to encrypted groups. */
  readonly keyPackages: KeyPackages;
  /** Which sessions are peers. */
  readonly peers: Peers;
  /** What happens to the sessions of this node. */
  readonly events: SessionEvents;
  /** Commands to other nodes, and of them. */
  readonly nodes: Nodes;
  /** Commands to bots. */
  readonly commands: BotService;

  constructor(options: HubOptions) {
    const { engine, namespace, presenceTtl = 30_000, presenceGrace = 10_000 } = options;
    const { maxChannels = () => 128, maxMessage = () => 65_536, clock = systemClock, failed = () => {} } =
      options;
    const { replay = { page: 100, tail: 256 }, hookPatience = 5000 } = options;
    const { coalescer = new Coalescer({ clock }), extend = (principal: Principal) => principal } = options;
    const underway = this.#underway, told = { failed, underway };
    this.#engine = engine;
    this.#namespace = namespace;
    this.#clock = clock;
    this.#coalescer = coalescer;
    const now = () => clock.wall();
    const leases = this.#leases = new Leases(engine.presence, presenceTtl, failed, underway);
    const sessions = this.#sessions = new SessionRegistry(leases.slices);
    const events = this.events = new SessionEvents(failed);
    const { log } = engine;
    const parts = { log, namespace, maxChannels, leases, events, replay, coalescer, now, failed };
    const subscriptions = this.#subscriptions = new Subscriptions(parts);
    const admissions = this.admissions = new Admissions({ patience: hookPatience, extend, failed });
    const sessionOf = (client: Client) => this.#sessionOf(client);
    this.#requests = new SubscribeRequests({ subscriptions, admissions, sessionOf });
    const nodes = this.nodes = new Nodes(engine.commands, failed, underway);
    this.#attachments = new Attachments({
      sessions,
      subscriptions,
      leases,
      events,
      admissions,
      nodes,
      namespace,
      clock,
      maxChannels,
      presenceGrace,
    });
    const hooks = new PublishHooks(failed, hookPatience, underway);
    this.#publisher = new Publisher({ log, namespace, maxMessage, hooks, now });
    this.#streams = new Streams(log, clock, hooks, failed, underway);
    this.#maxMessage = maxMessage;
    this.checkpoints = new Checkpoints(engine.values);
    this.keyPackages = new KeyPackages({ engine, clock, maxMessage });
    this.peers = new Peers({ values: engine.values, nodes, events, ...told });
    pushToSubscribers(engine, this.#subscriptions, namespace, now, failed);
    this.commands = new BotService(this, { clock, limits: options.commandLimits, most: maxMessage, ...told });
  }

  /** The settings of a channel; undefined: its namespace does not exist. */
  settings(channel: string): NamespaceSettings | undefined {
    return settingsOf(channel, this.#namespace);
  }

  /** How namespaces are looked up. */
  get namespace(): NamespaceLookup {
    return this.#namespace;
  }

  /**
   * Asks those who have a say about a connection before it has a session; gives the claims that hold for it. Throws or
   * rejects with ProtocolError when one of them refuses.
   */
  admit(
    principal: Principal,
    attempt: Pick<ConnectAttempt, "connection" | "resume" | "refresh">,
  ): MaybePromise<Principal> {
    return this.admissions.connect(principal, attempt);
  }

  /**
   * Begins a session, or takes it over from an earlier connection, which is sent nothing more. Subscribes `client` to
   * the user's inbox, the broadcast channel, and the channels in `resume`. `moved`: the session was on another node.
   * Rejects with ProtocolError: `not_available` when the engine cannot say where the inbox stands, `permission_denied`
   * when the session is another user's.
   */
  attach(client: Client, resume: ResumePoints | undefined, moved = false): Promise<Attached> {
    return this.#attachments.attach(client, resume, moved);
  }

  /** The connection is gone and the session may come back: deliveries stop, others still see it as present. */
  detach(client: Client): void {
    this.#attachments.detach(client);
  }

  /** The session is over, and its presence with it. */
  leave(client: Client): void {
    this.#attachments.leave(client);
  }

  /** The session goes on at another node: here it is over, but its presence goes on. */
  handOver(client: Client, node: string): void {
    this.#attachments.handOver(client, node);
  }

  /**
   * Takes the new token of a session. Unsubscribes it from channels that this one does not allow and returns their
   * names. Others on its channels are told of new `info` at once.
   */
  refresh(client: Client, principal: Principal): readonly string[] {
    return this.#attachments.refresh(this.#sessionOf(client), client, principal);
  }

  /**
   * Subscribes a client to a channel, or moves a subscription to another lane. Throws or rejects with ProtocolError, and
   * the client is not subscribed then: `permission_denied`, `unknown_channel`, `limit_exceeded`, `not_available`, what a
   * hook refuses with; `not_subscribed` when the client unsubscribed before the answer was there.
   */
  subscribe(client: Client, name: string, lane: number, since?: Position): MaybePromise<Subscribed> {
    return this.#requests.subscribe(client, name, lane, since);
  }

  /**
   * Why a client may not read what a channel keeps (history, presence), or undefined when it may. Where hooks have a say
   * about subscriptions, only subscribers may.
   */
  refuseRead(client: Client, channel: string): ErrorName | undefined {
    return refuseSubscribe(client.principal, channel, this.#namespace) ??
      this.admissions.refuseRead(channel, () => this.isOn(client, channel));
  }

  /** Unsubscribes a client from a channel; false when it was not subscribed. */
  unsubscribe(client: Client, name: string): boolean {
    if (this.admissions.leave(client, name)) return true;
    return this.#attachments.unsubscribe(this.#sessionOf(client), name);
  }

  /** Stops the deliveries of a channel that fills the client's outbox, until the client subscribes again. Presence stays. */
  stopChannel(client: Client, name: string): void {
    const session = this.#sessions.get(client.sessionId);
    const subscription = session?.subscriptions.get(name);
    // A subscription that has not begun yet has sent nothing: an earlier one filled the outbox.
    if (
      subscription?.client !== client || (subscription.state !== "live" && subscription.state !== "catching")
    ) return;
    subscription.channel.remove(subscription, "stopped");
    this.#subscriptions.closeLater(subscription.channel);
  }

  /** Whether the client is subscribed to a channel. */
  isOn(client: Client, name: string): boolean {
    const subscription = this.#sessions.get(client.sessionId)?.subscriptions.get(name);
    return subscription !== undefined && subscription.client === client;
  }

  /** Publishes a message: see `Publisher.publish`. */
  publish(request: PublishRequest): MaybePromise<Published> {
    return this.#publisher.publish(request);
  }

  /** Adds a hook of publications. Throws TypeError when there is one of its name. */
  addHook(hook: PublishHook): void {
    this.#publisher.addHook(hook);
  }

  /** Removes a hook of publications. */
  removeHook(name: string): void {
    this.#publisher.removeHook(name);
  }

  /**
   * Makes a streamed message of `growth.from` longer: see `Streams.append`. Rejects with ProtocolError `unknown_channel`
   * when its namespace does not exist.
   */
  async append(
    channel: string,
    growth: Omit<Growth, "most" | "patience">,
    origin: "client" | "api" | "function" = "client",
    depth = 0,
  ): Promise<number> {
    const settings = this.settings(channel);
    if (settings === undefined) throw new ProtocolError("unknown_channel");
    // What is kept has to be deliverable to every reader.
    const most = Math.min(settings.maxStreamed, this.#maxMessage());
    const bounds = { most, patience: settings.streamPatience };
    return await this.#streams.append(channel, { ...growth, ...bounds }, { origin, depth });
  }

  /** Sends something that is not kept to the others on a channel, on all nodes. */
  publishEphemeral(channel: string, message: Omit<EphemeralMessage, "timestamp">): void {
    this.#engine.log.publishEphemeral(channel, { ...message, timestamp: this.#clock.wall() });
  }

  /** A part of a channel's history. */
  history(channel: string, options: ReadOptions): MaybePromise<Page> {
    return this.#engine.log.read(channel, options);
  }

  /** The end of a channel. */
  position(channel: string): MaybePromise<Position> {
    return this.#engine.log.position(channel);
  }

  /** One message of a channel, and the end of the channel. */
  message(channel: string, offset: number): MaybePromise<Found> {
    return this.#engine.log.get(channel, offset);
  }

  /** Drops a channel's messages up to `offset` except the last `keep` of them, but never its last one. */
  trim(channel: string, offset: number, keep: number): MaybePromise<void> {
    return this.#engine.log.trim(channel, offset, keep);
  }

  /** Everybody on a channel, on all nodes, one entry per session. */
  presence(channel: string): MaybePromise<readonly PresenceEntry[]> {
    return this.#engine.presence.list(channel);
  }

  /** Channels of this node and how many subscribers each has. */
  channels(): Iterable<{ readonly channel: string; readonly subscribers: number }> {
    return this.#subscriptions.list();
  }

  /** How many channels have subscribers on this node. */
  get channelCount(): number {
    return this.#subscriptions.count;
  }

  /** How many users have a session on this node. */
  get userCount(): number {
    return this.#sessions.userCount;
  }

  /** How many channels a connection is subscribed to, its inbox and the broadcast channel among them. */
  channelsOf(client: Client): number {
    const session = this.#sessions.get(client.sessionId);
    return session?.client === client ? session.subscriptions.size : 0;
  }

  /** The users with a connection to this node. */
  users(): Iterable<{ readonly userId: string; readonly sessions: number }> {
    return this.#sessions.connected();
  }

  /** The channels that a client is subscribed to. */
  subscriptionsOf(client: Client): string[] {
    const session = this.#sessions.get(client.sessionId);
    return session?.client === client ? [...session.subscriptions.keys()] : [];
  }

  /** How many sessions there are, those that wait for their client to come back included. */
  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** The connections of a user on this node. */
  clientsOf(userId: string): Client[] {
    return [...this.#sessions.of(userId) ?? []].flatMap(({ attached, client }) => attached ? [client] : []);
  }

  /** The connection of a session. */
  clientOf(sessionId: string): Client | undefined {
    const session = this.#sessions.get(sessionId);
    return session?.attached ? session.client : undefined;
  }

  /** Renews presence leases, a part of them at a time, and closes channels without subscribers. To be called once a second. */
  sweep(): void {
    this.#leases.sweep(this.#clock.now(), this.#sessions);
    this.#subscriptions.sweep();
    this.commands.sweep();
  }

  /** To be called when no session is attached any more. Resolves when nothing is under way that nobody else waits for. */
  async close(): Promise<void> {
    for (const part of [this.#streams, this.commands, this.#coalescer]) part.close();
    await this.#underway.over();
  }

  #sessionOf(client: Client): HubSession {
    const session = this.#sessions.get(client.sessionId);
    if (session === undefined || session.client !== client || !session.attached) {
      throw new ProtocolError("unauthorized", "the session is on another connection");
    }
    return session;
  }
}
