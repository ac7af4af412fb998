/**
 * The server API: the methods that back ends call at `/api/<method>`, and the schemas of their parameters.
 *
 * @module
 */

import * as v from "valibot";
import type { Content, Prioritised } from "../../protocol/schemas/fields.ts";
import {
  channelField,
  integer,
  offsetField,
  PRIORITISED,
  saying,
  type Schema,
  shape,
  text,
  token,
  userIdField,
} from "../../protocol/schemas/fields.ts";

type Later<T> = T | Promise<T>;

/** A message to be published. */
export interface ApiPublish extends Content, Prioritised {
  readonly channel: string;
  /** The message id, for dedupe; made by the service when absent. */
  readonly id?: string;
  /** The sender. @default "server" */
  readonly from?: string;
}

/** One message to many channels, or to every session. */
export interface ApiBroadcast extends Content, Prioritised {
  /** At most 1,000; absent: everybody. */
  readonly channels?: readonly string[];
  readonly id?: string;
  readonly from?: string;
}

/** A user's sessions, or one of them, and a channel. */
export interface ApiSubscription {
  readonly user: string;
  readonly channel: string;
  readonly session?: string;
}

/** A user's connections to be ended, or the one of a session. */
export interface ApiDisconnect {
  readonly user: string;
  readonly session?: string;
  /** Shown to the client. At most 120 characters. */
  readonly reason?: string;
}

/** A part of a channel's history. */
export interface ApiHistory {
  readonly channel: string;
  readonly since?: number;
  /** 1 to 1,000. */
  readonly limit?: number;
  readonly reverse?: boolean;
}

/**
 * The methods. A method that is absent is answered as unknown. Results are sent as JSON. The caller is told of
 * rejections with ProtocolError; other errors are logged and answered as `internal`.
 */
export interface ServerApi {
  publish?(params: ApiPublish): Later<unknown>;
  broadcast?(params: ApiBroadcast): Later<unknown>;
  subscribe?(params: ApiSubscription): Later<unknown>;
  unsubscribe?(params: ApiSubscription): Later<unknown>;
  disconnect?(params: ApiDisconnect): Later<unknown>;
  presence?(params: { readonly channel: string }): Later<unknown>;
  history?(params: ApiHistory): Later<unknown>;
  /** Connections on all nodes. */
  connections?(params: ApiConnections): Later<unknown>;
  /** Channels with members on this node, those that fit `pattern` when given. */
  channels?(params: { readonly pattern?: string; readonly limit?: number }): Later<unknown>;
  /** Removes a file before its time. */
  delete_file?(params: { readonly file: string }): Later<unknown>;
}

/** What `/api/connections` asks for. */
export interface ApiConnections {
  readonly user?: string;
  /** @default 100 */
  readonly limit?: number;
}

const said = {
  id: v.exactOptional(token(64)),
  from: v.exactOptional(userIdField()),
  ...PRIORITISED,
};
const subscription: Schema<ApiSubscription> = shape({
  user: userIdField(),
  channel: channelField(),
  session: v.exactOptional(token(64)),
});

/** The parameters of each method. `info` is answered by the app itself. */
export const API_PARAMS = {
  publish: saying({ channel: channelField(), ...said }) as Schema<ApiPublish>,
  broadcast: saying({
    channels: v.exactOptional(
      v.pipe(
        v.array(channelField(), "a list of channels"),
        v.minLength(1, "at least one channel"),
        v.maxLength(1000, "at most 1000 channels"),
      ),
    ),
    ...said,
  }) as Schema<ApiBroadcast>,
  subscribe: subscription,
  unsubscribe: subscription,
  disconnect: shape({
    user: userIdField(),
    session: v.exactOptional(token(64)),
    reason: v.exactOptional(text(120)),
  }) as Schema<ApiDisconnect>,
  presence: shape({ channel: channelField() }) as Schema<{ channel: string }>,
  history: shape({
    channel: channelField(),
    since: v.exactOptional(offsetField()),
    limit: v.exactOptional(integer(1, 1000)),
    reverse: v.exactOptional(v.boolean("true or false")),
  }) as Schema<ApiHistory>,
  channels: shape({
    pattern: v.exactOptional(text(255)),
    limit: v.exactOptional(integer(1, 10_000)),
  }) as Schema<{ pattern?: string; limit?: number }>,
  connections: shape({
    user: v.exactOptional(userIdField()),
    limit: v.exactOptional(integer(1, 10_000)),
  }) as Schema<ApiConnections>,
  delete_file: shape({ file: token(64) }) as Schema<{ file: string }>,
  info: shape({}) as Schema<Record<never, never>>,
} as const;

/** The name of a method; `batch`, which runs other methods, is none of them. */
type ApiMethod = keyof typeof API_PARAMS;

/** Whether there is such a method. */
export function isApiMethod(name: string): name is ApiMethod {
  return Object.hasOwn(API_PARAMS, name);
}

/** Most commands of a batch. */
const MAX_BATCH = 1000;

/** Checks the frame of a batch; the parameters of each command are checked when it runs. */
export const batchParams: Schema<{ commands: { method: string; params?: unknown }[] }> = shape({
  commands: v.pipe(
    v.array(
      shape({ method: text(32), params: v.optional(v.unknown()) }) as Schema<
        { method: string; params?: unknown }
      >,
      "a list of commands",
    ),
    v.maxLength(MAX_BATCH, `at most ${MAX_BATCH} commands`),
  ),
}) as Schema<{ commands: { method: string; params?: unknown }[] }>;
