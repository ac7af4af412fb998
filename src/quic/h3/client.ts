/**
 * The client's side of an HTTP/3 connection: it asks for one WebTransport session and for nothing else.
 *
 * @module
 */

import { DialError } from "../errors.ts";
import { ReceiveHalf } from "../receive_stream.ts";
import { Http3Connection } from "./connection.ts";
import { H3, Http3Error } from "./errors.ts";
import { parseResponse } from "./message.ts";
import { MessageReader, MessageWriter } from "./message_stream.ts";
import type { FieldLine } from "./qpack.ts";
import { WebTransportSession } from "./session.ts";
import { takesWebTransport } from "./settings.ts";

/** What a session is asked for with. */
export interface Http3ClientOptions {
  /** `https:` with path and query. */
  readonly url: URL;
  /** The CONNECT request: `sessionRequestLines`. */
  readonly lines: readonly FieldLine[];
  /** Streams of the server that may wait to be taken. */
  readonly maxStreams: number;
  /** Milliseconds the QUIC handshake took. */
  readonly handshakeTime: number;
}

/** Milliseconds that a stream of the server has for its header. */
const HEADER_TIMEOUT = 5_000;

/**
 * Asks for a session on a fresh connection with ALPN "h3". Rejects with DialError `refused` when the server has no
 * WebTransport or refuses this session, and with what broke otherwise; the connection is closed then.
 */
export async function openSession(
  conn: Deno.QuicConn,
  options: Http3ClientOptions,
): Promise<WebTransportSession> {
  const settings = Promise.withResolvers<ReadonlyMap<number, number>>();
  let failure: unknown;
  const http3 = new Http3Connection(conn, {
    side: "client",
    headerTimeout: HEADER_TIMEOUT,
    takeStream: refuseStream,
    onSettings: settings.resolve,
    onError: (error) => failure ??= error,
  });
  void http3.run().then(({ code, reason }) => {
    settings.reject(failure ?? new DialError("dial_failed", `closed before the session: ${code} ${reason}`));
  });
  try {
    return await ask(http3, await settings.promise, options);
  } catch (error) {
    const cause = failure ?? error;
    http3.shut(H3.NO_ERROR, "");
    throw cause instanceof DialError
      ? cause
      : new DialError("dial_failed", "no WebTransport session", { cause });
  }
}

async function ask(
  http3: Http3Connection,
  settings: ReadonlyMap<number, number>,
  { url, lines, maxStreams, handshakeTime }: Http3ClientOptions,
): Promise<WebTransportSession> {
  if (!takesWebTransport(settings)) throw new DialError("refused", "the server has no WebTransport");
  const { readable, writable } = await http3.conn.createBidirectionalStream();
  const receive = new ReceiveHalf(readable);
  const reader = new MessageReader(receive);
  const writer = new MessageWriter(writable);
  await writer.headers(lines);
  let status: number;
  do {
    const answer = await reader.headers();
    if (answer === undefined) throw new DialError("refused", "no answer to the session's request");
    status = parseResponse(answer).status;
  } while (status < 200);
  if (status > 299) throw new DialError("refused", `the server answered with ${status}`, { status });
  const session = new WebTransportSession(http3, {
    sessionId: Number(receive.id),
    url,
    headers: new Map(),
    maxStreams,
    handshakeTime,
  });
  http3.slot.fill(session, writer);
  http3.slot.serve(reader).then(() => http3.linger(), (error) => {
    if (error instanceof Http3Error) http3.violated(error);
  });
  return session;
}

/** A server opens no request streams (RFC 9114 §6.1). */
function refuseStream(receive: ReceiveHalf, writable: Deno.QuicSendStream): Promise<void> {
  receive.cancel();
  writable.abort().catch(() => {});
  return Promise.reject(new Http3Error(H3.STREAM_CREATION_ERROR, "the server opened a request stream"));
}
