/**
 * Lines of text between two peers: each side writes them on one stream of its own.
 *
 * @module
 */

import type { Connection, SendStream } from "../../../quic/mod.ts";

/** Lines that wait for a connection. */
const MAX_WAITING = 1_000;
/** Characters of one line; longer ones come in parts. */
const MAX_LINE = 16_384;

/** Says lines to a peer. Those said without a connection wait for the next one; those on their way may be lost with it. */
export class Speaker {
  readonly #waiting: string[] = [];
  #stream: Promise<SendStream> | undefined;
  #writing = false;

  /** The connection to speak on from now on. */
  use(quic: Connection): void {
    const stream = quic.openUnidirectionalStream({ wait: true });
    this.#stream = stream;
    const gone = (): void => {
      if (this.#stream === stream) this.#stream = undefined;
    };
    stream.catch(gone);
    quic.closed.then(gone);
    void this.#write();
  }

  /** False: too much waits. */
  say(line: string): boolean {
    if (this.#waiting.length >= MAX_WAITING) return false;
    this.#waiting.push(line);
    void this.#write();
    return true;
  }

  async #write(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    while (this.#waiting.length > 0 && this.#stream !== undefined) {
      const stream = this.#stream;
      try {
        const open = await stream;
        await open.write(new TextEncoder().encode(`${this.#waiting[0]}\n`));
        this.#waiting.shift();
      } catch {
        // The line waits for the next connection.
        if (this.#stream === stream) this.#stream = undefined;
      }
    }
    this.#writing = false;
  }
}

/** Calls `heard` with each line of the peer, until the connection ends. Streams in both directions are refused. */
export async function hear(quic: Connection, heard: (line: string) => void): Promise<void> {
  void refuse(quic);
  try {
    for await (const stream of quic.incomingUnidirectionalStreams) {
      let rest = "";
      const decoder = new TextDecoder();
      for await (const bytes of stream.readable) {
        const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
        rest = lines.pop()!;
        for (const line of lines) heard(line);
        for (; rest.length > MAX_LINE; rest = rest.slice(MAX_LINE)) heard(rest.slice(0, MAX_LINE));
      }
      if (rest !== "") heard(rest);
    }
  } catch { /* The connection broke: its events tell of it. */ }
}

async function refuse(quic: Connection): Promise<void> {
  try {
    for await (const stream of quic.incomingBidirectionalStreams) {
      stream.cancel();
      stream.abort();
    }
  } catch { /* The connection broke. */ }
}
