/**
 * The schemas of what the methods of the server API give.
 *
 * @module
 */

import * as v from "valibot";
import type { ErrorName } from "../errors.ts";
import type { Schema } from "../schemas/fields.ts";
import { channel, exactly, flag, list, name, object, whole, words } from "./fields.ts";
import type {
  ApiConnection,
  ApiDocument,
  ApiErased,
  ApiExport,
  ApiExported,
  ApiFailure,
  ApiFile,
  ApiHistoryPage,
  ApiMessage,
  ApiPublished,
  ApiReply,
  ApiStreamed,
} from "./types.ts";

const MANY = 1_000_000;

const kept = { channel: channel(), offset: whole(0), epoch: name(64), duplicate: flag() };

/** Where a message is kept. */
export const published: Schema<ApiPublished> = exactly(kept);

/** A message whose pieces were the body of a request. */
export const streamed: Schema<ApiStreamed> = exactly({ ...kept, length: whole(0) });

/** A file. */
export const file: Schema<ApiFile> = exactly({
  fileId: name(64),
  userId: name(128),
  channel: channel(),
  name: words(1024),
  type: words(255),
  size: whole(0),
  sha256: name(64),
  createdAt: whole(0),
  expiresAt: whole(0),
});

/** A page of what belongs to a user. */
export const exported: Schema<ApiExport> = exactly({
  items: list(v.looseObject({ kind: name(32) }) as unknown as Schema<ApiExported>, MANY),
  next: v.exactOptional(words(2048)),
});

/** What was erased of a user. */
export const erased: Schema<ApiErased> = exactly({
  user: name(128),
  done: flag(),
  messages: whole(0),
  documents: whole(0),
  files: whole(0),
});

const message: Schema<ApiMessage> = exactly({
  offset: whole(0),
  prev: whole(0),
  type: name(64),
  id: name(64),
  from: name(128),
  timestamp: whole(0),
  payload: object(),
});

/** A part of a channel's history. */
export const history: Schema<ApiHistoryPage> = exactly({
  channel: channel(),
  epoch: name(64),
  offset: whole(0),
  complete: flag(),
  messages: list(message, MANY),
});

/** How many sessions there were. */
export const sessions: Schema<{ sessions: number }> = exactly({ sessions: whole(0) });

/** How many connections were ended. */
export const connections: Schema<{ connections: number }> = exactly({ connections: whole(0) });

/** Something that was there and is gone. */
export const deleted: Schema<{ deleted: boolean }> = exactly({ deleted: flag() });

/** One session on a channel. */
export const present = exactly({
  userId: name(128),
  sessionId: name(64),
  info: v.exactOptional(object()),
}) as Schema<{ userId: string; sessionId: string; info?: Record<string, unknown> }>;

/** One connection. */
export const connection: Schema<ApiConnection> = exactly({
  connectionId: name(64),
  sessionId: v.nullable(name(64)),
  userId: v.nullable(name(128)),
  transport: name(32),
  remoteAddress: words(256),
  connectedAt: v.number(),
  lastActivity: v.number(),
  bytesIn: whole(0),
  bytesOut: whole(0),
  messagesIn: whole(0),
  messagesOut: whole(0),
  rtt: v.nullable(v.number()),
  outboxBytes: whole(0),
  outboxMessages: whole(0),
  channels: whole(0),
  node: words(256),
}) as Schema<ApiConnection>;

/** A document. */
export const document: Schema<ApiDocument> = exactly({
  channel: channel(),
  epoch: name(64),
  offset: whole(0),
  snapshot: v.exactOptional(
    exactly({ offset: whole(0), size: whole(0), data: v.exactOptional(v.string()) }),
  ),
  operations: v.exactOptional(list(message, MANY)),
}) as Schema<ApiDocument>;

/** An error of the protocol's table. */
export const failureSchema: Schema<ApiFailure> = exactly({
  code: whole(100, 999),
  name: name(64) as Schema<ErrorName>,
  message: v.string(),
  temporary: flag(),
  retryAfter: v.exactOptional(v.number()),
}) as Schema<ApiFailure>;

/** The answers of a batch. */
export const replies: Schema<{ replies: ApiReply[] }> = exactly({
  replies: list(
    v.union([exactly({ result: v.unknown() }), exactly({ error: failureSchema })]) as Schema<ApiReply>,
    1000,
  ),
});

/** A page of a listing. */
export function page<const N extends string, T>(
  field: N,
  of: Schema<T>,
): Schema<Record<N, T[]> & { more: boolean }> {
  return exactly({ [field]: list(of, MANY), more: flag() }) as unknown as Schema<
    Record<N, T[]> & { more: boolean }
  >;
}
