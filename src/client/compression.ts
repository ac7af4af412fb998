/**
 * Compression of large messages, as a part of its own: `new SkeinClient({ ..., compression: compressed })`. The platform's
 * `CompressionStream` does the work, so a runtime without it goes on without compression.
 *
 * @module
 */

import { decodeFrame, encodeBare, Encoded, type JsonEncoded, type Message } from "../protocol/core.ts";
import { bytesOf } from "./documents/bytes.ts";
import type { ClientTransport, ClientTransportKind, TransportEnd } from "./transport/contract.ts";

/** At most the bytes of a `deflated` message beside the compressed ones. */
const ENVELOPE = 192;
/** Bytes by which a delivery may be larger than the largest message that a client may send. */
const GROWTH = 1024;

/** A transport whose large messages are compressed, if the server agrees. */
export function compressed(transport: ClientTransport): ClientTransport {
  return isSupported() ? new CompressedTransport(transport) : transport;
}

function isSupported(): boolean {
  try {
    return new CompressionStream("deflate-raw") !== undefined;
  } catch {
    return false;
  }
}

/** Passes everything on, and keeps the order of what it has to wait for. */
class CompressedTransport implements ClientTransport {
  onMessage: ClientTransport["onMessage"] = () => {};
  onClose: (end: TransportEnd) => void = () => {};
  onLaneLost: (lane: number) => void = () => {};
  onError: (error: unknown) => void = () => {};
  readonly #inner: ClientTransport;
  /** Bytes from which on a message is compressed; Infinity: the server has not agreed. */
  #from = Infinity;
  /** Largest message that a compressed one may become. */
  #most = 0;
  /** What is still compressed and sent, by lane, and what is still read. */
  readonly #sending = new Map<number, Promise<void>>();
  #reading: Promise<void> | undefined;

  constructor(inner: ClientTransport) {
    this.#inner = inner;
    inner.onMessage = (message, lane, datagram) => this.#receive(message, lane, datagram);
    inner.onClose = (end) => this.#afterRead(() => this.onClose(end));
    inner.onLaneLost = (lane) => this.onLaneLost(lane);
    inner.onError = (error) => this.onError(error);
  }

  get kind(): ClientTransportKind {
    return this.#inner.kind;
  }

  get laneful(): boolean {
    return this.#inner.laneful;
  }

  get maxDatagramSize(): number {
    return this.#inner.maxDatagramSize;
  }

  get traffic(): ClientTransport["traffic"] {
    return this.#inner.traffic;
  }

  connect(signal?: AbortSignal): Promise<void> {
    return this.#inner.connect(signal);
  }

  send(message: JsonEncoded, lane: number): void {
    const { type } = message.message;
    if (type === "auth_request") {
      const payload = { ...message.message.payload, deflate: true };
      return this.#inner.send(new Encoded({ ...message.message, payload }), lane);
    }
    const isLarge = !message.binary && message.text().length >= this.#from;
    const before = this.#sending.get(lane);
    if (!isLarge && before === undefined) return this.#inner.send(message, lane);
    const sending = (async () => {
      const [packed] = await Promise.all([isLarge ? deflated(message) : message, before]);
      this.#inner.send(packed, lane);
    })().catch((error) => this.onError(error)).finally(() => {
      if (this.#sending.get(lane) === sending) this.#sending.delete(lane);
    });
    this.#sending.set(lane, sending);
  }

  sendDatagram(message: JsonEncoded): boolean {
    return this.#inner.sendDatagram(message);
  }

  stopDatagrams(): void {
    this.#inner.stopDatagrams();
  }

  openLane(lane: number): void {
    this.#inner.openLane(lane);
  }

  closeLane(lane: number): void {
    const before = this.#sending.get(lane);
    if (before === undefined) this.#inner.closeLane?.(lane);
    else void before.then(() => this.#inner.closeLane?.(lane));
  }

  async close(code?: number, reason?: string): Promise<void> {
    await Promise.all(this.#sending.values());
    await this.#inner.close(code, reason);
  }

  #receive(message: Message, lane: number, datagram: boolean): void {
    const { type, payload } = message;
    if (type === "auth_response" && this.#from === Infinity) {
      const { deflate, limits } = payload as { deflate?: unknown; limits?: { maxMessage?: unknown } };
      if (typeof deflate === "number" && typeof limits?.maxMessage === "number") {
        this.#from = deflate;
        this.#most = limits.maxMessage + GROWTH;
      }
    }
    if (type !== "deflated") return this.#afterRead(() => this.onMessage(message, lane, datagram));
    const inner = inflated(message, this.#most);
    inner.catch(() => {});
    this.#afterRead(async () => this.onMessage(await inner, lane, datagram));
  }

  /** Does something after all that came before was handed on: at once, when nothing is waited for. */
  #afterRead(then: () => void | Promise<void>): void {
    const before = this.#reading;
    if (before === undefined) {
      const done = then();
      if (done === undefined) return;
      return this.#wait(done);
    }
    this.#wait(before.then(then));
  }

  #wait(done: Promise<void>): void {
    const reading = this.#reading = done.catch((error) => this.onError(error)).finally(() => {
      if (this.#reading === reading) this.#reading = undefined;
    });
  }
}

/** The message, compressed when that makes it smaller. */
async function deflated(message: JsonEncoded): Promise<JsonEncoded> {
  const text = encodeBare(message.message);
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const data = new Uint8Array(await new Response(stream).arrayBuffer());
  if (data.length + ENVELOPE >= text.length) return message;
  const { id, timestamp } = message.message;
  return new Encoded({ type: "deflated", id, timestamp, payload: { data, size: text.length } });
}

/** The message in a compressed one of at most `most` bytes. Rejects for what is none, or larger than it says. */
async function inflated({ payload }: Message, most: number): Promise<Message> {
  const data = bytesOf(payload.data), { size } = payload;
  if (data === undefined || !Number.isSafeInteger(size) || (size as number) < 1) {
    throw new Error("a deflated message that is none");
  }
  if ((size as number) > most) throw new Error(`a deflated message of more than ${most} bytes`);
  const bytes = new Uint8Array(size as number);
  const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const reader = (stream as ReadableStream<Uint8Array>).getReader();
  let had = 0;
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (had + part.value.length > bytes.length) {
        throw new Error("a deflated message that is larger than it says");
      }
      bytes.set(part.value, had);
      had += part.value.length;
    }
  } finally {
    // What is left of one that is too large is not decompressed.
    reader.cancel().catch(() => {});
  }
  if (had < bytes.length) throw new Error("a deflated message that is smaller than it says");
  return decodeFrame(bytes).message;
}
