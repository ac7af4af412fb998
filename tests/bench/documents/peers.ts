/**
 * Clients that edit a Yjs document through the bare relay, or through the service with the SDK's provider.
 *
 * @module
 */

import { openDocument } from "../../../src/client/documents.ts";
import * as Y from "yjs";
import { SkeinClient } from "../../../src/client/mod.ts";
import { SkeinYjsProvider } from "../../../src/client/yjs.ts";
import type { ConfigInput } from "../../support/config.ts";
import { type Child, startChild } from "../child.ts";
import { frames, type Kind, tokenOf } from "../skein/dial.ts";
import { startSkein } from "../skein/measure.ts";
import { type Bytes, framed, readFrames } from "./frames.ts";

/** The document all edit. */
const DOC = "doc:paper";

/** A document as somebody has it open. */
export interface Opened {
  readonly doc: Y.Doc;
  /** Resolves when everything that was there is in it. */
  readonly ready: Promise<void>;
  /** Calls `fn` with each update that comes, before or after it is in the document. */
  hear(fn: () => void): void;
  close(): void;
}

/** Somebody who is connected. */
export interface Peer {
  open(): Opened;
  /** Puts all that was told so far into one piece. */
  compact(opened: Opened): Promise<void>;
  close(): Promise<void>;
}

/** A server of documents. */
export interface Place extends AsyncDisposable {
  join(kind: Kind, user: string): Promise<Peer>;
}

/** Starts the relay. */
export async function startRelay(): Promise<Place> {
  const server = await startChild(["-A", "tests/bench/documents/relay.ts"]);
  return {
    join: (kind) => kind === "quic" ? joinByQuic(server) : joinBySocket(server),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** A service that is gone afterwards with what it kept. */
export interface Keeping extends AsyncDisposable {
  readonly child: Child;
}

/** Starts the service; with `sqlite` on a database of its own. */
export async function startKeeping(
  { engine, ...over }: { engine: "memory" | "sqlite" } & Omit<ConfigInput, "engine">,
): Promise<Keeping> {
  const directory = await Deno.makeTempDir({ prefix: "skein-bench-" });
  const kept: ConfigInput["engine"] = engine === "memory"
    ? { kind: engine }
    : { kind: engine, sqlite: { path: `${directory}/skein.db` } };
  const child = await startSkein({ ...over, engine: kept });
  return {
    child,
    async [Symbol.asyncDispose]() {
      await child[Symbol.asyncDispose]();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/** Starts the service for clients with the SDK. `compactAfter`: see the provider's option. */
export async function startService(compactAfter?: number): Promise<Place> {
  const keeping = await startKeeping({ engine: "sqlite" });
  return {
    join: (kind, user) => joinBySdk(keeping.child, kind, user, compactAfter),
    [Symbol.asyncDispose]: () => keeping[Symbol.asyncDispose](),
  };
}

async function joinBySdk(server: Child, kind: Kind, user: string, compactAfter = 500): Promise<Peer> {
  const { quicPort, httpPort, hash } = server.hello;
  const client = new SkeinClient({
    quicUrl: `quic://127.0.0.1:${quicPort}`,
    websocketUrl: `ws://127.0.0.1:${httpPort}/connection/websocket`,
    certificateHashes: [hash],
    enableQuic: kind === "quic",
    enableWebSocket: kind === "websocket",
    token: await tokenOf(user),
    probing: false,
  });
  await client.connect();
  const providers = new WeakMap<Opened, SkeinYjsProvider>();
  return {
    open() {
      const provider = new SkeinYjsProvider(openDocument(client, DOC), new Y.Doc(), {
        awareness: null,
        compactAfter,
      });
      const opened = {
        doc: provider.doc,
        ready: provider.ready,
        hear: (fn: () => void) => void provider.document.on("operation", fn),
        close: () => provider.destroy(),
      };
      providers.set(opened, provider);
      return opened;
    },
    async compact(opened) {
      if (!await providers.get(opened)!.compact()) throw new Error("no snapshot was made");
    },
    close: () => client.close(),
  };
}

async function joinBySocket(server: Child): Promise<Peer> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.hello.httpPort}/`);
  socket.binaryType = "arraybuffer";
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("the WebSocket did not open"));
  });
  const peer = new RelayPeer(server, (bytes) => socket.send(bytes), () => socket.close());
  socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
    const updates: Uint8Array[] = [];
    frames(new Uint8Array(data), (update) => updates.push(update));
    peer.take(updates);
  };
  return peer;
}

async function joinByQuic(server: Child): Promise<Peer> {
  const options: Deno.ConnectQuicOptions<false> & { serverCertificateHashes: WebTransportHash[] } = {
    hostname: "127.0.0.1",
    port: server.hello.quicPort,
    alpnProtocols: ["relay"],
    maxIdleTimeout: 120_000,
    serverCertificateHashes: [{ algorithm: "sha-256", value: Uint8Array.fromBase64(server.hello.hash) }],
  };
  const connection = await Deno.connectQuic(options);
  connection.closed.catch(() => {});
  const { readable, writable } = await connection.createBidirectionalStream();
  const writer = (writable as WritableStream<Bytes>).getWriter();
  writer.closed.catch(() => {});
  const peer = new RelayPeer(
    server,
    (bytes) => void writer.write(bytes).catch(() => {}),
    () => connection.close({ closeCode: 0, reason: "" }),
  );
  void readFrames(readable, (updates) => peer.take(updates));
  return peer;
}

/** A connection to the relay; it has one document open at a time. */
class RelayPeer implements Peer {
  readonly #server: Child;
  readonly #send: (bytes: Bytes) => void;
  readonly #end: () => void;
  #doc: Y.Doc | undefined;
  /** Updates that belong to what was there; undefined until it is known how many. */
  #missing: number | undefined;
  #isReady = () => {};
  #heard = () => {};

  constructor(server: Child, send: (bytes: Bytes) => void, end: () => void) {
    this.#server = server;
    this.#send = send;
    this.#end = end;
  }

  take(updates: readonly Uint8Array[]): void {
    for (const update of updates) {
      if (this.#missing === undefined) this.#missing = Number(new TextDecoder().decode(update));
      else {
        Y.applyUpdate(this.#doc!, update, this);
        this.#missing--;
        this.#heard();
      }
      if (this.#missing === 0) this.#isReady();
    }
  }

  open(): Opened {
    const doc = this.#doc = new Y.Doc();
    this.#missing = undefined;
    const ready = new Promise<void>((resolve) => this.#isReady = resolve);
    // One frame for each change. The provider would combine the changes of a turn, and the bench makes one in each turn.
    doc.on("update", (update, origin) => {
      if (origin !== this) this.#send(framed([update]));
    });
    this.#send(framed([new Uint8Array()]));
    return { doc, ready, hear: (fn) => this.#heard = fn, close: () => doc.destroy() };
  }

  async compact(): Promise<void> {
    await this.#server.ask({});
  }

  close(): Promise<void> {
    this.#end();
    return Promise.resolve();
  }
}
