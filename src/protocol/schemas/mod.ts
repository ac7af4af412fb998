/**
 * Payloads by message type, and their checks. Each family of types has a file, which ends with its schemas by type.
 *
 * @module
 */

import * as v from "valibot";
import type { ClientType } from "../client_types.ts";
import { ProtocolError } from "../errors.ts";
import type { Payload } from "../message.ts";
import type { ServerType } from "../server_types.ts";
import { CLIENT_SCHEMAS, type ClientPayloads, SERVER_SCHEMAS, type ServerPayloads } from "./by_type.ts";
import { parseChat } from "./chat.ts";
import { parseDocOp } from "./doc.ts";
import type { Schema } from "./fields.ts";
import { parseChunk } from "./file.ts";
import { parsePing } from "./ping.ts";

export type * from "./append.ts";
export type * from "./auth.ts";
export type * from "./bot.ts";
export {
  ARGUMENT_TYPES,
  type ArgumentType,
  type BotArgument,
  type BotCommandSpec,
  commandsField,
  descriptionField,
  isOptional,
} from "./bot_spec.ts";
export type { ClientPayloads, ServerPayloads } from "./by_type.ts";
export type * from "./chat.ts";
export type * from "./deflated.ts";
export type * from "./direct.ts";
export type * from "./doc.ts";
export type * from "./edit.ts";
export type * from "./file.ts";
export type * from "./history.ts";
export type * from "./key_packages.ts";
export type * from "./read_position.ts";
export type * from "./notice.ts";
export type * from "./peer.ts";
export type * from "./ping.ts";
export type * from "./presence.ts";
export type * from "./receipt.ts";
export type * from "./replay.ts";
export type * from "./report.ts";
export type * from "./rpc.ts";
export type * from "./settle.ts";
export type * from "./subscribe.ts";
export type * from "./typing.ts";
export { MAX_TOKEN_LENGTH } from "./auth.ts";
export {
  bytesField,
  type Content,
  contentOf,
  keptOf,
  type Ordered,
  type Prioritised,
  readContent,
  type Schema,
  type Schemas,
} from "./fields.ts";
export { MAX_RTT } from "./ping.ts";
export { MAX_REPLAY_WAIT } from "./replay.ts";
export { REPORTED_TRANSPORTS } from "./report.ts";
export { MAX_SETTLE } from "./settle.ts";

/**
 * Checks the payload of a client's message. Throws ProtocolError `bad_payload` whose text names the field and what is
 * allowed there; it never repeats what was received.
 */
export function parsePayload<T extends ClientType>(type: T, payload: Payload): ClientPayloads[T];
export function parsePayload(type: ClientType, payload: Payload): ClientPayloads[ClientType] {
  if (type === "chat_message") return parseChat(payload);
  if (type === "ping") return parsePing(payload);
  if (type === "doc_op") return parseDocOp(payload) ?? check(CLIENT_SCHEMAS.doc_op, payload);
  if (type === "file_chunk") return parseChunk(payload) ?? check(CLIENT_SCHEMAS.file_chunk, payload);
  return check(CLIENT_SCHEMAS[type], payload);
}

/** Checks the payload of a server's message. Throws ProtocolError as `parsePayload` does. */
export function parseServerPayload<T extends ServerType>(type: T, payload: Payload): ServerPayloads[T] {
  return check<ServerPayloads[T]>(SERVER_SCHEMAS[type] as Schema<ServerPayloads[T]>, payload);
}

function check<T>(schema: Schema<T>, payload: Payload): T {
  const result = v.safeParse(schema, payload, { abortEarly: true, abortPipeEarly: true });
  if (result.success) return result.output;
  const { path, message } = result.issues[0];
  throw new ProtocolError("bad_payload", path === undefined ? message : `${fieldName(path)}: ${message}`);
}

// Keys of `channels` and `refused` come from the peer, so they are shown as `*`.
function fieldName(path: readonly v.IssuePathItem[]): string {
  return path.map(({ key }, i) => /^(channels|refused)$/.test(`${path[i - 1]?.key}`) ? "*" : `${key}`).join(
    ".",
  );
}
