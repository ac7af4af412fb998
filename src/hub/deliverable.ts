/**
 * Whether a kept message can still be delivered.
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
