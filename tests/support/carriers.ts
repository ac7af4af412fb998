/**
 * The three transports of the test client, without any code of `src/`: QUIC by `Deno.connectQuic`, WebTransport and
 * WebSocket by the classes of the web.
 *
 * @module
 */

import { concat, frame, takeFrames, varint } from "./wire.ts";

/** What carries a test client. */
export type CarrierKind = "quic" | "webtransport" | "websocket";

/** The end of a connection as the transport told it. */
export interface CarrierClose {
  readonly code: number;
  readonly reason: string;
}

/** A bidirectional stream with nothing of Skein on it. */
export interface RawStream {
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the sending side. */
  end(): Promise<void>;
  /** The next bytes, or null at the end. Rejects when the stream or the connection broke. */
  read(): Promise<Uint8Array | null>;
  /** Asks the peer to stop sending. */
  cancel(): Promise<void>;
}

/** One connection. */
export interface Carrier {
  /** Opens a lane's stream and starts to read it; nothing to do on WebSocket. */
  openLane(lane: number): Promise<void>;
  /** Ends the sending side of a lane. */
  endLane(lane: number): Promise<void>;
  /** Sends one message's bytes as the transport frames them. */
  sendBody(body: Uint8Array, lane: number): Promise<void>;
  /** Writes bytes as they are: on the lane's stream, or as one binary WebSocket frame. */
  writeRaw(bytes: Uint8Array, lane: number): Promise<void>;
  sendDatagram(bytes: Uint8Array): Promise<void>;
  openRawStream(): Promise<RawStream>;
  openRawUnidirectionalStream(): Promise<Pick<RawStream, "write" | "end">>;
  /** Never rejects. */
  readonly closed: Promise<CarrierClose>;
  /** Ends the connection; resolves when nothing of it runs any more. */
  close(code: number, reason: string): Promise<void>;
  /** The runtime's own object. */
  readonly native: Deno.QuicConn | WebTransport | WebSocket;
}

/** Told of every frame body or text that arrives. */
export type Receive = (body: Uint8Array | string, lane: number, datagram: boolean) => void;

/** Where to dial. */
export interface DialTarget {
  /** @default "127.0.0.1" */
  readonly hostname?: string;
  /** UDP port of QUIC and WebTransport. */
  readonly quicPort?: number;
  /** TCP port of HTTP. */
  readonly httpPort?: number;
  /** SHA-256 of the server's certificate. */
  readonly certificateHash?: Uint8Array<ArrayBuffer>;
  /** Path of the WebTransport session. @default "/connection/webtransport" */
  readonly webtransportPath?: string;
  /** Path of the WebSocket. @default "/connection/websocket" */
  readonly websocketPath?: string;
  /** ALPN of raw QUIC. @default "skein/1" */
  readonly alpn?: string;
}

/** The parts of `Deno.QuicConn` and `WebTransport` that are alike. */
interface StreamSource {
  createBidirectionalStream(): Promise<{
    readable: ReadableStream<Uint8Array<ArrayBuffer>>;
    writable: WritableStream<Uint8Array<ArrayBuffer>>;
  }>;
  createUnidirectionalStream(): Promise<WritableStream<Uint8Array<ArrayBuffer>>>;
}

const END_DEADLINE = 3_000;

function quiet(promise: Promise<unknown>): void {
  promise.catch(() => {});
}

/** Waits for the end of `promise`, however it ends, but not for ever. */
async function settled(promise: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, END_DEADLINE));
  await Promise.race([promise.then(() => {}, () => {}), late]);
  clearTimeout(timer);
}

function makeRawStream(
  readable: ReadableStream<Uint8Array<ArrayBuffer>> | undefined,
  writable: WritableStream<Uint8Array<ArrayBuffer>>,
): RawStream {
  const writer = writable.getWriter();
  const reader = readable?.getReader();
  quiet(writer.closed);
  if (reader) quiet(reader.closed);
  return {
    write: (bytes) => writer.write(new Uint8Array(bytes)),
    end: () => writer.close(),
    read: async () => (await reader!.read()).value ?? null,
    cancel: () => reader!.cancel(),
  };
}

/** What QUIC and WebTransport have in common: a stream for each lane. */
function makeStreamCarrier(
  source: StreamSource,
  receive: Receive,
  rest: Pick<Carrier, "sendDatagram" | "closed" | "native"> & {
    /** Reads datagrams until the connection ends. */
    readonly datagrams: Promise<void>;
    end(code: number, reason: string): Promise<void> | void;
  },
): Carrier {
  const lanes = new Map<number, RawStream>();
  const running = new Set<Promise<void>>([rest.datagrams]);

  const read = async (lane: number, stream: RawStream): Promise<void> => {
    let waiting: Uint8Array = new Uint8Array(0);
    try {
      for (let chunk = await stream.read(); chunk !== null; chunk = await stream.read()) {
        const { bodies, rest } = takeFrames(concat(waiting, chunk));
        for (const body of bodies) receive(body, lane, false);
        waiting = rest;
      }
    } catch {
      // The stream or the connection ended; `closed` says how.
    }
  };
  const laneOf = (lane: number): RawStream => {
    const stream = lanes.get(lane);
    if (stream === undefined) throw new Error(`lane ${lane} is not open in this test`);
    return stream;
  };
  const openRawStream = async (): Promise<RawStream> => {
    const { readable, writable } = await source.createBidirectionalStream();
    return makeRawStream(readable, writable);
  };
  return {
    native: rest.native,
    closed: rest.closed,
    sendDatagram: rest.sendDatagram,
    openRawStream,
    async openRawUnidirectionalStream() {
      return makeRawStream(undefined, await source.createUnidirectionalStream());
    },
    async openLane(lane) {
      const stream = await openRawStream();
      lanes.set(lane, stream);
      await stream.write(varint(lane));
      const loop = read(lane, stream);
      running.add(loop);
      void loop.then(() => running.delete(loop));
    },
    async endLane(lane) {
      await laneOf(lane).end();
      lanes.delete(lane);
    },
    sendBody: (body, lane) => laneOf(lane).write(frame(body)),
    writeRaw: (bytes, lane) => laneOf(lane).write(bytes),
    async close(code, reason) {
      await rest.end(code, reason);
      await settled(Promise.all([rest.closed, ...running]));
    },
  };
}

/** Dials raw QUIC. */
export async function dialQuic(target: DialTarget, receive: Receive, giveUp: AbortSignal): Promise<Carrier> {
  const hostname = target.hostname ?? "127.0.0.1";
  const endpoint = new Deno.QuicEndpoint({ hostname: hostname.includes(":") ? "::" : "127.0.0.1", port: 0 });
  const abandon = () => endpoint.close();
  giveUp.addEventListener("abort", abandon, { once: true });
  let connection: Deno.QuicConn;
  try {
    const options: Deno.ConnectQuicOptions<false> & { serverCertificateHashes?: WebTransportHash[] } = {
      hostname,
      port: target.quicPort!,
      alpnProtocols: [target.alpn ?? "skein/1"],
      endpoint,
      ...hashes(target),
    };
    connection = await Deno.connectQuic(options);
  } catch (error) {
    endpoint.close();
    throw error;
  } finally {
    giveUp.removeEventListener("abort", abandon);
  }
  let ours: CarrierClose | undefined;
  const closed = connection.closed.then(
    ({ closeCode, reason }) => ours ?? { code: closeCode ?? 0, reason: reason ?? "" },
    (error) => ours ?? { code: -1, reason: String(error) },
  );
  const datagrams = (async () => {
    try {
      for (;;) receive(await connection.readDatagram(), 0, true);
    } catch {
      // The connection ended.
    }
  })();
  return makeStreamCarrier(connection as unknown as StreamSource, receive, {
    native: connection,
    closed,
    datagrams,
    sendDatagram: (bytes) => connection.sendDatagram(new Uint8Array(bytes)),
    async end(code, reason) {
      ours ??= { code, reason };
      connection.close({ closeCode: code, reason });
      await settled(closed);
      endpoint.close();
    },
  });
}

/** Dials WebTransport. Deno lets nobody abandon that: a dial that is given up goes on for up to 30 s. */
export async function dialWebTransport(target: DialTarget, receive: Receive): Promise<Carrier> {
  const path = target.webtransportPath ?? "/connection/webtransport";
  const url = `https://${target.hostname ?? "127.0.0.1"}:${target.quicPort!}${path}`;
  const session = new WebTransport(url, hashes(target));
  quiet(session.closed);
  await session.ready;
  let ours: CarrierClose | undefined;
  const closed = session.closed.then(
    (info) => ours ?? { code: info.closeCode ?? 0, reason: info.reason ?? "" },
    (error) => ours ?? { code: -1, reason: String(error) },
  );
  const reader = session.datagrams.readable.getReader();
  quiet(reader.closed);
  const datagrams = (async () => {
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        receive(next.value, 0, true);
      }
    } catch {
      // The connection ended.
    }
  })();
  const writer = session.datagrams.writable.getWriter();
  quiet(writer.closed);
  return makeStreamCarrier(session as unknown as StreamSource, receive, {
    native: session,
    closed,
    datagrams,
    sendDatagram: (bytes) => writer.write(new Uint8Array(bytes)),
    end(code, reason) {
      ours ??= { code, reason };
      session.close({ closeCode: code, reason });
    },
  });
}

/** Dials WebSocket. */
export async function dialWebSocket(
  target: DialTarget,
  receive: Receive,
  giveUp: AbortSignal,
): Promise<Carrier> {
  const path = target.websocketPath ?? "/connection/websocket";
  const socket = new WebSocket(`ws://${target.hostname ?? "127.0.0.1"}:${target.httpPort!}${path}`);
  socket.binaryType = "arraybuffer";
  const abandon = () => socket.close();
  giveUp.addEventListener("abort", abandon, { once: true });
  let fail: ((error: Error) => void) | undefined;
  let wasOpen = false;
  const closed = new Promise<CarrierClose>((resolve) => {
    socket.onclose = ({ code, reason }) => {
      resolve({ code, reason });
      fail?.(new Error(`the WebSocket closed with ${code} ${reason} before it was open`));
    };
  });
  let why = "";
  socket.onerror = (event) => why = (event as ErrorEvent).message ?? "";
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    if (typeof data === "string") return receive(data, 0, false);
    const { bodies, rest } = takeFrames(new Uint8Array(data));
    for (const body of bodies) receive(body, 0, false);
    if (rest.length > 0) throw new Error("a binary frame from the server does not end with a whole frame");
  };
  await new Promise<void>((resolve, reject) => {
    fail = (error) => reject(why === "" ? error : new Error(`${error.message}: ${why}`));
    socket.onopen = () => {
      wasOpen = true;
      resolve();
    };
  }).finally(() => giveUp.removeEventListener("abort", abandon));
  const none = () => Promise.reject(new Error("a WebSocket has neither streams nor datagrams"));
  const send = (data: string | Uint8Array<ArrayBuffer>): Promise<void> => {
    if (socket.readyState !== WebSocket.OPEN) return Promise.reject(new Error("the WebSocket is closed"));
    socket.send(data);
    return Promise.resolve();
  };
  return {
    native: socket,
    closed,
    openLane: () => Promise.resolve(),
    endLane: none,
    openRawStream: none,
    openRawUnidirectionalStream: none,
    sendDatagram: none,
    sendBody: (body) => send(body[0] === 0x7b ? new TextDecoder().decode(body) : frame(body)),
    writeRaw: (bytes) => send(new Uint8Array(bytes)),
    async close(code, reason) {
      if (wasOpen && socket.readyState === WebSocket.OPEN) {
        socket.close(code === 0 ? 1000 : code, reason);
      }
      await settled(closed);
    },
  };
}

function hashes(target: DialTarget): { serverCertificateHashes?: WebTransportHash[] } {
  const value = target.certificateHash;
  return value === undefined ? {} : { serverCertificateHashes: [{ algorithm: "sha-256", value }] };
}
