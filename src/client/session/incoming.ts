/**
 * What a server says of its own accord, read and handed to whom it concerns.
 *
 * @module
 */

import type { Message, Payload } from "../../protocol/core.ts";
import type { ServerNotice, ServerType } from "../../protocol/mod.ts";
import { readPayload } from "./payloads.ts";
import { SkeinError } from "../errors.ts";
import type { ChannelHandlers } from "./channel_handlers.ts";
import type { Publisher } from "./publisher.ts";
import type { Requests } from "./requests.ts";
import type { Delivered, Subscriptions } from "./subscriptions.ts";

/** Who takes what. */
export interface Recipients {
  readonly publisher: Publisher;
  readonly requests: Requests;
  readonly subscriptions: Subscriptions;
  readonly handlers: ChannelHandlers;
  /** Pushes that are not kept: presence, typing, bots. */
  pushed(message: Message): void;
  notice(notice: ServerNotice): void;
  failed(error: SkeinError): void;
}

/** Reads a message and hands it on. Throws ProtocolError when its payload cannot be read. */
export function take(message: Message, to: Recipients): void {
  const { type, payload } = message;
  // Whatever has a place in a channel is kept there, also of types this version does not know: places must not be missed.
  if (isKept(payload) && to.subscriptions.has(payload.channel)) {
    const { id, timestamp } = message;
    return to.subscriptions.deliver({ ...payload, type, id, timestamp });
  }
  // A nack is a refusal of what was published.
  if (type === "doc_nack" && to.publisher.settle(message)) return;
  if (to.handlers.take(message)) return;
  switch (type) {
    case "message_ack":
      return void to.publisher.settle(message);
    case "pong":
      return;
    case "error":
      if (!to.publisher.settle(message) && !to.requests.settle(message)) {
        to.failed(SkeinError.from(readPayload("error", payload), message.re));
      }
      return;
    case "server_notice": {
      const notice = readPayload("server_notice", payload);
      if (notice.kind === "discontinuity") return to.subscriptions.stopped(notice.channel);
      return to.notice(notice);
    }
    case "unsubscribed":
      if (!to.requests.settle(message)) {
        const { channel, reason } = readPayload("unsubscribed", payload);
        to.subscriptions.ended(channel, reason);
      }
      return;
    default:
      if (to.requests.settle(message)) return;
      // A bot's answer names the command it answers; other answers to what was not asked are ignored.
      if (message.re === undefined || type === "bot_response") {
        readPayload(type as ServerType, payload);
        to.pushed(message);
      }
  }
}

/** What every kept message has; checked by hand, because it runs for every message. */
function isKept(payload: Payload): payload is Payload & Omit<Delivered, "type" | "id" | "timestamp"> {
  const { channel, from, offset, prev, text, replay } = payload;
  // What is replayed has its place no more.
  return replay === undefined && isPlace(offset) && isPlace(prev) && typeof channel === "string" &&
    typeof from === "string" &&
    (text === undefined || typeof text === "string");
}

function isPlace(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
