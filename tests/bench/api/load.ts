/**
 * A client of HTTP/1.1 that costs as little as it can: bytes made beforehand, and of an answer only its length is read.
 *
 * @module
 */

type Bytes = Uint8Array<ArrayBuffer>;

const decoder = new TextDecoder("latin1");
const encoder = new TextEncoder();

/** The bytes of a call. `body` is sent with its length. */
export function callBytes(method: string, body: string, key: string): Bytes {
  const bytes = encoder.encode(body);
  const head = `POST /api/${method} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: ${key}\r\n` +
    `content-type: application/json\r\ncontent-length: ${bytes.length}\r\n\r\n`;
  return encoder.encode(head + body);
}

/** A connection that is kept for the next call. */
export class KeptConnection {
  readonly #connection: Deno.TcpConn;
  readonly #buffer: Bytes = new Uint8Array(262_144);
  #have = 0;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  static async open(port: number): Promise<KeptConnection> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    connection.setNoDelay(true);
    return new KeptConnection(connection);
  }

  /** Sends a call and reads its answer, whose body is returned. Rejects when it is not 200. */
  async call(bytes: Bytes): Promise<Bytes> {
    await this.#write(bytes);
    for (;;) {
      const answer = this.#answer();
      if (answer !== undefined) return answer;
      const read = await this.#connection.read(this.#buffer.subarray(this.#have));
      if (read === null) throw new Error("the connection ended");
      this.#have += read;
    }
  }

  /**
   * Sends lines in pieces as one body of unknown length, and reads answers meanwhile. Resolves with the number of answers
   * that begin with `prefix`, once the answer is over.
   */
  async lines(method: string, pieces: readonly string[], key: string, prefix: string): Promise<number> {
    const head = `POST /api/${method} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: ${key}\r\n` +
      `content-type: application/x-ndjson\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n`;
    const chunk = (piece: string) => encoder.encode(`${piece.length.toString(16)}\r\n${piece}\r\n`);
    const all = pieces.map(chunk);
    const answered = this.#count(prefix);
    await this.#write(encoder.encode(head));
    for (const piece of all) await this.#write(piece);
    await this.#write(encoder.encode("0\r\n\r\n"));
    return await answered;
  }

  async #count(prefix: string): Promise<number> {
    let count = 0, rest = "";
    for (;;) {
      const read = await this.#connection.read(this.#buffer);
      if (read === null) return count;
      const text = rest + decoder.decode(this.#buffer.subarray(0, read));
      const end = text.length - prefix.length + 1;
      let at = 0;
      for (let next = text.indexOf(prefix); next !== -1; next = text.indexOf(prefix, at)) {
        count++;
        at = next + prefix.length;
      }
      rest = text.slice(Math.max(at, end, 0));
      if (text.endsWith("0\r\n\r\n")) return count;
    }
  }

  close(): void {
    this.#connection.close();
  }

  #answer(): Bytes | undefined {
    const text = decoder.decode(this.#buffer.subarray(0, Math.min(this.#have, 2048)));
    const end = text.indexOf("\r\n\r\n");
    if (end === -1) return undefined;
    const length = Number(/content-length: *(\d+)/i.exec(text)?.[1] ?? NaN);
    if (!text.startsWith("HTTP/1.1 200")) throw new Error(text.slice(0, 300));
    if (Number.isNaN(length)) throw new Error(`no length: ${text.slice(0, 300)}`);
    const total = end + 4 + length;
    if (this.#have < total) return undefined;
    const body = this.#buffer.slice(end + 4, total);
    this.#buffer.copyWithin(0, total, this.#have);
    this.#have -= total;
    return body;
  }

  async #write(bytes: Bytes): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
  }
}
