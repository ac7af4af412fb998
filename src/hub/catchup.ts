/**
 * Brings a subscription from where it stands into the fan-out without a gap and without a repetition: pages of history
 * from the engine, then what came meanwhile from the channel's tail, then live. As fast as the client takes it.
 *
 * @module
 */

import type { Engine, Page } from "../engine/contract.ts";
import { Encoded } from "../protocol/mod.ts";
import { type ChannelEvents, deliveryOf } from "./channel.ts";
import type { Subscription } from "./session.ts";

/** Reads in a row that bring nothing new before the engine is taken to be unable. */
const FRUITLESS = 8;

/** Bytes of messages read at once, about: more than a client is sent before it has to make room. */
export const PAGE_BYTES = 1024 * 1024;

/** What catching up is done with. */
export interface CatchUpParts {
  readonly engine: Engine;
  /** Messages read at once. */
  readonly page: number;
  readonly events: ChannelEvents;
}

/** What follows `page` for `subscription`; without a page the engine is asked. Ends the subscription when it cannot go on. */
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
      // Nothing is kept between the last record and the end of the channel.
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
    if (fruitless > FRUITLESS) return events.end(subscription, "not_available");
    page = undefined;
  }
}

/**
 * Once the end of the history was reached after the channel was followed, all that was committed later is in the tail
 * or still to come, unless the tail had to let go of some of it.
 */
function tailSuffices({ reached, cursor, channel }: Subscription): boolean {
  return reached && cursor >= channel.floor;
}

function readOn(subscription: Subscription, parts: CatchUpParts, fruitless: number): Page | undefined {
  const { engine, events } = parts;
  const failed = (error: unknown) => {
    events.failed(error, "replay");
    events.end(subscription, "not_available");
  };
  try {
    const read = engine.read(subscription.channel.name, {
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

/** Undefined when all were sent (or the subscription was taken out), else when to go on. */
function sendRecords(
  subscription: Subscription,
  page: Page,
  events: ChannelEvents,
): Promise<void> | undefined {
  for (const record of page.records) {
    if (record.offset <= subscription.cursor) continue;
    const room = sendNext(
      subscription,
      record.offset,
      () => new Encoded(deliveryOf(subscription.channel.name, record)),
      events,
    );
    if (room !== undefined || subscription.state !== "catching") return room;
  }
  return undefined;
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

/** Sends one, unless the client has no room: then nothing is sent. */
function sendNext(
  subscription: Subscription,
  offset: number,
  message: () => Encoded,
  events: ChannelEvents,
): Promise<void> | undefined {
  const room = subscription.client.ready?.(subscription.lane);
  if (room !== undefined) return room;
  subscription.cursor = offset;
  try {
    subscription.client.send(message(), subscription.lane);
  } catch (error) {
    events.failed(error, "send");
  }
  return undefined;
}
