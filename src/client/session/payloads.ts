/**
 * What a server says, checked before it is believed. Only the payloads that the SDK itself reads are here, so that a
 * page carries no others.
 *
 * @module
 */

import { isChannel, isUserId, type Payload, ProtocolError } from "../../protocol/core.ts";
import type { MessageAck, ServerPayloads, ServerType } from "../../protocol/mod.ts";
import {
  type Check,
  either,
  flag,
  integer,
  list,
  object,
  optional,
  record,
  shape,
  text,
  token,
} from "./checks.ts";

const channel: Check = (value) => typeof value === "string" && isChannel(value);
const user: Check = (value) => typeof value === "string" && isUserId(value);
const count = integer();
const id = token();
const url = optional(text);

const place = { epoch: id, offset: count };
const typing = shape({ channel, from: user });
const users = shape({ users: list, total: count });
const file = { fileId: id, url: text, name: text, size: count, type: text, sha256: token() };

/** Kinds this version does not know are nobody's business. */
const notices: Readonly<Record<string, Check>> = {
  draining: shape({ deadline: count }),
  discontinuity: shape({ channel }),
  moved_to: shape({ urls: shape({ webtransport: url, quic: url, websocket: url }), deadline: count }),
};

// What is only handed on to the application, who asked for it, is not checked to its depth, or not at all.
const CHECKS: Readonly<Partial<Record<ServerType, Check>>> = {
  auth_response: shape({
    userId: user,
    sessionId: id,
    connectionId: id,
    transport: text,
    expiresIn: either(null, count),
    resumed: flag,
    channels: record(shape({ ...place, recovered: flag })),
    refused: record(id),
    limits: shape({
      maxMessage: integer(1),
      maxStreams: count,
      maxChannels: count,
      maxDatagram: count,
    }),
    heartbeat: shape({ interval: integer(1), timeout: integer(1) }),
    serverTime: count,
    node: text,
  }),
  error: shape({
    code: integer(100, 999),
    name: id,
    message: text,
    temporary: flag,
    retryAfter: optional(count),
  }),
  close: shape({ code: integer(1000, 4999), reason: text, reconnect: flag }),
  server_notice: (value) => {
    const { kind } = value as { kind?: unknown };
    return text(kind) && (!Object.hasOwn(notices, kind as string) || notices[kind as string]!(value));
  },
  subscribed: shape({ channel, ...place, recovered: flag }),
  unsubscribed: shape({ channel, reason: optional(id) }),
  message_ack: shape({ channel, ...place, duplicate: flag }),
  history_response: shape({ channel, ...place, complete: flag, more: flag, messages: list }),
  presence_response: users,
  client_list_response: users,
  typing_start: typing,
  typing_stop: typing,
  user_online: shape({ channel, userId: user, info: optional(object) }),
  user_offline: shape({ channel, userId: user }),
  file_upload_ready: shape({
    uploadId: id,
    offset: count,
    chunkSize: integer(1),
    window: integer(1),
  }),
  file_uploaded: shape({ ...file, channel, expiresAt: count }),
  file_download_ready: shape({ ...file, offset: count, length: count }),
  file_link_response: shape({ url: text, expiresIn: count }),
};

/** Checks what a server sent. Throws ProtocolError `bad_payload`. */
export function readPayload<T extends ServerType>(type: T, payload: Payload): ServerPayloads[T] {
  if (CHECKS[type]?.(payload) === false) {
    throw new ProtocolError("bad_payload", `${type}: not as it should be`);
  }
  return payload as unknown as ServerPayloads[T];
}

/** An acknowledgement; by hand, because it runs for every message. Throws ProtocolError `bad_payload`. */
export function readAck(payload: Payload): MessageAck {
  const { channel, offset, epoch, duplicate } = payload;
  return typeof channel === "string" && typeof offset === "number" && typeof epoch === "string" &&
      typeof duplicate === "boolean"
    ? payload as unknown as MessageAck
    : readPayload("message_ack", payload);
}
