/**
 * The server's side of one HTTP/3 connection: ordinary requests, the CONNECT request of a WebTransport session, and
 * the end of connections that ask for nothing.
 *
 * @module
 */

import { delay } from "../../async/deadline.ts";
import { plainAddress } from "../address.ts";
import type { ReceiveHalf } from "../receive_stream.ts";
import type { AdmitResult, ConnectRequest } from "../server_types.ts";
import { Http3Connection } from "./connection.ts";
import { Http3Error, MessageError } from "./errors.ts";
import { exchange } from "./exchange.ts";
import { parseRequest, type RequestHead, responseLines } from "./message.ts";
import { MessageReader, MessageWriter } from "./message_stream.ts";
import { WebTransportSession } from "./session.ts";

/** What the connection needs of its listener. */
export interface Http3ServerOptions {
  /** Milliseconds for each stream's header, and for a request on an idle connection. */
  readonly headerTimeout: number;
  /** Streams of a session that may wait to be taken. */
  readonly maxStreams: number;
  readonly maxRequestBody: number;
  readonly admit: (request: ConnectRequest) => AdmitResult;
  readonly respond: (request: Request) => Response | Promise<Response>;
  /** Milliseconds that an ordinary request has to wait; `Infinity` refuses it. */
  readonly pace: (url: URL) => number;
  /** A session was admitted and answered. */
  readonly onSession: (session: WebTransportSession) => void;
  readonly onError: (error: unknown, stage: string) => void;
}

/** A first GOAWAY says only that no requests should follow: no stream has this id (RFC 9114 §5.2). */
const NO_REQUEST_YET = Number.MAX_SAFE_INTEGER - 3;
/** Milliseconds in which requests that crossed the first GOAWAY on their way are still answered. */
const GOAWAY_GRACE = 1_000;

/** An HTTP/3 connection at the server. */
export class Http3Server {
  readonly #http3: Http3Connection;
  readonly #options: Http3ServerOptions;
  readonly #aborted = new AbortController();
  #connecting = false;
  #requests = 0;
  #nextRequestId = 0;
  #stopIdleTimer: () => void = () => {};
  #state: "open" | "leaving" | "left" = "open";

  constructor(conn: Deno.QuicConn, options: Http3ServerOptions) {
    this.#options = options;
    this.#http3 = new Http3Connection(conn, {
      side: "server",
      headerTimeout: options.headerTimeout,
      takeStream: (receive, writable, arrived) => this.#takeRequest(receive, writable, arrived),
      onError: options.onError,
    });
  }

  /** Sends our SETTINGS; see `Http3Connection.greet`. */
  greet(): void {
    this.#http3.greet();
  }

  /** Serves until the connection has ended. Never rejects. */
  async run(): Promise<void> {
    this.#leaveWhenIdle();
    await this.#http3.run();
    this.#aborted.abort();
  }

  /** Ends the connection: a session by its capsule; without one by GOAWAY, when the requests are answered. */
  close(code: number, reason: string): void {
    const { session } = this.#http3.slot;
    if (session !== undefined) return void session.close(code, reason);
    this.#stopIdleTimer();
    this.#left();
  }

  /**
   * Asks the client to open another connection for its next requests: GOAWAY, time for requests that are on their
   * way, GOAWAY with the last one, and the end when all are answered. A session goes on.
   */
  leave(): void {
    if (this.#state !== "open" || this.#http3.over) return;
    this.#state = "leaving";
    this.#stopIdleTimer();
    this.#http3.goAway(NO_REQUEST_YET);
    this.#http3.deadlines.set(GOAWAY_GRACE, () => this.#left());
  }

  #left(): void {
    if (this.#state === "left" || this.#http3.over) return;
    this.#state = "left";
    this.#http3.goAway(this.#nextRequestId);
    this.#endIfDone();
  }

  /** Idle connections are of no use to anybody: Firefox opens some that never ask for anything. */
  #leaveWhenIdle(): void {
    this.#stopIdleTimer();
    if (this.#state !== "open") return this.#endIfDone();
    this.#stopIdleTimer = this.#http3.deadlines.set(this.#options.headerTimeout, () => {
      if (this.#requests === 0) this.leave();
    });
  }

  #endIfDone(): void {
    // Later by a moment, so that the GOAWAY and the last response arrive before the end.
    if (this.#state === "left" && this.#requests === 0) this.#http3.linger();
  }

  async #takeRequest(
    receive: ReceiveHalf,
    writable: Deno.QuicSendStream,
    arrived: () => void,
  ): Promise<void> {
    const reader = new MessageReader(receive);
    const writer = new MessageWriter(writable);
    if (this.#state === "left") {
      // The GOAWAY said that it is not processed, so the client may send it again elsewhere.
      reader.cancel();
      return writer.abort();
    }
    this.#nextRequestId = Math.max(this.#nextRequestId, Number(receive.id) + 4);
    this.#requests++;
    try {
      const lines = await reader.headers();
      arrived();
      if (lines === undefined) return writer.abort();
      const head = parseRequest(lines);
      if (head.method === "CONNECT") await this.#connect(head, Number(receive.id), reader, writer);
      else await this.#exchange(head, reader, writer);
    } catch (error) {
      reader.cancel();
      if (error instanceof MessageError) await refuse(writer, error.status);
      else writer.abort();
      if (error instanceof Http3Error) throw error;
      if (!this.#http3.over) this.#options.onError(error, "request");
    } finally {
      this.#requests--;
      if (!this.#http3.over) this.#leaveWhenIdle();
    }
  }

  async #exchange(head: RequestHead, reader: MessageReader, writer: MessageWriter): Promise<void> {
    const wait = this.#options.pace(head.url);
    if (wait === Infinity) {
      reader.cancel();
      return await refuse(writer, 429, [["retry-after", "1"]]);
    }
    // The stream's credit comes back only after the answer, so a peer that floods is slowed down to its rate.
    if (wait > 0) await delay(wait, { signal: this.#aborted.signal });
    await exchange(head, reader, writer, {
      respond: this.#options.respond,
      maxRequestBody: this.#options.maxRequestBody,
      bodyTimeout: this.#options.headerTimeout * 2,
      signal: this.#aborted.signal,
      violated: (error) => this.#http3.violated(error),
    });
  }

  /** Serves a CONNECT stream until the session has ended. */
  async #connect(
    head: RequestHead,
    sessionId: number,
    reader: MessageReader,
    writer: MessageWriter,
  ): Promise<void> {
    if (head.protocol !== "webtransport" && head.protocol !== "webtransport-h3") {
      throw new MessageError(501, `protocol ${head.protocol}`);
    }
    const { conn, slot } = this.#http3;
    // Our SETTINGS allow one session on a connection.
    if (slot.session !== undefined || this.#connecting) {
      throw new MessageError(429, "one session a connection");
    }
    const admitted = this.#options.admit({
      url: head.url,
      headers: head.headers,
      origin: head.headers.get("origin"),
      remoteAddress: plainAddress(conn.remoteAddr),
    });
    if (!admitted.accept) {
      reader.cancel();
      return await refuse(writer, admitted.status);
    }
    this.#connecting = true;
    const draft02: [string, string][] = head.headers.has("sec-webtransport-http3-draft02")
      ? [["sec-webtransport-http3-draft", "draft02"]]
      : [];
    await writer.headers(responseLines(200, draft02));
    const session = new WebTransportSession(this.#http3, {
      sessionId,
      url: head.url,
      headers: head.headers,
      maxStreams: this.#options.maxStreams,
    });
    slot.fill(session, writer);
    this.#options.onSession(session);
    await slot.serve(reader);
    if (!this.#http3.over) this.#http3.linger();
  }
}

async function refuse(
  writer: MessageWriter,
  status: number,
  headers: [string, string][] = [],
): Promise<void> {
  try {
    await writer.headers(responseLines(status, headers));
    await writer.end();
  } catch {
    // The peer does not want to know.
  }
}
