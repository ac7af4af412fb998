/**
 * Yjs documents straight among peers: `npm:yjs` over the connections of a `SkeinPeer`, or in browsers of a `BrowserPeer`.
 *
 * ```ts
 * const peer = await SkeinPeer.open(client);
 * const provider = new SkeinYjsProvider(openDocument(client, "doc:plan"), doc);
 * const documents = new PeerDocuments(peer);
 * documents.share("doc:plan", doc, { awareness: provider.awareness });
 * ```
 *
 * @module
 */

import { type Awareness, outdatedTimeout } from "y-protocols/awareness";
import type * as Y from "yjs";
import { deadline } from "../async/deadline.ts";
import { type Deferred, quietDeferred } from "../async/deferred.ts";
import { isPeerId, type PeerConnection, type PeerError, type PeerId } from "../peer/browser.ts";
import { type BidirectionalStream, type Connection, PRIORITY } from "../quic/types.ts";
import type { Cipher } from "./documents/encryption.ts";
import type { SkeinPeer } from "./peer.ts";
import { type Carried, PeerDocument } from "./yjs/peer_document.ts";
import { readLine } from "./yjs/peer_frames.ts";

/** Options of `PeerDocuments`. */
export interface PeerDocumentsOptions {
  /** Takes streams of peers that are about no document; `line` is their first line. @default they are refused */
  readonly onStream?: (line: string, stream: BidirectionalStream, connection: PeerConnection) => void;
  /** Told of what a peer did wrong. @default nobody is */
  readonly onError?: (error: unknown, context: { readonly peer: PeerId; readonly document: string }) => void;
  /**
   * Milliseconds within which it has to be known of a peer that it has a document open, or it does not get it on this
   * connection.
   * @default 40000: awareness is said again every 15 s, and may be lost
   */
  readonly admissionTime?: number;
}

/** How a document is shared. */
export interface ShareOptions {
  /**
   * Who is there. Its states tell which peers have the document open (their field `peer`), so with it nothing else has to
   * be said; give it to the document's `SkeinYjsProvider` too. @default null
   */
  readonly awareness?: Awareness | null;
  /** Peers that have the document open, besides those that awareness tells of. */
  readonly peers?: readonly PeerId[];
  /** Seals what peers say of it: the key of the document, so that a peer without it reads nothing. @default none */
  readonly key?: Cipher;
}

/** A document that is shared. */
export interface SharedDocument {
  /** The peers that have it open and are connected. */
  readonly peers: readonly PeerId[];
  /** Lets a peer in, and connects to it. */
  add(peer: PeerId): void;
  /** Shares it no more. The `Y.Doc` stays as it is. */
  close(): void;
}

interface Shared {
  readonly document: PeerDocument;
  readonly members: Set<PeerId>;
  /** Those of them that the application has named, or that were met before: awareness need not tell of them. */
  readonly named: Set<PeerId>;
  /** Peers that have opened a stream before it was known that they have the document open. */
  readonly waiting: Map<PeerId, Deferred<void>>;
}

/** Within that time awareness is said again twice, and then the peer is not there any more. */
const ADMISSION_TIME = outdatedTimeout + 10_000;
/** Milliseconds for the first line of a stream. */
const LINE_TIME = 10_000;

/** What documents need of a peer: a `SkeinPeer`, a `BrowserPeer`, or a `PeerNode` with signalling of its own. */
export type DocumentPeer =
  & Pick<SkeinPeer, "id" | "connect" | "onConnection">
  & Partial<Pick<SkeinPeer, "known" | "onServiceAway">>
  & {
    /** The field of awareness in which peers of this kind find each other. @default "peer" */
    readonly awarenessField?: string;
  };

/** Peers that one document is shared with directly; more are reached through the service, or through those. */
const MAX_MEMBERS = 32;
/** Operations before who is there; both before what applications send in the background. */
const PRIORITIES: Record<Carried, number> = { operations: PRIORITY.HIGH, awareness: PRIORITY.NORMAL };

/** The documents that a peer shares. It takes the streams that peers open. */
export class PeerDocuments {
  readonly #peer: DocumentPeer;
  readonly #options: PeerDocumentsOptions;
  readonly #shared = new Map<string, Shared>();
  /** Those that were away for so long that they are not called any more. */
  readonly #givenUp = new Set<PeerId>();
  readonly #stop: () => void;

  constructor(peer: DocumentPeer, options: PeerDocumentsOptions = {}) {
    this.#peer = peer;
    this.#options = options;
    this.#stop = peer.onConnection((connection) => this.#connected(connection));
  }

  /** Shares a document among the peers that have it open. Throws TypeError when it is shared already. */
  share(channel: string, doc: Y.Doc, options: ShareOptions = {}): SharedDocument {
    if (this.#shared.has(channel)) throw new TypeError(`${channel} is shared already`);
    const { awareness = null, key, peers = [] } = options;
    const failed = (peer: string, error: unknown): void =>
      this.#options.onError?.(error, { peer, document: channel });
    const document = new PeerDocument({ channel, doc, awareness, cipher: key, self: this.#peer.id, failed });
    const shared: Shared = { document, members: new Set(), named: new Set(), waiting: new Map() };
    this.#shared.set(channel, shared);
    const field = this.#peer.awarenessField ?? "peer";
    const add = (peer: PeerId): void => {
      shared.named.add(peer);
      this.#add(shared, peer);
    };
    const met = (): void => {
      const states = [...awareness!.getStates().values()] as Record<string, unknown>[];
      const there = new Set(states.map((state) => state[field]));
      // Who has left gives its place to others.
      for (const peer of shared.members) {
        if (!there.has(peer) && !shared.named.has(peer) && !document.peers.includes(peer)) {
          shared.members.delete(peer);
          this.#givenUp.delete(peer);
        }
      }
      for (const peer of there) if (typeof peer === "string" && isPeerId(peer)) this.#add(shared, peer);
    };
    awareness?.on("change", met);
    if (awareness !== null) {
      awareness.setLocalStateField(field, this.#peer.id);
      met();
    }
    peers.forEach(add);
    // While the service is there, it says who has the document open: somebody who was there once may have been removed.
    const { known } = this.#peer;
    const stopWatching = this.#peer.onServiceAway?.(() => known?.with(channel).forEach(add));
    return {
      get peers() {
        return document.peers;
      },
      add,
      close: () => {
        awareness?.off("change", met);
        stopWatching?.();
        if (this.#shared.get(channel) === shared) this.#shared.delete(channel);
        for (const { reject } of shared.waiting.values()) reject(new RangeError("it is shared no more"));
        document.close();
      },
    };
  }

  /** Shares nothing any more. Connections stay. */
  close(): void {
    this.#stop();
    for (const { document } of this.#shared.values()) document.close();
    this.#shared.clear();
  }

  #add(shared: Shared, peer: PeerId): void {
    if (peer === this.#peer.id) return;
    if (shared.members.has(peer)) {
      // It is named again: by awareness, so that it is there, or by the application.
      if (this.#givenUp.delete(peer)) this.#peer.connect(peer);
      return;
    }
    if (shared.members.size >= MAX_MEMBERS) return;
    shared.members.add(peer);
    shared.waiting.get(peer)?.resolve();
    const { current } = this.#peer.connect(peer);
    if (current !== undefined) this.#open(shared, peer, current);
  }

  #connected(connection: PeerConnection): void {
    this.#givenUp.delete(connection.peer);
    const begin = (quic: Connection): void => {
      void this.#accept(connection, quic);
      for (const shared of this.#shared.values()) {
        if (shared.members.has(connection.peer)) this.#open(shared, connection.peer, quic);
      }
    };
    const ended = (error?: PeerError): void => {
      if (error?.code === "gave_up") this.#givenUp.add(connection.peer);
    };
    connection.on({ connection: begin, state: (_, error) => ended(error) });
    if (connection.current !== undefined) begin(connection.current);
  }

  /** Of two peers the one with the lesser id opens the streams. */
  #open(shared: Shared, peer: PeerId, quic: Connection): void {
    if (this.#peer.id > peer) return;
    for (const carried of ["operations", "awareness"] as const) {
      void (async () => {
        try {
          const stream = await quic.openBidirectionalStream({ priority: PRIORITIES[carried], wait: true });
          const line = JSON.stringify({ document: shared.document.channel, carries: carried });
          await stream.write(new TextEncoder().encode(`${line}\n`));
          await this.#carry(shared, peer, carried, stream, quic);
        } catch (error) {
          if (!quic.isClosed) this.#options.onError?.(error, { peer, document: shared.document.channel });
        }
      })();
    }
  }

  async #accept(connection: PeerConnection, quic: Connection): Promise<void> {
    for await (const stream of quic.incomingBidirectionalStreams) {
      void this.#take(connection, quic, stream).catch((error) => {
        stream.cancel();
        stream.abort();
        if (!quic.isClosed) this.#options.onError?.(error, { peer: connection.peer, document: "" });
      });
    }
  }

  /**
   * The service tells, by awareness, who may read a document: nobody else gets it. A peer may be here before awareness
   * tells of it. Rejects when it does not.
   */
  async #admitted(shared: Shared, peer: PeerId): Promise<void> {
    if (shared.members.has(peer)) return;
    const waiting = shared.waiting.get(peer) ?? quietDeferred<void>();
    shared.waiting.set(peer, waiting);
    const late = (): Error => new RangeError("a peer that does not have the document open");
    try {
      await deadline(waiting.promise, this.#options.admissionTime ?? ADMISSION_TIME, late);
    } finally {
      shared.waiting.delete(peer);
    }
  }

  async #take(connection: PeerConnection, quic: Connection, stream: BidirectionalStream): Promise<void> {
    const late = (): Error => new RangeError("a stream that says nothing");
    const line = await deadline(readLine(stream), LINE_TIME, late);
    const { document: channel, carries } = JSON.parse(line) as { document?: unknown; carries?: unknown };
    if (typeof channel !== "string") {
      if (this.#options.onStream === undefined) throw new RangeError("a stream about no document");
      return this.#options.onStream(line, stream, connection);
    }
    const shared = this.#shared.get(channel);
    if (shared === undefined || (carries !== "operations" && carries !== "awareness")) {
      throw new RangeError(`a stream about ${channel}, which is not shared`);
    }
    await this.#admitted(shared, connection.peer);
    stream.priority = PRIORITIES[carries];
    await this.#carry(shared, connection.peer, carries, stream, quic);
  }

  async #carry(
    { document }: Shared,
    peer: PeerId,
    carried: Carried,
    stream: BidirectionalStream,
    quic: Connection,
  ): Promise<void> {
    this.#peer.known?.shares(peer, document.channel);
    await document.carry(peer, carried, stream, quic);
  }
}
