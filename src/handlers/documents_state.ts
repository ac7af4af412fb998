/**
 * What is remembered of the documents that a connection works on, for as long as it lives.
 *
 * @module
 */

import { ProtocolError } from "../protocol/mod.ts";
import type { Client, StateKey } from "../router/types.ts";

/** Documents of one connection about which something is remembered. */
const MAX_DOCUMENTS = 1024;

/** A document that a connection works on. */
export interface DocumentState {
  /** The id of an operation that was refused for now: later ones are refused until it has come again. */
  awaited: string | undefined;
  /** Counts `doc_open` and `doc_close`: a later one ends the answer to an earlier one. */
  opening: number;
}

/** The documents of a connection, by channel. */
const DOCUMENTS: StateKey<Map<string, DocumentState>> = { create: () => new Map() };

/** What is remembered of a document. */
export function knownDocument(client: Client, channel: string): DocumentState | undefined {
  return client.state(DOCUMENTS).get(channel);
}

/** What is remembered of a document, from now on. Throws ProtocolError `limit_exceeded` for one document too many. */
export function rememberDocument(client: Client, channel: string): DocumentState {
  const own = client.state(DOCUMENTS);
  let state = own.get(channel);
  if (state === undefined) {
    if (own.size >= MAX_DOCUMENTS) throw new ProtocolError("limit_exceeded", "too many documents at once");
    own.set(channel, state = { awaited: undefined, opening: 0 });
  }
  return state;
}

/** The connection has closed a document. */
export function forgetDocument(client: Client, channel: string): void {
  const own = client.state(DOCUMENTS);
  const state = own.get(channel);
  if (state === undefined) return;
  state.opening++;
  own.delete(channel);
}

/** An operation was refused. `temporary`: later operations of the connection have to wait until it comes again. */
export function operationRefused(client: Client, channel: string, id: string, temporary: boolean): void {
  if (temporary) {
    rememberDocument(client, channel).awaited ??= id;
    return;
  }
  const state = knownDocument(client, channel);
  if (state?.awaited === id) state.awaited = undefined;
}
