/**
 * What the engine tells of and has no offset: ephemeral messages, pieces of streamed messages, and users who come and go.
 *
 * @module
 */

import type { Engine } from "../engine/contract.ts";
import { Encoded, type Payload, type ServerType, uuidv7 } from "../protocol/mod.ts";
import { isBuiltIn, type NamespaceLookup, settingsOf } from "./settings.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** Sends it on to the subscribers on this node, an ephemeral message never to the session or the user that it is about. */
export function pushToSubscribers(
  engine: Engine,
  subscriptions: Subscriptions,
  namespace: NamespaceLookup,
  now: () => number,
  failed: (error: unknown, stage: string) => void,
): void {
  engine.log.onEphemeral((channel, { type, id, from, sessionId, timestamp, payload }) => {
    const message = { type, id, timestamp, payload: { channel, from, ...payload } };
    subscriptions.get(channel)?.push(
      new Encoded(message, true),
      (session) => session.sessionId === sessionId,
    );
  });
  engine.log.onPiece((channel, { target, from, at, content, end }, epoch) => {
    const subscribers = subscriptions.get(channel);
    // Another epoch has another message at that offset.
    if (subscribers === undefined || subscribers.epoch !== epoch) return;
    const payload: Payload = { channel, from, target, at };
    payload[typeof content === "string" ? "text" : "data"] = content;
    if (end !== undefined) payload.final = end;
    const type = "message_append" satisfies ServerType;
    subscribers.push(new Encoded({ type, id: uuidv7(), timestamp: now(), payload }, true), () => false);
  });
  engine.log.onForget(async (channel) => {
    const subscribers = subscriptions.get(channel);
    if (subscribers === undefined) return;
    try {
      // It has another epoch, in which nobody is subscribed: they are told so, and subscribe again where they may.
      subscribers.meet((await engine.log.position(channel)).epoch);
    } catch (error) {
      failed(error, "forgotten channel");
    }
  });
  engine.presence.onChange((channel, event, { userId, info }) => {
    const settings = settingsOf(channel, namespace);
    if (isBuiltIn(channel) || settings === undefined || !settings.presence || !settings.joinLeave) return;
    const payload: Payload = { channel, userId };
    if (event === "online" && info !== undefined) payload.info = info;
    const type = `user_${event}` as const satisfies ServerType;
    const message = { type, id: uuidv7(), timestamp: now(), payload };
    subscriptions.get(channel)?.push(new Encoded(message, true), (session) => session.userId === userId);
  });
}
