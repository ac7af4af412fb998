/**
 * The life of sessions in the hub: a session is there once, whichever connection it is on.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import { type ErrorName, isUserId, type Principal, ProtocolError } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";
import type { Admissions } from "./admissions.ts";
import type { Attached, ResumePoints } from "./contract.ts";
import type { Leases } from "./leases.ts";
import type { Nodes } from "./nodes.ts";
import { resumeChannels } from "./resume.ts";
import { HubSession } from "./session.ts";
import type { SessionEvents } from "./session_events.ts";
import type { SessionRegistry } from "./session_registry.ts";
import { type NamespaceLookup, refuseSubscribe } from "./settings.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** What a node tells the one that has taken a session over. */
const ADOPT = "session_adopt";

/** What the life of sessions needs; see `HubOptions`. */
export interface AttachmentParts {
  readonly sessions: SessionRegistry;
  readonly subscriptions: Subscriptions;
  readonly leases: Leases;
  readonly events: SessionEvents;
  readonly admissions: Admissions;
  readonly nodes: Nodes;
  readonly namespace: NamespaceLookup;
  readonly clock: Clock;
  readonly maxChannels: () => number;
  readonly presenceGrace: number;
}

/** Attaches sessions to connections and detaches them; see `Membership` of the sessions. */
export class Attachments {
  readonly #parts: AttachmentParts;

  constructor(parts: AttachmentParts) {
    this.#parts = parts;
    parts.nodes.handle(ADOPT, ({ session, channels }) => {
      this.#adopt(session as string, channels as string[]);
      return {};
    });
  }

  /** See `Hub.attach`. */
  async attach(client: Client, resume: ResumePoints | undefined, moved: boolean): Promise<Attached> {
    const { sessions, events, leases } = this.#parts;
    const { principal } = client;
    if (!isUserId(principal.userId)) throw new ProtocolError("invalid_token", "sub is not a user id");
    const known = sessions.get(client.sessionId);
    if (known !== undefined && known.userId !== principal.userId) {
      throw new ProtocolError("permission_denied", "the session is another user's");
    }
    const session = known ?? new HubSession(client);
    if (known !== undefined) this.#disconnect(known);
    else if (sessions.add(session) === 1) events.emit({ kind: "online", client, principal });
    session.client = client;
    session.attached = true;
    const previous = session.principal;
    session.principal = principal;
    events.emit({ kind: "connect", client, principal, resumed: known !== undefined || moved });
    try {
      const attached = await resumeChannels(this.#parts, session, client, resume ?? {});
      if (session.client === client) {
        this.#leaveLost(session, attached.refused);
        if (previous.info !== principal.info) leases.renew(session);
      }
      return attached;
    } catch (error) {
      if (known === undefined) this.leave(client);
      else this.detach(client);
      throw error;
    }
  }

  /** See `Hub.detach`. */
  detach(client: Client): void {
    const session = this.#sessionOf(client);
    if (session !== undefined) this.#disconnect(session);
  }

  /** See `Hub.leave`. */
  leave(client: Client): void {
    const session = this.#sessionOf(client);
    if (session === undefined) return;
    this.#disconnect(session);
    for (const channel of session.present) this.#parts.leases.leave(session, channel);
    this.#remove(session, "end");
  }

  /** See `Hub.handOver`. */
  handOver(client: Client, node: string): void {
    const session = this.#sessionOf(client);
    if (session === undefined) return;
    this.#disconnect(session);
    const channels = [...session.present];
    // An attachment that is under way finds nothing to leave. The other node enters the session by itself where its
    // client names a channel, and is told of the rest.
    session.present.clear();
    this.#remove(session, "moved");
    if (channels.length > 0) this.#parts.nodes.tell(node, ADOPT, { session: session.sessionId, channels });
  }

  /** See `Hub.refresh`. */
  refresh(session: HubSession, client: Client, principal: Principal): readonly string[] {
    const { events, leases } = this.#parts;
    const previous = session.principal;
    session.principal = principal;
    events.emit({ kind: "refresh", client, principal, previous });
    const left: string[] = [];
    for (const name of new Set([...session.subscriptions.keys(), ...session.present])) {
      if (this.#isRefused(session, name) && this.unsubscribe(session, name, "permission_denied")) {
        left.push(name);
      }
    }
    if (previous.info !== principal.info) leases.renew(session);
    return left;
  }

  /** Ends a subscription of a session, and its presence on the channel; false when it was not subscribed. */
  unsubscribe(session: HubSession, name: string, reason?: ErrorName): boolean {
    const subscription = session.subscriptions.get(name);
    if (subscription !== undefined) this.#parts.subscriptions.drop(subscription, reason);
    else if (session.present.has(name)) this.#parts.leases.leave(session, name);
    return subscription !== undefined;
  }

  /** Takes over the presence of a session that was on another node: channels its client did not name are left in time. */
  #adopt(sessionId: string, channels: readonly string[]): void {
    const session = this.#parts.sessions.get(sessionId);
    if (session === undefined) return;
    for (const channel of channels) session.present.add(channel);
    if (session.attached) this.#leaveLost(session, {});
  }

  #sessionOf(client: Client): HubSession | undefined {
    const session = this.#parts.sessions.get(client.sessionId);
    return session?.client === client ? session : undefined;
  }

  #isRefused(session: HubSession, name: string): boolean {
    return refuseSubscribe(session.principal, name, this.#parts.namespace) !== undefined;
  }

  /** Ends the presence of a session that came back on channels which it could not resume or may not read any more. */
  #leaveLost(session: HubSession, refused: Attached["refused"]): void {
    const { leases, clock, presenceGrace, maxChannels } = this.#parts;
    const lost = (name: string) =>
      (refused[name] ?? "not_available") !== "not_available" || this.#isRefused(session, name);
    leases.cameBack(session, clock.now() + presenceGrace, maxChannels(), lost);
  }

  /** The connection is gone: ends its subscriptions. */
  #disconnect(session: HubSession): void {
    if (!session.attached) return;
    session.attached = false;
    const { subscriptions, events } = this.#parts;
    for (const subscription of [...session.subscriptions.values()]) subscriptions.remove(subscription);
    const { client, principal } = session;
    events.emit({ kind: "disconnect", client, principal });
  }

  /** The session is over on this node. */
  #remove(session: HubSession, kind: "end" | "moved"): void {
    const { sessions, events } = this.#parts;
    const left = sessions.remove(session);
    const { client, principal } = session;
    events.emit({ kind, client, principal });
    if (left === 0) events.emit({ kind: "offline", client, principal });
  }
}
