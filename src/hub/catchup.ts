/**
 * Brings a subscription into the fan-out without a gap and without a repetition: first pages of history from the engine,
 * then what came meanwhile from the channel's tail. As fast as the client takes it.
 *
 * @module
 */

import type { Log, Page } from "../engine/contract.ts";
import { Encoded, uuidv7 } from "../protocol/mod.ts";
import { type ChannelEvents, deliveryOf } from "./channel.ts";
import { isDeliverable } from "./deliverable.ts";
import type { Subscription } from "./session.ts";

/** After so many reads in a row that bring nothing new the subscription is ended: the engine cannot serve it. */
const FRUITLESS = 8;

/** About how many bytes of messages are read at once: as many as an outbox holds by default. */
export const PAGE_BYTES = 1024 * 1024;

/** What catching up needs. */
export interface CatchUpParts {
  readonly log: Log;
  /** Messages read at once. */
  readonly page: number;
  readonly events: ChannelEvents;
}

/** Sends `page` and all that follows it; reads the first page when none is given. Ends the subscription when it cannot go on. */
export function catchUp(
  subscription: Subscription,
  page: Page | undefined,
  parts: CatchUpParts,
  fruitless = 0,
): void {
  const { channel } = subscription;
  const { events } = parts;
  for (;;) {
    if (subscription.state !== "catching") return;
    const before = subscription.cursor;
    let room: Promise<void> | undefined;
    if (page === undefined && !tailSuffices(subscription)) {
      const read = readOn(subscription, parts, fruitless);
      if (read === undefined) return;
      page = read;
    }
    if (page !== undefined) {
      if (page.epoch !== subscription.epoch || !page.complete) {
        return events.end(subscription, "unrecoverable_position");
      }
      room = sendRecords(subscription, page, events);
      // The channel ends there, and nothing after the cursor is kept.
      if (page.records.length === 0) subscription.cursor = Math.max(subscription.cursor, page.offset);
      if (subscription.cursor >= page.offset) subscription.reached = true;
    }
    if (room === undefined && tailSuffices(subscription)) {
      room = sendTail(subscription, events);
      if (room === undefined && subscription.state === "catching" && subscription.cursor >= channel.offset) {
        return channel.goLive(subscription);
      }
    }
    if (room !== undefined) {
      room.then(() => catchUp(subscription, undefined, parts)).catch((error) => {
        events.failed(error, "replay");
        events.end(subscription, "not_available");
      });
      return;
    }
    fruitless = subscription.cursor > before ? 0 : fruitless + 1;
    if (fruitless >= FRUITLESS) return events.end(subscription, "not_available");
    page = undefined;
  }
}

/**
 * Whether the tail holds all that the subscription still needs: it was sent the history up to an end, everything later
 * went into the tail, and the tail has not dropped any of that.
 */
function tailSuffices({ reached, cursor, channel }: Subscription): boolean {
  return reached && cursor >= channel.floor;
}

function readOn(subscription: Subscription, parts: CatchUpParts, fruitless: number): Page | undefined {
  const { log, events } = parts;
  const failed = (error: unknown) => {
    events.failed(error, "replay");
    events.end(subscription, "not_available");
  };
  try {
    const read = log.read(subscription.channel.name, {
      since: subscription.cursor,
      limit: parts.page,
      bytes: PAGE_BYTES,
    });
    if (!(read instanceof Promise)) return read;
    read.then((page) => catchUp(subscription, page, parts, fruitless)).catch(failed);
  } catch (error) {
    failed(error);
  }
  return undefined;
}

/** Sends the records of a page. A promise: the client has no room, go on when it resolves. */
function sendRecords(
  subscription: Subscription,
  page: Page,
  events: ChannelEvents,
): Promise<void> | undefined {
  const { client: { limits }, channel } = subscription;
  // Messages that the client does not take, since the last one that was sent.
  let skipped = 0, last = 0;
  const tellSkipped = () => {
    const payload = {
      kind: "discontinuity",
      channel: channel.name,
      dropped: skipped,
      reason: "message_too_large",
    };
    const place = { epoch: page.epoch, offset: last };
    skipped = 0;
    return new Encoded({
      type: "server_notice",
      id: uuidv7(),
      timestamp: Date.now(),
      payload: { ...payload, ...place },
    });
  };
  for (const record of page.records) {
    if (record.offset <= subscription.cursor) continue;
    if (!isDeliverable(record.payload, limits)) {
      skipped++;
      last = record.offset;
      continue;
    }
    if (skipped > 0) {
      const room = sendNext(subscription, last, tellSkipped, events);
      if (room !== undefined || subscription.state !== "catching") return room;
    }
    const room = sendNext(
      subscription,
      record.offset,
      () => new Encoded(deliveryOf(subscription.channel.name, record)),
      events,
    );
    if (room !== undefined || subscription.state !== "catching") return room;
  }
  return skipped > 0 ? sendNext(subscription, last, tellSkipped, events) : undefined;
}

function sendTail(subscription: Subscription, events: ChannelEvents): Promise<void> | undefined {
  const { tail } = subscription.channel;
  for (let i = 0; i < tail.length; i++) {
    const { offset, message } = tail[i]!;
    if (offset <= subscription.cursor) continue;
    const room = sendNext(subscription, offset, () => message, events);
    if (room !== undefined || subscription.state !== "catching") return room;
  }
  return undefined;
}

/** Sends one message. A promise: the client had no room and was not sent it. */
function sendNext(
  subscription: Subscription,
  offset: number,
  message: () => Encoded,
  events: ChannelEvents,
): Promise<void> | undefined {
  const room = subscription.client.ready(subscription.lane);
  if (room !== undefined) return room;
  subscription.cursor = offset;
  try {
    subscription.client.send(message(), subscription.lane);
  } catch (error) {
    events.failed(error, "send");
  }
  return undefined;
}
