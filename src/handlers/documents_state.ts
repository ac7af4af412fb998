/**
 * What is remembered of the documents that a connection works on.
 *
 * @module
 */

import { ProtocolError } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";

/** Documents of one connection about which something is remembered. */
const MAX_DOCUMENTS = 1024;

/** A document that a connection works on. */
export interface DocumentState {
  /** The id of an operation that was refused for now: later ones are refused until it has come again. */
  awaited: string | undefined;
  /** Counts `doc_open` and `doc_close`: a later one ends the answer to an earlier one. */
  opening: number;
}

/** The documents of each connection, for as long as it lives. */
export class DocumentStates {
  readonly #states = new WeakMap<Client, Map<string, DocumentState>>();

  /** What is remembered of a document. */
  known(client: Client, channel: string): DocumentState | undefined {
    return this.#states.get(client)?.get(channel);
  }

  /** What is remembered of a document, from now on. Throws ProtocolError `limit_exceeded` for one document too many. */
  of(client: Client, channel: string): DocumentState {
    let own = this.#states.get(client);
    if (own === undefined) this.#states.set(client, own = new Map());
    let state = own.get(channel);
    if (state === undefined) {
      if (own.size >= MAX_DOCUMENTS) throw new ProtocolError("limit_exceeded", "too many documents at once");
      own.set(channel, state = { awaited: undefined, opening: 0 });
    }
    return state;
  }

  /** The connection has closed a document. */
  forget(client: Client, channel: string): void {
    const state = this.known(client, channel);
    if (state === undefined) return;
    state.opening++;
    this.#states.get(client)?.delete(channel);
  }

  /** An operation was refused. `temporary`: later operations of the connection have to wait until it comes again. */
  refused(client: Client, channel: string, id: string, temporary: boolean): void {
    if (temporary) {
      this.of(client, channel).awaited ??= id;
      return;
    }
    const state = this.known(client, channel);
    if (state?.awaited === id) state.awaited = undefined;
  }
}
