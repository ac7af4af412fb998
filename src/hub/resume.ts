/**
 * The channels of a connection that begins: the user's inbox, the broadcast channel, and those it resumes.
 *
 * @module
 */

import type { MaybePromise } from "../engine/contract.ts";
import { BROADCAST_CHANNEL, type ErrorName, inboxOf, ProtocolError } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";
import type { Admissions } from "./admissions.ts";
import type { Attached, ChannelState, ResumePoints, Subscribed } from "./contract.ts";
import type { HubSession } from "./session.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** What resuming needs. */
interface ResumeParts {
  readonly subscriptions: Subscriptions;
  readonly admissions: Admissions;
}

/**
 * Subscribes `client` to its channels. A channel that cannot be resumed is named in `refused`. Rejects with
 * ProtocolError when the inbox or the broadcast channel cannot be had: without them there is no session.
 */
export async function resumeChannels(
  { subscriptions, admissions }: ResumeParts,
  session: HubSession,
  client: Client,
  points: ResumePoints,
): Promise<Attached> {
  const own = [inboxOf(session.userId), BROADCAST_CHANNEL];
  const channels: Record<string, ChannelState> = {};
  const refused: Record<string, ErrorName> = {};
  const starts: (() => void)[] = [];
  const waiting: Promise<void>[] = [];
  const take = (name: string) => ({ state, start }: Subscribed) => {
    channels[name] = state;
    starts.push(start);
  };
  for (const name of new Set([...own, ...Object.keys(points)])) {
    const point = points[name];
    const refuse = (error: unknown) => {
      if (own.includes(name)) throw error;
      refused[name] = error instanceof ProtocolError ? error.error : "not_available";
    };
    const check = (): void => {
      const reason = subscriptions.refuse(session, name);
      if (reason !== undefined) throw new ProtocolError(reason);
    };
    const join = () => subscriptions.join(session, client, name, point?.lane ?? 0, point);
    const joinLater = (): MaybePromise<Subscribed> => {
      if (session.client !== client || !session.attached) throw new ProtocolError("not_available");
      check();
      return join();
    };
    try {
      // What the token does not allow is not asked about.
      check();
      const asked = admissions.subscribe({ client, channel: name, resumed: true });
      const subscribed = asked === undefined ? join() : asked.then(joinLater);
      if (subscribed instanceof Promise) waiting.push(subscribed.then(take(name)).catch(refuse));
      else take(name)(subscribed);
    } catch (error) {
      refuse(error);
    }
  }
  if (waiting.length > 0) await Promise.all(waiting);
  return {
    channels,
    refused,
    start() {
      for (const start of starts.splice(0)) start();
    },
  };
}
