/**
 * The one WebTransport session an HTTP/3 connection may carry: the streams that wait for it, and how it is closed.
 *
 * @module
 */

import type { CloseInfo } from "../types.ts";
import { encodeClose } from "./capsule.ts";
import type { Deadlines } from "./deadlines.ts";
import { H3, Http3Error } from "./errors.ts";
import type { MessageReader, MessageWriter } from "./message_stream.ts";
import type { WebTransportSession } from "./session.ts";
import { readSessionClose } from "./session_close.ts";

/** Holds the session of a connection. */
export class SessionSlot {
  readonly #deadlines: Deadlines;
  readonly #timeout: number;
  #session: WebTransportSession | undefined;
  #writer: MessageWriter | undefined;
  #waiting: ((session: WebTransportSession | undefined) => void)[] = [];
  #closing: ((answered: boolean) => void) | undefined;
  #over = false;

  /** @param timeout Milliseconds that a stream waits for its session. */
  constructor(deadlines: Deadlines, timeout: number) {
    this.#deadlines = deadlines;
    this.#timeout = timeout;
  }

  /** The session, once there is one; it stays when it has ended. */
  get session(): WebTransportSession | undefined {
    return this.#session;
  }

  /**
   * The session with this id. Streams may overtake the CONNECT request or its answer, so this waits for a session up
   * to the timeout. Throws Http3Error when no session can have the id.
   */
  find(id: number): Promise<WebTransportSession | undefined> | WebTransportSession | undefined {
    if (id < 0) return undefined;
    if (id % 4 !== 0) throw new Http3Error(H3.ID_ERROR, `no session can have the id ${id}`);
    const fits = (session: WebTransportSession | undefined): WebTransportSession | undefined =>
      session?.sessionId === id ? session : undefined;
    if (this.#session !== undefined || this.#over) return fits(this.#session);
    return new Promise((resolve) => {
      const stop = this.#deadlines.set(this.#timeout, () => resolve(undefined));
      this.#waiting.push((session) => {
        stop();
        resolve(fits(session));
      });
    });
  }

  /** Puts the session in. @param writer Writes to its CONNECT stream. */
  fill(session: WebTransportSession, writer: MessageWriter): void {
    this.#session = session;
    this.#writer = writer;
    this.#settle(session);
  }

  #settle(session: WebTransportSession | undefined): void {
    for (const resolve of this.#waiting.splice(0)) resolve(session);
  }

  /** Reads the CONNECT stream until the peer ends the session, and ends our side of it too. Throws Http3Error. */
  async serve(reader: MessageReader): Promise<void> {
    const close = await readSessionClose(reader);
    if (this.#closing !== undefined) return this.#closing(true);
    this.#session?.ended({ ...close, by: "remote" });
    this.#writer?.end().catch(() => {});
  }

  /** Sends the close capsule. Resolves with whether the peer ended its side of the CONNECT stream within `grace` ms. */
  close(code: number, reason: string, grace: number): Promise<boolean> {
    const writer = this.#writer!;
    const answered = new Promise<boolean>((resolve) => {
      const stop = this.#deadlines.set(grace, () => resolve(false));
      this.#closing = (answer) => {
        stop();
        resolve(answer);
      };
    });
    writer.data(encodeClose(code, reason)).then(() => writer.end()).catch(() => {});
    return answered;
  }

  /** The connection has ended. */
  end(info: CloseInfo): void {
    this.#over = true;
    this.#session?.ended(info);
    this.#settle(undefined);
    this.#closing?.(false);
  }
}
