/**
 * A bare HTTP/3 client for tests, on Deno's QUIC: it can say whatever it likes.
 *
 * @module
 */

import { encodeFrame, FRAME, STREAM, TlvReader } from "../../src/quic/h3/frames.ts";
import { decodeSection, encodeSection, type FieldLine } from "../../src/quic/h3/qpack.ts";
import { encodeSettings } from "../../src/quic/h3/settings.ts";
import { encodeVarints } from "../../src/quic/h3/varint.ts";
import { join, testCertificate, within } from "./adapters.ts";

/** An answer to a request. */
export interface Answer {
  readonly status: number;
  readonly headers: Map<string, string>;
  readonly body: Uint8Array;
}

/** A stream of both directions, raw. */
export interface PeerStream {
  readonly writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly reader: ReadableStreamBYOBReader;
  readonly id: number;
}

/** The peer. */
export class Http3Peer {
  readonly conn: Deno.QuicConn;
  // What is not referenced is collected, and the other side sees an end.
  readonly #kept: unknown[] = [];

  private constructor(conn: Deno.QuicConn) {
    this.conn = conn;
    conn.closed.catch(() => {});
  }

  /** `hash`: of the server's certificate. @default that of the test certificate */
  static async connect(port: number, hash?: Uint8Array<ArrayBuffer>): Promise<Http3Peer> {
    hash ??= (await testCertificate()).hash;
    const options = { serverCertificateHashes: [{ algorithm: "sha-256", value: hash }] };
    return new Http3Peer(
      await Deno.connectQuic({ hostname: "127.0.0.1", port, alpnProtocols: ["h3"], ...options }),
    );
  }

  /** Opens the control stream as it should be. */
  async control(): Promise<WritableStreamDefaultWriter<Uint8Array>> {
    return await this.unidirectional(join([encodeVarints(STREAM.CONTROL), encodeSettings()]));
  }

  async unidirectional(bytes: Uint8Array): Promise<WritableStreamDefaultWriter<Uint8Array>> {
    const stream = await this.conn.createUnidirectionalStream();
    const writer = stream.getWriter();
    this.#kept.push(stream, writer);
    await writer.write(bytes);
    return writer;
  }

  async bidirectional(bytes: Uint8Array): Promise<PeerStream> {
    const stream = await this.conn.createBidirectionalStream();
    const id = Number(stream.writable.id);
    const writer = stream.writable.getWriter();
    const reader = stream.readable.getReader({ mode: "byob" });
    this.#kept.push(stream, writer, reader);
    await writer.write(bytes);
    return { writer, reader, id };
  }

  /** Sends a request and reads its answer to the end. */
  async request(lines: Iterable<FieldLine>, body: Uint8Array[] = []): Promise<Answer> {
    const stream = await this.bidirectional(encodeFrame(FRAME.HEADERS, encodeSection(lines)));
    const sending = (async () => {
      for (const part of body) await stream.writer.write(encodeFrame(FRAME.DATA, part));
      await stream.writer.close();
    })();
    sending.catch(() => {}); // The server may have answered without reading all of it.
    return await this.answer(stream);
  }

  /** Reads the answer on a stream to its end. */
  async answer({ reader }: PeerStream): Promise<Answer> {
    const frames = new TlvReader((type) =>
      type === FRAME.DATA || type === FRAME.HEADERS ? "collect" : "skip"
    );
    let headers: Map<string, string> | undefined;
    const body: Uint8Array[] = [];
    for (;;) {
      const { value, done } = await within(reader.read(new Uint8Array(65536)));
      if (done) break;
      for (const piece of frames.push(value)) {
        if (piece.type === FRAME.HEADERS) headers = new Map(decodeSection(piece.payload));
        else body.push(piece.payload);
      }
    }
    if (headers === undefined) throw new Error("no answer");
    return { status: Number(headers.get(":status")), headers, body: join(body) };
  }

  /** Asks for a WebTransport session and reads the answer's head; the stream stays open. */
  async session(
    port: number,
    more: FieldLine[] = [],
    path = "/wt",
  ): Promise<PeerStream & { status: number }> {
    const lines: FieldLine[] = [
      [":method", "CONNECT"],
      [":scheme", "https"],
      [":authority", `127.0.0.1:${port}`],
      [":path", path],
      [":protocol", "webtransport"],
      ...more,
    ];
    const stream = await this.bidirectional(encodeFrame(FRAME.HEADERS, encodeSection(lines)));
    const frames = new TlvReader(() => "collect");
    const { value } = await within(stream.reader.read(new Uint8Array(4096)));
    const [head] = [...frames.push(value!)];
    return { ...stream, status: Number(new Map(decodeSection(head!.payload)).get(":status")) };
  }

  /** Frames of the server's control stream as they come: types with payloads. Ends with the connection. */
  async *controlFrames(): AsyncGenerator<{ type: number; payload: Uint8Array }> {
    const { value: stream } = await within(this.conn.incomingUnidirectionalStreams.getReader().read());
    const frames = new TlvReader(() => "collect");
    let isFirst = true;
    try {
      for await (const bytes of stream!) {
        // The stream's type is one byte before the frames.
        yield* frames.push(isFirst ? bytes.subarray(1) : bytes);
        isFirst = false;
      }
    } catch {
      // The connection has ended.
    }
  }

  /** The code the server closed the connection with. */
  async closeCode(): Promise<number> {
    return (await within(this.conn.closed)).closeCode;
  }

  close(): void {
    this.conn.close({ closeCode: 0x100, reason: "" });
  }
}
