/**
 * A Yjs document among peers: changes and awareness go straight from peer to peer, and over several where not all are
 * connected to each other. The service is not asked; a `SkeinYjsProvider` beside it brings the same document to those whom
 * no direct path reaches.
 *
 * @module
 */

import { applyAwarenessUpdate, type Awareness, encodeAwarenessUpdate } from "y-protocols/awareness";
import * as Y from "yjs";
import type { BidirectionalStream, Connection } from "../../quic/types.ts";
import type { Cipher } from "../documents/encryption.ts";
import { FromPeer, shareAmongPeers } from "./from_peer.ts";
import { FRAME, type FrameKind, FrameWriter, readFrames } from "./peer_frames.ts";

/** What travels on a stream of a document. */
export type Carried = "operations" | "awareness";

/** Bytes of a peer's id that name it in a list of those who have an update. */
const NAME_LENGTH = 8;
/** Peers in such a list. */
const MAX_NAMES = 255;

/** One peer that has the document open, too. */
interface Neighbour {
  readonly origin: FromPeer;
  readonly name: Uint8Array;
  readonly streams: Partial<Record<Carried, FrameWriter>>;
  /** What is read: one stream of each kind, or a peer could have a large frame on each of many. */
  readonly reading: Partial<Record<Carried, BidirectionalStream>>;
}

/** Options of `PeerDocument`. */
export interface PeerDocumentOptions {
  readonly channel: string;
  readonly doc: Y.Doc;
  readonly awareness: Awareness | null;
  readonly cipher: Cipher | undefined;
  /** The id of this peer. */
  readonly self: string;
  /** Told of what a peer did wrong. */
  readonly failed: (peer: string, error: unknown) => void;
}

/** The document with its neighbours. */
export class PeerDocument {
  readonly channel: string;
  readonly #options: PeerDocumentOptions;
  readonly #neighbours = new Map<string, Neighbour>();

  constructor(options: PeerDocumentOptions) {
    this.#options = options;
    this.channel = options.channel;
    options.doc.on("update", this.#updated);
    shareAmongPeers(options.doc, () => this.peers.some((peer) => peer < options.self));
    options.awareness?.on("update", this.#aware);
  }

  /** The peers that have it open and are connected. */
  get peers(): string[] {
    return [...this.#neighbours.keys()];
  }

  /** Carries the document over a stream, which either side has opened: one for operations, another for awareness. */
  async carry(
    peer: string,
    carried: Carried,
    stream: BidirectionalStream,
    connection: Connection,
  ): Promise<void> {
    const { channel, cipher, doc, failed } = this.#options;
    const neighbour = this.#neighbour(peer);
    const leave = (): void => this.#left(peer, carried, writer);
    const writer = new FrameWriter(stream, { channel, cipher }, leave);
    neighbour.streams[carried]?.end();
    neighbour.reading[carried]?.cancel();
    neighbour.streams[carried] = writer;
    neighbour.reading[carried] = stream;
    if (carried === "operations") writer.send(FRAME.vector, Y.encodeStateVector(doc));
    else this.#greet(writer);
    try {
      for await (const { kind, content } of readFrames(stream, { channel, cipher })) {
        this.#take(peer, neighbour, kind, content);
      }
    } catch (error) {
      // What is wrong with a frame ends the stream; that the connection is over is told elsewhere.
      if (!connection.isClosed && !isEnd(error)) failed(peer, error);
    } finally {
      leave();
    }
  }

  /** Ends it: the streams end after what was sent. */
  close(): void {
    const { doc, awareness } = this.#options;
    doc.off("update", this.#updated);
    shareAmongPeers(doc, undefined);
    awareness?.off("update", this.#aware);
    for (const { streams } of this.#neighbours.values()) {
      for (const writer of Object.values(streams)) writer.end();
    }
    this.#neighbours.clear();
  }

  #neighbour(peer: string): Neighbour {
    const known = this.#neighbours.get(peer);
    if (known !== undefined) return known;
    const made: Neighbour = { origin: new FromPeer(peer), name: nameOf(peer), streams: {}, reading: {} };
    this.#neighbours.set(peer, made);
    return made;
  }

  #left(peer: string, carried: Carried, writer: FrameWriter): void {
    const neighbour = this.#neighbours.get(peer);
    if (neighbour?.streams[carried] !== writer) return;
    writer.end();
    delete neighbour.streams[carried];
    if (Object.keys(neighbour.streams).length === 0) this.#neighbours.delete(peer);
  }

  #take(peer: string, neighbour: Neighbour, kind: FrameKind, content: Uint8Array): void {
    const { doc, awareness } = this.#options;
    if (kind === FRAME.vector) {
      // With all deletions, which a vector does not tell.
      const missing = Y.encodeStateAsUpdate(doc, content);
      neighbour.streams.operations?.send(FRAME.update, withNames([], missing));
    } else if (kind === FRAME.update) {
      const { names, update } = splitNames(content);
      this.#apply(update, neighbour.origin);
      // After it was read: what is no update must not be passed on as this peer's.
      this.#pass(update, [...names, neighbour.name], peer);
    } else if (awareness !== null) {
      applyAwarenessUpdate(awareness, content, neighbour.origin);
    }
  }

  /** Throws when it is no update. What an observer throws is no fault of the peer. */
  #apply(update: Uint8Array, origin: FromPeer): void {
    try {
      Y.applyUpdate(this.#options.doc, update, origin);
    } catch (error) {
      Y.decodeUpdate(update);
      console.error("an observer of the Yjs document failed", error);
    }
  }

  readonly #updated = (update: Uint8Array, origin: unknown): void => {
    // What came from a peer has been passed on as it came.
    if (origin instanceof FromPeer) return;
    this.#pass(update, [], undefined);
  };

  /** Sends an update to all neighbours who are not known to have it, and tells each whom else it goes to. */
  #pass(update: Uint8Array, known: readonly Uint8Array[], from: string | undefined): void {
    const has = new Set(known.map((name) => name.toHex()));
    const receivers = [...this.#neighbours].filter(([peer, { name, streams }]) =>
      peer !== from && streams.operations !== undefined && !has.has(name.toHex())
    );
    if (receivers.length === 0) return;
    // A receiver knows itself, and whom it has this from.
    const others = receivers.length === 1 ? [] : receivers.map(([, { name }]) => name);
    const names = [...known, ...others].slice(0, MAX_NAMES);
    const frame = withNames(names, update);
    for (const [, { streams }] of receivers) streams.operations!.send(FRAME.update, frame);
  }

  readonly #aware = (
    { added, updated, removed }: { added: number[]; updated: number[]; removed: number[] },
    origin: unknown,
  ): void => {
    const { awareness, doc } = this.#options;
    // Each tells of itself alone; what the service brings, the others have from there.
    const own = [...added, ...updated, ...removed].includes(doc.clientID);
    if (awareness === null || !own || origin instanceof FromPeer) return;
    const states = encodeAwarenessUpdate(awareness, [doc.clientID]);
    for (const { streams } of this.#neighbours.values()) streams.awareness?.send(FRAME.awareness, states);
  };

  #greet(writer: FrameWriter): void {
    const { awareness, doc } = this.#options;
    if (awareness === null || awareness.getLocalState() === null) return;
    writer.send(FRAME.awareness, encodeAwarenessUpdate(awareness, [doc.clientID]));
  }
}

/** The beginning of a peer's id, which is a public key: as good as random. */
function nameOf(peer: string): Uint8Array {
  return new TextEncoder().encode(peer.slice(0, NAME_LENGTH));
}

function withNames(names: readonly Uint8Array[], update: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + names.length * NAME_LENGTH + update.length);
  bytes[0] = names.length;
  names.forEach((name, i) => bytes.set(name, 1 + i * NAME_LENGTH));
  bytes.set(update, 1 + names.length * NAME_LENGTH);
  return bytes;
}

function splitNames(bytes: Uint8Array): { names: Uint8Array[]; update: Uint8Array } {
  const count = bytes[0] ?? 0, end = 1 + count * NAME_LENGTH;
  if (end > bytes.length) throw new RangeError("an update is cut");
  const names = Array.from(
    { length: count },
    (_, i) => bytes.slice(1 + i * NAME_LENGTH, 1 + (i + 1) * NAME_LENGTH),
  );
  return { names, update: bytes.subarray(end) };
}

function isEnd(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code === "unexpected_end" || code === "connection_ended" || code === "stream_reset";
}
