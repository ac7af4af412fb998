/**
 * Checks that several handlers make.
 *
 * @module
 */

import { isDocument } from "../hub/mod.ts";
import { type ErrorName, ProtocolError, type Right } from "../protocol/mod.ts";
import type { Context } from "../router/types.ts";

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

/** Throws ProtocolError `not_a_document` unless `channel` is a document. */
export function needDocument(channel: string): void {
  if (!isDocument(channel)) throw new ProtocolError("not_a_document", "documents are the channels doc:*");
}
