/**
 * Opening documents over a client.
 *
 * @module
 */

import { isChannel } from "../../protocol/core.ts";
import type { SkeinClient } from "../client.ts";
import { SkeinError } from "../errors.ts";
import type { ChannelHandler } from "../session/channel_handlers.ts";
import { Document } from "./document.ts";
import type { DocumentOptions } from "./events.ts";

/** The documents each client has open. */
const documents = new WeakMap<SkeinClient, Map<string, Document>>();

/**
 * A document by its name, `doc:name`: opened at once, and again after each change of connection, until it or its client
 * is closed. The same object each time; the options are those of the first call. Throws SkeinError `bad_argument`.
 */
export function openDocument(client: SkeinClient, name: string, options: DocumentOptions = {}): Document {
  let open = documents.get(client);
  if (open === undefined) documents.set(client, open = new Map());
  const known = open.get(name);
  if (known !== undefined) return known;
  if (!isChannel(name) || !name.startsWith("doc:")) {
    throw new SkeinError("bad_argument", "a document is doc:name");
  }
  const port = (handler: ChannelHandler) => client.manager.handleChannel(name, handler);
  const document = new Document(name, port, client.clock, options, () => open.delete(name));
  open.set(name, document);
  return document;
}
