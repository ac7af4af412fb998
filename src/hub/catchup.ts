/**
 * Brings a member from where it stands into the fan-out without a gap and without a repetition: pages of history
 * from the engine, then what came meanwhile from the channel's tail, then live. As fast as the client takes it.
 *
 * @module
 */

import type { Engine, Page } from "../engine/contract.ts";
import { Encoded } from "../protocol/mod.ts";
import { type ChannelOwner, deliveryOf, type Member } from "./channel.ts";

/** Reads in a row that bring nothing new before the engine is taken to be unable. */
const FRUITLESS = 8;

/** Bytes of messages read at once, about: more than a client is sent before it has to make room. */
export const PAGE_BYTES = 1024 * 1024;

/** What catching up is done with. */
export interface CatchUpParts {
  readonly engine: Engine;
  /** Messages read at once. */
  readonly page: number;
  readonly owner: ChannelOwner;
}

/** What follows `page` for `member`; without a page the engine is asked. Ends the member when it cannot go on. */
export function catchUp(
  member: Member,
  page: Page | undefined,
  parts: CatchUpParts,
  fruitless = 0,
): void {
  const { channel } = member;
  const { owner } = parts;
  for (;;) {
    if (member.state !== "catching") return;
    const before = member.cursor;
    let room: Promise<void> | undefined;
    if (page === undefined && !tailSuffices(member)) {
      const read = readOn(member, parts, fruitless);
      if (read === undefined) return;
      page = read;
    }
    if (page !== undefined) {
      if (page.epoch !== member.epoch || !page.complete) return owner.end(member, "unrecoverable_position");
      room = sendRecords(member, page, owner);
      // Nothing is kept between the last record and the end of the channel.
      if (page.records.length === 0) member.cursor = Math.max(member.cursor, page.offset);
      if (member.cursor >= page.offset) member.reached = true;
    }
    if (room === undefined && tailSuffices(member)) {
      room = sendTail(member, owner);
      if (room === undefined && member.state === "catching" && member.cursor >= channel.offset) {
        return channel.goLive(member);
      }
    }
    if (room !== undefined) {
      room.then(() => catchUp(member, undefined, parts)).catch((error) => {
        owner.failed(error, "replay");
        owner.end(member, "not_available");
      });
      return;
    }
    fruitless = member.cursor > before ? 0 : fruitless + 1;
    if (fruitless > FRUITLESS) return owner.end(member, "not_available");
    page = undefined;
  }
}

/**
 * Once the end of the history was reached after the channel was followed, all that was committed later is in the tail
 * or still to come, unless the tail had to let go of some of it.
 */
function tailSuffices({ reached, cursor, channel }: Member): boolean {
  return reached && cursor >= channel.floor;
}

function readOn(member: Member, parts: CatchUpParts, fruitless: number): Page | undefined {
  const { engine, owner } = parts;
  const failed = (error: unknown) => {
    owner.failed(error, "replay");
    owner.end(member, "not_available");
  };
  try {
    const read = engine.read(member.channel.name, {
      since: member.cursor,
      limit: parts.page,
      bytes: PAGE_BYTES,
    });
    if (!(read instanceof Promise)) return read;
    read.then((page) => catchUp(member, page, parts, fruitless)).catch(failed);
  } catch (error) {
    failed(error);
  }
  return undefined;
}

/** Undefined when all were sent (or the member was taken out), else when to go on. */
function sendRecords(member: Member, page: Page, owner: ChannelOwner): Promise<void> | undefined {
  for (const record of page.records) {
    if (record.offset <= member.cursor) continue;
    const room = sendNext(
      member,
      record.offset,
      () => new Encoded(deliveryOf(member.channel.name, record)),
      owner,
    );
    if (room !== undefined || member.state !== "catching") return room;
  }
  return undefined;
}

function sendTail(member: Member, owner: ChannelOwner): Promise<void> | undefined {
  const { tail } = member.channel;
  for (let i = 0; i < tail.length; i++) {
    const { offset, message } = tail[i]!;
    if (offset <= member.cursor) continue;
    const room = sendNext(member, offset, () => message, owner);
    if (room !== undefined || member.state !== "catching") return room;
  }
  return undefined;
}

/** Sends one, unless the client has no room: then nothing is sent. */
function sendNext(
  member: Member,
  offset: number,
  message: () => Encoded,
  owner: ChannelOwner,
): Promise<void> | undefined {
  const room = member.client.ready?.(member.lane);
  if (room !== undefined) return room;
  member.cursor = offset;
  try {
    member.client.send(message(), member.lane);
  } catch (error) {
    owner.failed(error, "send");
  }
  return undefined;
}
