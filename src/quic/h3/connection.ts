/**
 * The server's side of one HTTP/3 connection: control streams, requests, and the WebTransport session it may carry.
 *
 * @module
 */

import { plainAddress } from "../address.ts";
import { endedBy } from "../connection.ts";
import { ReceiveHalf } from "../receive_stream.ts";
import type { AdmitResult, CloseInfo, ConnectRequest } from "../types.ts";
import { encodeClose } from "./capsule.ts";
import { H3, Http3Error, MessageError } from "./errors.ts";
import { exchange } from "./exchange.ts";
import { checkPeerStream, readControlStream } from "./control.ts";
import { FRAME, STREAM } from "./frames.ts";
import { parseRequest, type RequestHead, responseLines } from "./message.ts";
import { RequestReader, ResponseWriter } from "./request_stream.ts";
import { type SessionCarrier, WebTransportSession } from "./session.ts";
import { readSessionClose } from "./session_close.ts";
import { encodeSettings } from "./settings.ts";
import { StreamHead } from "./stream_head.ts";

/** What the connection needs of its listener. */
export interface Http3Options {
  /** Milliseconds for each stream's header, for the CONNECT request, and for the peer's answer to a close. */
  readonly headerTimeout: number;
  readonly maxStreams: number;
  readonly maxRequestBody: number;
  readonly admit: (request: ConnectRequest) => AdmitResult;
  readonly respond: (request: Request) => Response | Promise<Response>;
  /** A session was admitted and answered. */
  readonly onSession: (session: WebTransportSession) => void;
  readonly onError: (error: unknown, stage: string) => void;
}

/** Milliseconds a peer has to end the CONNECT stream after our close capsule. */
const CLOSE_GRACE = 1_000;
/** The same for clients without a single header field: Deno's, which never answers and sees the QUIC close only. */
const CLOSE_GRACE_SILENT = 50;

/** Milliseconds between the end of our CONNECT stream and that of the connection, which would swallow it. */
const LINGER = 100;

/** One HTTP/3 connection. */
export class Http3Connection implements SessionCarrier {
  readonly conn: Deno.QuicConn;
  readonly #options: Http3Options;
  readonly #aborted = new AbortController();
  readonly #critical = new Set<number>();
  // Streams that must not be collected while the connection lives.
  readonly #kept: unknown[] = [];
  #session: WebTransportSession | undefined;
  #sessionWriter: ResponseWriter | undefined;
  #sessionOver: (() => void) | undefined;
  #awaitingSession: ((session: WebTransportSession | undefined) => void)[] = [];
  #connecting = false;
  readonly #deadlines = new Set<ReturnType<typeof setTimeout>>();
  #requests = 0;
  #reaper: ReturnType<typeof setTimeout> | undefined;
  #over = false;
  #greeted = false;

  constructor(conn: Deno.QuicConn, options: Http3Options) {
    this.conn = conn;
    this.#options = options;
  }

  /** Says our settings. Before `run` they leave with the handshake, and a client that waits for them asks sooner. */
  greet(): void {
    if (this.#greeted) return;
    this.#greeted = true;
    void this.#openControl();
  }

  /** Serves until the connection has ended. Never rejects. */
  async run(): Promise<void> {
    const { conn } = this;
    this.#reapLater();
    this.greet();
    void this.#acceptUnidirectional();
    void this.#acceptBidirectional();
    let info: CloseInfo;
    try {
      const { closeCode, reason } = await conn.closed.finally(() => this.#stopTimers());
      // NO_ERROR is HTTP/3's good-bye; other codes are the application's, as Deno's client sends them.
      info = { code: closeCode === H3.NO_ERROR ? 0 : closeCode, reason, by: "remote" };
      // Firefox sends its close capsule and this in one go: what the capsule says comes first.
      if (closeCode === H3.NO_ERROR) await new Promise((resolve) => setTimeout(resolve, 5));
    } catch (error) {
      info = endedBy(error);
    }
    this.#session?.ended(info);
    this.#settleSession(undefined);
    this.#sessionOver?.();
    this.#aborted.abort();
  }

  #stopTimers(): void {
    this.#over = true;
    clearTimeout(this.#reaper);
    for (const timer of this.#deadlines) clearTimeout(timer);
  }

  /** Ends the connection: the session, when there is one, by its capsule. */
  close(code: number, reason: string): void {
    if (this.#session !== undefined) this.#session.close(code, reason);
    else this.#shut(H3.NO_ERROR, reason);
  }

  violated(error: Http3Error): void {
    if (this.#over) return;
    this.#options.onError(error, "http3");
    this.#session?.ended({ code: error.code, reason: error.message, by: "error" });
    this.#shut(error.code, error.message);
  }

  closeSession(code: number, reason: string): void {
    void this.#closeSession(code, reason);
  }

  async #closeSession(code: number, reason: string): Promise<void> {
    const session = this.#session!;
    const writer = this.#sessionWriter!;
    const answered = new Promise<boolean>((resolve) => {
      const timer = setTimeout(
        () => resolve(false),
        session.headers.size === 0 ? CLOSE_GRACE_SILENT : CLOSE_GRACE,
      );
      this.#sessionOver = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
    writer.data(encodeClose(code, reason)).then(() => writer.end()).catch(() => {});
    if (await answered && !this.#over) this.#deadline(() => this.#shut(H3.NO_ERROR, ""), LINGER);
    else this.#shut(code, reason);
  }

  #shut(code: number, reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.conn.close({ closeCode: code, reason });
  }

  /** A connection without session and without requests is of no use: Firefox opens such ones. */
  #reapLater(): void {
    clearTimeout(this.#reaper);
    this.#reaper = setTimeout(() => {
      if (this.#session === undefined && this.#requests === 0) this.#shut(H3.NO_ERROR, "no request");
    }, this.#options.headerTimeout);
  }

  async #openControl(): Promise<void> {
    try {
      const control = await this.conn.createUnidirectionalStream();
      const writer = control.getWriter();
      this.#kept.push(control, writer);
      const settings = encodeSettings();
      const bytes = new Uint8Array(1 + settings.length);
      bytes[0] = STREAM.CONTROL;
      bytes.set(settings, 1);
      await writer.write(bytes);
    } catch (error) {
      if (this.#over) return;
      this.#options.onError(error, "control");
      this.#shut(H3.GENERAL_PROTOCOL_ERROR, "no control stream possible");
    }
  }

  async #acceptUnidirectional(): Promise<void> {
    try {
      for await (const stream of this.conn.incomingUnidirectionalStreams) {
        void this.#takeUnidirectional(stream);
      }
    } catch {
      // The connection has ended.
    }
  }

  async #acceptBidirectional(): Promise<void> {
    try {
      for await (const stream of this.conn.incomingBidirectionalStreams) void this.#takeBidirectional(stream);
    } catch {
      // The connection has ended.
    }
  }

  /** Calls `late` after `ms`, unless what it returns is called before or the connection ends. */
  #deadline(late: () => void, ms: number = this.#options.headerTimeout): () => void {
    const timer = setTimeout(() => {
      this.#deadlines.delete(timer);
      late();
    }, ms);
    this.#deadlines.add(timer);
    return () => {
      this.#deadlines.delete(timer);
      clearTimeout(timer);
    };
  }

  #failed(error: unknown): void {
    if (error instanceof Http3Error) this.violated(error);
  }

  async #takeUnidirectional(readable: Deno.QuicReceiveStream): Promise<void> {
    const receive = new ReceiveHalf(readable);
    const arrived = this.#deadline(() => receive.cancel());
    try {
      const head = new StreamHead(receive);
      const type = await head.varint();
      if (type === STREAM.WEBTRANSPORT) {
        const session = await this.#sessionOf(await head.varint());
        arrived();
        if (session === undefined || receive.ended) return receive.cancel();
        head.release();
        return session.offerUnidirectional(receive);
      }
      arrived();
      if (type < 0) return;
      if (!checkPeerStream(type, this.#critical)) return receive.cancel();
      this.#kept.push(receive);
      head.release();
      await readControlStream(type, receive);
    } catch (error) {
      this.#failed(error);
    } finally {
      arrived();
    }
  }

  async #takeBidirectional({ readable, writable }: Deno.QuicBidirectionalStream): Promise<void> {
    const receive = new ReceiveHalf(readable);
    const arrived = this.#deadline(() => receive.cancel());
    let taken = false;
    try {
      const head = new StreamHead(receive);
      const type = await head.varint();
      if (type < 0) return;
      if (type === FRAME.WEBTRANSPORT_STREAM) {
        const session = await this.#sessionOf(await head.varint());
        if (session === undefined || receive.ended) return;
        taken = true;
        head.release();
        return session.offerBidirectional(writable, receive);
      }
      head.rewind();
      taken = true;
      await this.#takeRequest(receive, writable, arrived);
    } catch (error) {
      this.#failed(error);
    } finally {
      arrived();
      if (!taken) {
        receive.cancel();
        writable.abort().catch(() => {});
      }
    }
  }

  /** The session with this id, waited for while its CONNECT may still be on the way. */
  #sessionOf(id: number): Promise<WebTransportSession | undefined> | WebTransportSession | undefined {
    if (id < 0) return undefined;
    if (id % 4 !== 0) throw new Http3Error(H3.ID_ERROR, `no session can have the id ${id}`);
    const fits = (session: WebTransportSession | undefined): WebTransportSession | undefined =>
      session?.sessionId === id ? session : undefined;
    if (this.#session !== undefined || this.#over) return fits(this.#session);
    return new Promise((resolve) => {
      const arrived = this.#deadline(() => resolve(undefined));
      this.#awaitingSession.push((session) => {
        arrived();
        resolve(fits(session));
      });
    });
  }

  #settleSession(session: WebTransportSession | undefined): void {
    for (const resolve of this.#awaitingSession.splice(0)) resolve(session);
  }

  async #takeRequest(
    receive: ReceiveHalf,
    writable: Deno.QuicSendStream,
    arrived: () => void,
  ): Promise<void> {
    const reader = new RequestReader(receive);
    const writer = new ResponseWriter(writable);
    this.#requests++;
    try {
      const lines = await reader.headers();
      arrived();
      if (lines === undefined) return writer.abort();
      const head = parseRequest(lines);
      if (head.method === "CONNECT") {
        await this.#connect(head, Number(receive.id), reader, writer);
      } else {
        await exchange(head, reader, writer, {
          respond: this.#options.respond,
          maxRequestBody: this.#options.maxRequestBody,
          bodyTimeout: this.#options.headerTimeout * 2,
          signal: this.#aborted.signal,
          violated: (error) => this.violated(error),
        });
      }
    } catch (error) {
      reader.cancel();
      if (error instanceof MessageError) await this.#refuse(writer, error.status);
      else writer.abort();
      this.#failed(error);
      if (!(error instanceof Http3Error) && !this.#over) this.#options.onError(error, "request");
    } finally {
      this.#requests--;
      if (!this.#over) this.#reapLater();
    }
  }

  async #refuse(writer: ResponseWriter, status: number): Promise<void> {
    try {
      await writer.headers(responseLines(status, []));
      await writer.end();
    } catch {
      // The peer does not want to know.
    }
  }

  /** Serves a CONNECT stream until the session has ended. */
  async #connect(
    head: RequestHead,
    sessionId: number,
    reader: RequestReader,
    writer: ResponseWriter,
  ): Promise<void> {
    if (head.protocol !== "webtransport" && head.protocol !== "webtransport-h3") {
      throw new MessageError(501, `protocol ${head.protocol}`);
    }
    // One session a connection is what our SETTINGS allow.
    if (this.#session !== undefined || this.#connecting) {
      throw new MessageError(429, "one session a connection");
    }
    const admitted = this.#options.admit({
      url: head.url,
      headers: head.headers,
      origin: head.headers.get("origin"),
      remoteAddress: plainAddress(this.conn.remoteAddr),
    });
    if (!admitted.accept) {
      reader.cancel();
      return await this.#refuse(writer, admitted.status);
    }
    this.#connecting = true;
    const draft02: [string, string][] = head.headers.has("sec-webtransport-http3-draft02")
      ? [["sec-webtransport-http3-draft", "draft02"]]
      : [];
    await writer.headers(responseLines(200, draft02));
    const session = new WebTransportSession(this, {
      sessionId,
      url: head.url,
      headers: head.headers,
      maxStreams: this.#options.maxStreams,
    });
    this.#session = session;
    this.#sessionWriter = writer;
    this.#options.onSession(session);
    this.#settleSession(session);
    const close = await readSessionClose(reader);
    if (this.#sessionOver !== undefined) return this.#sessionOver();
    session.ended({ ...close, by: "remote" });
    writer.end().catch(() => {});
    if (!this.#over) this.#deadline(() => this.#shut(H3.NO_ERROR, ""), LINGER);
  }
}
