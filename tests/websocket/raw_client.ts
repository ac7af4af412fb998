/**
 * A WebSocket client on bare TCP that can say anything, right or wrong.
 *
 * @module
 */

import { Buffer } from "node:buffer";

const decoder = new TextDecoder();

/** A frame that came: its first byte and its payload. */
export interface Frame {
  readonly opcode: number;
  readonly fin: boolean;
  readonly rsv1: boolean;
  readonly payload: Uint8Array;
}

/** How a frame is to be made; what is left out is as it should be. */
export interface FrameOptions {
  readonly fin?: boolean;
  /** Added to the first byte. */
  readonly rsv?: number;
  readonly masked?: boolean;
  /** The length that the header says. */
  readonly length?: number;
  /** Bytes of the length field: 0, 2 or 8. */
  readonly lengthBytes?: 0 | 2 | 8;
}

/** A client's frame. */
export function frame(
  opcode: number,
  payload: Uint8Array | string = "",
  options: FrameOptions = {},
): Uint8Array {
  const data = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  const { fin = true, rsv = 0, masked = true, length = data.length } = options;
  const bytes = options.lengthBytes ?? (length < 126 ? 0 : length < 65536 ? 2 : 8);
  const head = new Uint8Array(2 + bytes + (masked ? 4 : 0));
  const view = new DataView(head.buffer);
  head[0] = (fin ? 0x80 : 0) | rsv | opcode;
  head[1] = (masked ? 0x80 : 0) | (bytes === 0 ? length : bytes === 2 ? 126 : 127);
  if (bytes === 2) view.setUint16(2, length);
  if (bytes === 8) view.setBigUint64(2, BigInt(length));
  const mask = [0x37, 0xfa, 0x21, 0x3d];
  if (masked) head.set(mask, 2 + bytes);
  // Not `slice`: that of a Buffer is the same memory.
  const body = new Uint8Array(data);
  if (masked) { for (let i = 0; i < body.length; i++) body[i] = body[i]! ^ mask[i & 3]!; }
  const whole = new Uint8Array(head.length + body.length);
  whole.set(head);
  whole.set(body, head.length);
  return whole;
}

/** A close frame's payload. */
export function closePayload(code: number, reason: Uint8Array | string = ""): Uint8Array {
  const text = typeof reason === "string" ? new TextEncoder().encode(reason) : reason;
  return new Uint8Array([code >> 8, code & 255, ...text]);
}

/** One TCP connection after its handshake. */
export class RawClient {
  readonly #conn: Deno.Conn;
  #bytes: Uint8Array = new Uint8Array(0);
  #ended = false;

  private constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  /** Connects and asks for a WebSocket; rejects when the answer is not 101. `headers`: further header lines. */
  static async open(port: number, path = "/", headers: readonly string[] = []): Promise<RawClient> {
    const client = new RawClient(await Deno.connect({ hostname: "127.0.0.1", port }));
    const head = await client.request([
      `GET ${path} HTTP/1.1`,
      "Host: localhost",
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      ...headers,
    ]);
    if (!head.startsWith("HTTP/1.1 101")) {
      client.close();
      throw new Error(head.split("\r\n")[0]);
    }
    return client;
  }

  /** The head of the response. */
  head = "";

  /** Sends a request's lines; the response's head. */
  async request(lines: readonly string[]): Promise<string> {
    await this.send(new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n"));
    for (;;) {
      const end = Buffer.from(this.#bytes).indexOf("\r\n\r\n");
      if (end >= 0) {
        this.head = decoder.decode(this.#bytes.subarray(0, end));
        this.#bytes = this.#bytes.slice(end + 4);
        return this.head;
      }
      if (!await this.#more()) throw new Error("ended before the head");
    }
  }

  /** Writes these bytes. */
  async send(...parts: readonly Uint8Array[]): Promise<void> {
    const bytes = Buffer.concat(parts);
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  /** The next frame; undefined when the server ended the stream. */
  async receive(): Promise<Frame | undefined> {
    for (;;) {
      const found = parse(this.#bytes);
      if (found !== undefined) {
        this.#bytes = this.#bytes.slice(found.end);
        return found.frame;
      }
      if (!await this.#more()) return undefined;
    }
  }

  /** Frames until the stream ends. */
  async rest(): Promise<Frame[]> {
    const frames: Frame[] = [];
    for (let next = await this.receive(); next !== undefined; next = await this.receive()) frames.push(next);
    return frames;
  }

  /** Ends the sending side. */
  async endWriting(): Promise<void> {
    await this.#conn.closeWrite();
  }

  /** Cuts the connection. */
  close(): void {
    try {
      this.#conn.close();
    } catch {
      // It is closed already.
    }
  }

  async #more(): Promise<boolean> {
    if (this.#ended) return false;
    const chunk = new Uint8Array(65536);
    const count = await this.#conn.read(chunk).catch(() => null);
    if (count === null) {
      this.#ended = true;
      return false;
    }
    this.#bytes = Buffer.concat([this.#bytes, chunk.subarray(0, count)]);
    return true;
  }
}

function parse(bytes: Uint8Array): { frame: Frame; end: number } | undefined {
  if (bytes.length < 2) return undefined;
  const short = bytes[1]! & 0x7f;
  const at = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < at) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = short === 126 ? view.getUint16(2) : short === 127 ? Number(view.getBigUint64(2)) : short;
  if (bytes.length < at + length) return undefined;
  const first = bytes[0]!;
  const frame = {
    opcode: first & 15,
    fin: (first & 0x80) !== 0,
    rsv1: (first & 0x40) !== 0,
    payload: bytes.slice(at, at + length),
  };
  return { frame, end: at + length };
}
