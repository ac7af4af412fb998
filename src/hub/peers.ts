/**
 * Peers: programs that want to be reached by others directly. Which session a peer is on is kept in the engine, so that it
 * is found from every node.
 *
 * @module
 */

import type { Underway } from "../async/underway.ts";
import type { Values } from "../engine/contract.ts";
import { ProtocolError } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";
import type { Nodes } from "./nodes.ts";
import type { SessionEvents } from "./session_events.ts";

/** What the registry works with. */
export interface PeersOptions {
  readonly values: Values;
  readonly nodes: Nodes;
  readonly events: SessionEvents;
  /** Told of what could not be kept or removed. */
  readonly failed: (error: unknown, stage: string) => void;
  /** Gets removals that are not done. */
  readonly underway: Underway;
}

/** Where a peer is. */
export type PeerPlace = { readonly client: Client } | { readonly node: string };

/** A value that was not removed, because its node died, goes after so many ms: announcing again renews it. */
const LIFETIME = 7 * 86_400_000;
const UTF8 = new TextEncoder();
const TEXT = new TextDecoder();

/** The peers on sessions of this node, and the way to the others. */
export class Peers {
  readonly #options: PeersOptions;
  readonly #clients = new Map<string, Client>();
  readonly #ids = new Map<Client, string>();
  /** The peer that a session without a connection was: its value goes with the session. */
  readonly #last = new Map<string, string>();
  /** By session, the end of what is being written of it: a removal must find what was kept before. */
  readonly #writing = new Map<string, Promise<unknown>>();

  constructor(options: PeersOptions) {
    this.#options = options;
    options.events.listen("peers", ({ kind, client }) => {
      if (kind === "disconnect") this.#forget(client);
      else if (kind === "end") this.#ended(client);
      // The value goes on with the session.
      else if (kind === "moved") this.#last.delete(client.sessionId);
    });
  }

  /** The peer that a connection is, when it has said so. */
  idOf(client: Client): string | undefined {
    return this.#ids.get(client);
  }

  /**
   * The peer is on this session from now on, and on no other. The caller has checked that it is its own. Rejects with
   * ProtocolError `not_available` when the connection has ended: its session may be over, and would remove nothing.
   */
  async announce(peer: string, client: Client): Promise<void> {
    if (client.closed.aborted) throw new ProtocolError("not_available", "the connection has ended");
    const { sessionId } = client;
    const before = this.#ids.get(client) ?? this.#last.get(sessionId);
    this.#forget(client);
    this.#last.delete(sessionId);
    this.#clients.set(peer, client);
    this.#ids.set(client, peer);
    // A session is one peer: who announces one after another must not fill the store.
    if (before !== undefined && before !== peer) this.#remove(before, sessionId);
    const data = UTF8.encode(sessionId);
    const put = async () => await this.#options.values.put(key(peer), { data }, { ttl: LIFETIME });
    await this.#inTurn(sessionId, put);
  }

  /** Where a peer is; undefined: on no session that is connected. */
  async locate(peer: string): Promise<PeerPlace | undefined> {
    const client = this.#clients.get(peer);
    if (client !== undefined) return { client };
    const value = await this.#options.values.get(key(peer));
    if (value?.data === undefined) return undefined;
    const node = await this.#options.nodes.holderOf(TEXT.decode(value.data));
    return node === undefined ? undefined : { node };
  }

  #forget(client: Client): void {
    const peer = this.#ids.get(client);
    if (peer === undefined) return;
    this.#ids.delete(client);
    if (this.#clients.get(peer) === client) this.#clients.delete(peer);
    this.#last.set(client.sessionId, peer);
  }

  #ended({ sessionId }: Client): void {
    const peer = this.#last.get(sessionId);
    this.#last.delete(sessionId);
    if (peer !== undefined) this.#remove(peer, sessionId);
  }

  #remove(peer: string, sessionId: string): void {
    const remove = async (): Promise<void> => {
      const { values } = this.#options;
      // Announced again meanwhile.
      if (this.#clients.has(peer)) return;
      const value = await values.get(key(peer));
      // Another session may be this peer by now.
      if (value?.data === undefined || TEXT.decode(value.data) !== sessionId) return;
      await values.delete(key(peer), value.revision);
    };
    const { failed, underway } = this.#options;
    void underway.add(this.#inTurn(sessionId, remove).catch((error) => failed(error, "peer removed")));
  }

  /** Writes something of a session once what was begun before is written. */
  #inTurn(sessionId: string, write: () => Promise<unknown>): Promise<unknown> {
    const before = this.#writing.get(sessionId);
    const written = before === undefined ? write() : before.then(write);
    const over: Promise<void> = written.then(() => {}, () => {}).then(() => {
      if (this.#writing.get(sessionId) === over) this.#writing.delete(sessionId);
    });
    this.#writing.set(sessionId, over);
    return written;
  }
}

function key(peer: string): { name: string } {
  return { name: `peer/${peer}` };
}
