/**
 * What both sides of an HTTP/3 connection do: control streams, the sorting of streams, and the WebTransport session
 * the connection may carry. `server.ts` and `client.ts` add requests.
 *
 * @module
 */

import { delay } from "../../async/deadline.ts";
import { endedBy } from "../errors.ts";
import { ReceiveHalf } from "../receive_stream.ts";
import type { CloseInfo } from "../types.ts";
import { checkPeerStream, type ControlListener, readControlStream } from "./control.ts";
import { Deadlines } from "./deadlines.ts";
import { H3, Http3Error } from "./errors.ts";
import { encodeGoaway, FRAME, STREAM } from "./frames.ts";
import type { SessionCarrier } from "./session.ts";
import { SessionSlot } from "./session_slot.ts";
import { encodeSettings } from "./settings.ts";
import { StreamHead } from "./stream_head.ts";

/** What one side adds to the connection. */
export interface Http3Role extends ControlListener {
  readonly side: "client" | "server";
  /** Milliseconds for each stream's header. */
  readonly headerTimeout: number;
  /**
   * Takes a bidirectional stream that belongs to no session; its bytes are all unread. `arrived` stops the deadline
   * of its header. May reject with Http3Error, which ends the connection.
   */
  takeStream(receive: ReceiveHalf, writable: Deno.QuicSendStream, arrived: () => void): Promise<void>;
  /** Told of violations and failures. */
  onError(error: unknown, stage: string): void;
}

/**
 * Milliseconds a peer has to end the CONNECT stream after our close capsule; then the QUIC close tells it the code.
 * Browsers look at the capsule alone, so a server gives them long.
 */
const CLOSE_GRACE = { server: 1_000, client: 250 } as const;
/** The same for clients that send no header field: Deno's, which never ends it and only sees the QUIC close. */
const CLOSE_GRACE_SILENT = 50;
/** Milliseconds between the end of the CONNECT stream and the end of the connection: closing at once would lose it. */
const LINGER = 100;

/** One HTTP/3 connection. */
export class Http3Connection implements SessionCarrier {
  readonly conn: Deno.QuicConn;
  readonly deadlines: Deadlines = new Deadlines();
  readonly slot: SessionSlot;
  readonly #role: Http3Role;
  readonly #criticalSeen = new Set<number>();
  // Streams that must not be collected while the connection lives: the peer would see their end.
  readonly #kept: unknown[] = [];
  #control: Promise<WritableStreamDefaultWriter<Uint8Array>> | undefined;
  #over = false;

  constructor(conn: Deno.QuicConn, role: Http3Role) {
    this.conn = conn;
    this.#role = role;
    this.slot = new SessionSlot(this.deadlines, role.headerTimeout);
  }

  /** Whether the connection has ended or is about to. */
  get over(): boolean {
    return this.#over;
  }

  /** Sends our SETTINGS. Before `run` they leave with the handshake, and a client that waits for them can ask sooner. */
  greet(): void {
    if (this.#control !== undefined) return;
    this.#control = this.#openControl();
    this.#control.catch((error) => {
      if (this.#over) return;
      this.#role.onError(error, "control");
      this.shut(H3.GENERAL_PROTOCOL_ERROR, "no control stream possible");
    });
  }

  /** Takes streams until the connection has ended, and resolves with how it ended. Never rejects. */
  async run(): Promise<CloseInfo> {
    this.greet();
    void this.#acceptUnidirectional();
    void this.#acceptBidirectional();
    let info: CloseInfo;
    try {
      const { closeCode, reason } = await this.conn.closed.finally(() => {
        this.#over = true;
        this.deadlines.end();
      });
      // NO_ERROR is HTTP/3's good-bye; other codes are the application's: Deno's own client sends them.
      info = { code: closeCode === H3.NO_ERROR ? 0 : closeCode, reason, by: "remote" };
      // Firefox sends its close capsule and this together: let the capsule be read first.
      if (closeCode === H3.NO_ERROR && this.slot.session?.isClosed === false) {
        await delay(5);
      }
    } catch (error) {
      info = endedBy(error);
    }
    this.slot.end(info);
    return info;
  }

  violated(error: Http3Error): void {
    if (this.#over) return;
    this.#role.onError(error, "http3");
    this.slot.session?.ended({ code: error.h3Code, reason: error.message, by: "error" });
    this.shut(error.h3Code, error.message);
  }

  closeSession(code: number, reason: string): void {
    const { side } = this.#role;
    const silent = side === "server" && this.slot.session!.headers.size === 0;
    this.slot.close(code, reason, silent ? CLOSE_GRACE_SILENT : CLOSE_GRACE[side]).then((answered) => {
      if (answered) this.linger();
      else this.shut(code, reason);
    });
  }

  /** Ends the connection a moment later, when the end of the CONNECT stream has left. */
  linger(): void {
    this.deadlines.set(LINGER, () => this.shut(H3.NO_ERROR, ""));
  }

  /** Ends the connection at once. */
  shut(code: number, reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.conn.close({ closeCode: code, reason });
  }

  /** Tells the peer that requests from stream `id` on are not processed (RFC 9114 §5.2). */
  goAway(id: number): void {
    this.#control?.then((writer) => writer.write(encodeGoaway(id))).catch(() => {
      // The connection has ended.
    });
  }

  async #openControl(): Promise<WritableStreamDefaultWriter<Uint8Array>> {
    const control = await this.conn.createUnidirectionalStream();
    const writer = control.getWriter();
    this.#kept.push(control, writer);
    const settings = encodeSettings();
    const bytes = new Uint8Array(1 + settings.length);
    bytes[0] = STREAM.CONTROL;
    bytes.set(settings, 1);
    await writer.write(bytes);
    return writer;
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

  #failed(error: unknown): void {
    if (error instanceof Http3Error) this.violated(error);
  }

  async #takeUnidirectional(readable: Deno.QuicReceiveStream): Promise<void> {
    const receive = new ReceiveHalf(readable);
    const arrived = this.deadlines.set(this.#role.headerTimeout, () => receive.cancel());
    try {
      const head = new StreamHead(receive);
      const type = await head.varint();
      if (type === STREAM.WEBTRANSPORT) {
        const session = await this.slot.find(await head.varint());
        arrived();
        if (session === undefined || receive.ended) return receive.cancel();
        head.release();
        return session.offerUnidirectional(receive);
      }
      arrived();
      if (type < 0) return;
      if (!checkPeerStream(type, this.#criticalSeen)) return receive.cancel();
      this.#kept.push(receive);
      head.release();
      await readControlStream(type, receive, this.#role);
    } catch (error) {
      this.#failed(error);
    } finally {
      arrived();
    }
  }

  async #takeBidirectional({ readable, writable }: Deno.QuicBidirectionalStream): Promise<void> {
    const receive = new ReceiveHalf(readable);
    const arrived = this.deadlines.set(this.#role.headerTimeout, () => receive.cancel());
    let taken = false;
    try {
      const head = new StreamHead(receive);
      const type = await head.varint();
      if (type < 0) return;
      if (type === FRAME.WEBTRANSPORT_STREAM) {
        const session = await this.slot.find(await head.varint());
        if (session === undefined || receive.ended) return;
        taken = true;
        head.release();
        return session.offerBidirectional(writable, receive);
      }
      head.rewind();
      taken = true;
      await this.#role.takeStream(receive, writable, arrived);
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
}
