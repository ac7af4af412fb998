/**
 * The table of the server API: what each method is for, which right a key needs for it, what it takes and what it gives.
 * Parameters are checked by it, and the description of the API is made of it. The service adds what a method does
 * (`ServerApi`).
 *
 * @module
 */

import * as v from "valibot";
import { RIGHTS } from "../principal.ts";
import type { Schema } from "../schemas/fields.ts";
import { ERASURE } from "./erasure_table.ts";
import {
  channel,
  documentChannel,
  exactly,
  flag,
  list,
  MESSAGE,
  name,
  object,
  saying,
  seconds,
  whole,
  words,
} from "./fields.ts";
import {
  connection,
  connections,
  document,
  history,
  page,
  present,
  published,
  replies,
  sessions,
} from "./results.ts";
import type { ApiRow } from "./row.ts";
import { FUNCTION_ROWS } from "./function_rows.ts";
import { WEBHOOK_ROWS } from "./webhook_rows.ts";
import type { ApiMethod, ApiParams, ApiResult } from "./types.ts";

/** Most commands of a batch. */
const MAX_BATCH = 1000;
const of = { user: name(128), session: v.exactOptional(name(64)) };
const patterns = v.exactOptional(list(name(255), 128));
const paged = { after: v.exactOptional(words(255)), limit: v.exactOptional(whole(1, 1000)) };

/** All methods. */
export const API: { readonly [M in ApiMethod]: ApiRow<ApiParams<M>, ApiResult<M>> } = {
  publish: {
    group: "Messages",
    right: "publish",
    text:
      "Publishes a message to a channel, and answers once it is kept. The same `id` of the same `from` has one effect.",
    params: saying({
      channel: channel(),
      stream: v.exactOptional(v.literal(true, "true")),
      ...MESSAGE,
    }) as Schema<ApiParams<"publish">>,
    result: published,
    example: { channel: "chat:general", text: "hello" },
    overlaps: true,
  },
  append: {
    group: "Messages",
    right: "publish",
    text:
      "Makes a message longer that was published with `stream: true`. `at` is its length before the piece; what lies below its length is known. With `channel` in the query the body is a whole message in pieces instead.",
    params: saying({
      channel: channel(),
      target: whole(1),
      epoch: v.exactOptional(name(64)),
      at: whole(0),
      final: v.exactOptional(v.picklist(["ended", "failed"], "one of ended, failed")),
      from: MESSAGE.from,
    }) as Schema<ApiParams<"append">>,
    result: exactly({ channel: channel(), target: whole(1), length: whole(0) }),
    example: { channel: "chat:general", target: 1, at: 5, text: " and more", final: "ended" },
    overlaps: true,
  },
  broadcast: {
    group: "Messages",
    right: "publish",
    text: "Publishes one message to each of some channels, or without `channels` to every session.",
    params: saying({
      channels: v.exactOptional(list(channel(), 1000, 1)),
      ...MESSAGE,
    }) as Schema<ApiParams<"broadcast">>,
    result: exactly({ published: list(published, 1000) }),
    example: { channels: ["chat:general", "chat:news"], text: "hello" },
  },
  direct: {
    group: "Messages",
    right: "publish",
    text: "Publishes a message to a user's inbox: all devices of the user get it, those that are away later.",
    params: saying({ user: name(128), ...MESSAGE }) as Schema<ApiParams<"direct">>,
    result: published,
    example: { user: "ann", text: "hello" },
    overlaps: true,
  },
  edit: {
    group: "Messages",
    right: "publish",
    text: "Gives an earlier message of a channel other content, whoever sent it. `target` is its offset.",
    params: saying({
      channel: channel(),
      target: whole(1),
      epoch: v.exactOptional(name(64)),
      ...MESSAGE,
    }) as Schema<ApiParams<"edit">>,
    result: published,
    example: { channel: "chat:general", target: 1, text: "hello again" },
  },
  delete: {
    group: "Messages",
    right: "publish",
    text: "Takes the content of an earlier message of a channel away, whoever sent it.",
    params: exactly({
      channel: channel(),
      target: whole(1),
      epoch: v.exactOptional(name(64)),
      id: MESSAGE.id,
      from: MESSAGE.from,
    }),
    result: published,
    example: { channel: "chat:general", target: 1 },
  },
  send: {
    group: "Sessions",
    right: "publish",
    text:
      "Sends something to one session as `server_message`. It is not kept: `sent` is false when the session is on no connection.",
    params: saying({ session: name(64) }) as Schema<ApiParams<"send">>,
    result: exactly({ sent: flag() }),
    example: { session: "0190f3c2-0000-7000-8000-000000000000", data: { refresh: true } },
  },
  subscribe: {
    group: "Sessions",
    right: "manage",
    text: "Subscribes the sessions of a user to a channel, or one of them.",
    params: exactly({ ...of, channel: channel() }),
    result: sessions,
    example: { user: "ann", channel: "chat:news" },
  },
  unsubscribe: {
    group: "Sessions",
    right: "manage",
    text: "Unsubscribes the sessions of a user from a channel, or one of them.",
    params: exactly({ ...of, channel: channel() }),
    result: sessions,
    example: { user: "ann", channel: "chat:news" },
  },
  disconnect: {
    group: "Sessions",
    right: "manage",
    text:
      "Ends the connections of a user, or of one session, with 3508: clients do not come back by themselves.",
    params: exactly({ ...of, reason: v.exactOptional(words(120)) }),
    result: connections,
    example: { user: "ann", reason: "too many tabs" },
  },
  refresh: {
    group: "Sessions",
    right: "manage",
    text:
      "Gives live sessions of a user other claims than their token has: when they end, which channels and rights they have, their `info`. It holds until the connection ends or brings another token.",
    params: exactly({
      ...of,
      expiresIn: v.exactOptional(v.nullable(seconds())),
      channels: patterns,
      subscribe: patterns,
      publish: patterns,
      rights: v.exactOptional(list(v.picklist(RIGHTS, `one of ${RIGHTS.join(", ")}`), RIGHTS.length)),
      info: v.exactOptional(object()),
    }) as Schema<ApiParams<"refresh">>,
    result: sessions,
    example: { user: "ann", expiresIn: 3600, channels: ["chat:*"] },
  },
  revoke: {
    group: "Tokens",
    right: "manage",
    text:
      "Refuses tokens from now on, and ends the connections that came with them: the token of a `jti`, or all that were issued before a time, of one user or of everybody. Tokens are dated in whole seconds: without `issuedBefore` one that is made in the same second is refused, too.",
    params: v.pipe(
      exactly({
        jti: v.exactOptional(
          v.pipe(v.string("a text"), v.minLength(1, "not empty"), v.maxLength(1024, "too long")),
        ),
        user: v.exactOptional(name(128)),
        issuedBefore: v.exactOptional(whole(1, 100_000_000_000)),
        keepFor: v.exactOptional(seconds()),
      }),
      v.check(({ jti, user, issuedBefore }) => {
        return jti === undefined
          ? user !== undefined || issuedBefore !== undefined
          : user === undefined && issuedBefore === undefined;
      }, "jti alone, or user, issuedBefore or both"),
    ),
    result: connections,
    example: { user: "ann" },
  },
  block: {
    group: "Tokens",
    right: "manage",
    text: "Ends the connections of a user and refuses every token of theirs until `unblock`.",
    params: exactly({ user: name(128), expiresIn: v.exactOptional(seconds()) }),
    result: connections,
    example: { user: "ann", expiresIn: 86_400 },
  },
  unblock: {
    group: "Tokens",
    right: "manage",
    text: "Lets a blocked user connect again.",
    params: exactly({ user: name(128) }),
    result: exactly({ unblocked: flag() }),
    example: { user: "ann" },
  },
  presence: {
    group: "Channels",
    right: "read",
    text: "Who is on a channel, on all nodes: one entry for each session.",
    params: exactly({ channel: channel() }),
    result: exactly({ channel: channel(), sessions: list(present, 1_000_000) }),
    example: { channel: "chat:general" },
  },
  presence_stats: {
    group: "Channels",
    right: "read",
    text: "How many users and sessions are on a channel, on all nodes.",
    params: exactly({ channel: channel() }),
    result: exactly({ channel: channel(), users: whole(0), sessions: whole(0) }),
    example: { channel: "chat:general" },
  },
  history: {
    group: "Channels",
    right: "read",
    text: "A part of a channel's kept messages.",
    params: exactly({
      channel: channel(),
      since: v.exactOptional(whole(0)),
      limit: v.exactOptional(whole(1, 1000)),
      reverse: v.exactOptional(flag()),
    }),
    result: history,
    example: { channel: "chat:general", limit: 10, reverse: true },
  },
  history_remove: {
    group: "Channels",
    right: "manage",
    text:
      "Removes the kept messages of a channel, up to `until` when given. The last message stays as the place where the channel goes on, without its content; in an inbox with it. Not for documents.",
    params: exactly({ channel: channel(), until: v.exactOptional(whole(1)) }),
    result: exactly({ channel: channel(), epoch: name(64), offset: whole(0) }),
    example: { channel: "chat:general" },
  },
  channels: {
    group: "Channels",
    right: "read",
    text:
      "Channels with subscribers on any node in the order of their names, those that fit `pattern` when given.",
    params: exactly({ pattern: v.exactOptional(words(255)), ...paged }),
    result: page("channels", exactly({ channel: channel(), subscribers: whole(0) })),
    example: { pattern: "chat:*", limit: 100 },
  },
  users: {
    group: "Sessions",
    right: "read",
    text: "Users with sessions on any node in the order of their ids.",
    params: exactly(paged),
    result: page("users", exactly({ userId: name(128), sessions: whole(0) })),
    example: { limit: 100 },
  },
  connections: {
    group: "Sessions",
    right: "read",
    text: "Connections on all nodes, or those of a user.",
    params: exactly({ user: v.exactOptional(name(128)), limit: v.exactOptional(whole(1, 10_000)) }),
    result: page("items", connection),
    example: { user: "ann" },
  },
  connection: {
    group: "Sessions",
    right: "read",
    text: "The connection of a session, and the channels that it is subscribed to.",
    params: exactly({ session: name(64) }),
    result: exactly({ connection, subscriptions: list(channel(), 1_000_000) }),
    example: { session: "0190f3c2-0000-7000-8000-000000000000" },
  },
  ...ERASURE,
  document: {
    group: "Files and documents",
    right: "read",
    text:
      "Where a document stands; with `content` its newest snapshot and the operations after it, as clients made them.",
    params: exactly({ channel: documentChannel(), content: v.exactOptional(flag()) }),
    result: document,
    example: { channel: "doc:plan" },
  },
  ...FUNCTION_ROWS,
  ...WEBHOOK_ROWS,
  info: {
    group: "Service",
    right: "read",
    text: "Figures and state of the node that is asked, as in `/stats`.",
    params: exactly({}),
    result: object(),
    example: {},
  },
  batch: {
    group: "Service",
    text: "Runs up to 1,000 calls in order. Each has an answer of its own, and each needs its own right.",
    params: exactly({
      commands: list(
        exactly({ method: words(32), params: v.exactOptional(v.unknown()) }) as Schema<
          { method: string; params?: unknown }
        >,
        MAX_BATCH,
      ),
    }),
    result: replies,
    example: { commands: [{ method: "publish", params: { channel: "chat:general", text: "hello" } }] },
  },
};

/** The names of all methods. */
export const API_METHODS: readonly ApiMethod[] = Object.keys(API) as ApiMethod[];

/** Whether there is such a method. */
export function isApiMethod(name: string): name is ApiMethod {
  return Object.hasOwn(API, name);
}
