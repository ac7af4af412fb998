/**
 * A channel that is joined while a component shows something of it.
 *
 * @module
 */

import type { Channel } from "../channel.ts";
import type { SkeinClient } from "../client.ts";
import { eachConnection } from "../each_connection.ts";
import { SkeinError } from "../errors.ts";
import type { Delivered } from "../session/subscription.ts";

/** What a view of a channel is told. */
export interface Follower {
  /** The server has confirmed it, on this connection or on an earlier one. */
  joined(): void;
  failed(error: SkeinError): void;
  /** Asks for what else is shown: once it is joined, with each connection, and when a passing error is over. */
  load?(): Promise<void>;
  /** That has failed. */
  notLoaded?(error: SkeinError): void;
  message?(message: Delivered): void;
  /** Take its other listeners off. */
  readonly offs: readonly (() => void)[];
}

/**
 * Joins a channel; returns what leaves it again. It is left when nobody else listens to it. `make` is given what has
 * `load` called again.
 */
export function followed(
  client: SkeinClient,
  channel: Channel,
  make: (again: () => void) => Follower,
): () => void {
  let isOpen = true, status: "joining" | "joined" | "left" = "joining", why: SkeinError | undefined;
  let again = (): void => {};
  const follower = make(() => again());
  // A function of its own: listeners are told apart by it.
  const listen = (message: Delivered): void => follower.message?.(message);
  const failed = (cause: unknown): void => {
    status = "left";
    why = errorOf(cause);
    if (isOpen) follower.failed(why);
  };
  const subscribe = (): Promise<(() => Promise<void>) | undefined> => {
    status = "joining";
    return channel.subscribe(listen).then((leave) => {
      status = "joined";
      if (isOpen) follower.joined();
      return leave;
    }, (error) => {
      failed(error);
      return undefined;
    });
  };
  let subscribed = subscribe();
  const refresh = async (): Promise<void> => {
    // Another token may allow it, and who disconnects may come back.
    if (status === "left") subscribed = subscribe();
    await subscribed;
    if (!isOpen) return;
    if (status !== "joined") throw why;
    follower.joined();
    await follower.load?.();
  };
  const act = async (): Promise<void> => {
    try {
      await refresh();
    } catch (cause) {
      const error = errorOf(cause);
      if (isOpen && status === "joined") follower.notLoaded?.(error);
      // What was refused for good is not asked for again on this connection.
      if (error.temporary) throw error;
    }
  };
  const offs = [
    channel.on("left", failed),
    eachConnection(client, client.clock, act, () => {}, (call) => {
      again = call;
      return () => {};
    }),
    ...follower.offs,
  ];
  return () => {
    isOpen = false;
    for (const off of offs) off();
    subscribed.then((leave) => leave?.()).catch(() => {});
  };
}

function errorOf(cause: unknown): SkeinError {
  return cause instanceof SkeinError ? cause : new SkeinError("closed", String(cause));
}
