/**
 * What handlers are made with, and what several of them do.
 *
 * @module
 */

import type { Edit, MaybePromise } from "../engine/contract.ts";
import type { Hub, Publication } from "../hub/mod.ts";
import { type ErrorName, type Payload, ProtocolError, type Report, type Right } from "../protocol/mod.ts";
import type { Client, Context } from "../router/types.ts";
import type { DocumentLimits } from "./documents.ts";
import type { FileService } from "./files_parts.ts";
import type { ReplayClock } from "./replay.ts";

/** Where handlers leave what clients say about their own experience. */
export interface Reports {
  /** The round trip as the client measured it, in milliseconds. */
  rtt(client: Client, ms: number): void;
  /** A `client_report`. */
  report(client: Client, report: Report): void;
}

/** What handlers need of others. */
export interface HandlerParts {
  readonly hub: Hub;
  /** @default nobody is told */
  readonly reports?: Reports;
  /** Bytes of a message on a client's connection, as it was told; answers are cut to fit. @default 65536 */
  readonly maxMessage?: (client: Client) => number;
  /** @default files are refused */
  readonly files?: FileService;
  /** Asked each time it matters. @default 8 MiB of operations, 16 MiB of snapshot */
  readonly documents?: () => DocumentLimits;
  /** Milliseconds a client that opens a document may take to make room for more of its snapshot. @default 30000 */
  readonly openPatience?: number;
  /** @default the runtime's */
  readonly replayClock?: ReplayClock;
}

/** Throws ProtocolError `permission_denied` unless the client's token or the configuration grants `right`. */
export function needRight(context: Context, right: Right): void {
  if (!context.client.principal.rights.has(right)) {
    throw new ProtocolError("permission_denied", `needs the right ${right}`);
  }
}

/** Throws ProtocolError `error` when there is one. */
export function refuse(error: ErrorName | undefined): void {
  if (error !== undefined) throw new ProtocolError(error);
}

/** Calls `use` now when the value is there, else when it comes. */
export function when<T>(
  value: MaybePromise<T>,
  use: (value: T) => void | Promise<void>,
): void | Promise<void> {
  return value instanceof Promise ? value.then(use) : use(value);
}

/**
 * Publishes what the client says and acknowledges it once it is committed. The same message sent again has one
 * effect: it is known by its sender and its id. `amend` changes earlier messages with it.
 */
export function publishAndAcknowledge(
  hub: Hub,
  context: Context,
  channel: string,
  payload: Payload,
  amend?: readonly Edit[],
): void | Promise<void> {
  const { message, client } = context;
  const from = client.principal.userId;
  const publication: Publication = { type: message.type, id: message.id, from, payload };
  // An id holds no space, so no two pairs make one key.
  const published = hub.publish(channel, publication, message.id + " " + from, amend);
  return when(published, ({ offset, epoch, duplicate }) => {
    context.reply("message_ack", { channel, offset, epoch, duplicate });
  });
}
