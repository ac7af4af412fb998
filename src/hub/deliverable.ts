/**
 * Whether a kept message can still be delivered, and what an answer shows of one that cannot.
 *
 * @module
 */

import { fitsEveryForm, type Payload } from "../protocol/mod.ts";
import type { ClientLimits } from "../router/types.ts";

/** Bytes by which an edit, and another form than the sender's, may have made a message larger than it came. */
const GROWTH = 1024;

/**
 * Whether a client takes a message that is kept. One that is too large was published while `session.maxMessage` was
 * higher: it would fill the outbox and stop its channel with each attempt.
 */
export function isDeliverable(payload: Payload, { maxMessage }: ClientLimits): boolean {
  return fitsEveryForm(payload, maxMessage + GROWTH);
}

/**
 * The payload that an answer shows of a kept message. One that the client does not take has its place and no content:
 * left out, a client that reads page by page would never get past it.
 */
export function shownPayload(payload: Payload, limits: ClientLimits): Payload {
  if (isDeliverable(payload, limits)) return payload;
  const { target } = payload;
  const shown: Payload = { data: null, omitted: "message_too_large" };
  return typeof target === "number" ? { target, ...shown } : shown;
}
