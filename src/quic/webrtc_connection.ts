/**
 * A connection between two browsers over WebRTC data channels: a channel for each stream, one without retransmission for
 * datagrams, and one that tells why the connection ends. Names nothing of Deno.
 *
 * @module
 */

import { BaseConnection } from "./connection.ts";
import { deferred } from "../async/deferred.ts";
import { StreamError } from "./errors.ts";
import { IncomingStreams } from "./incoming_streams.ts";
import { ReceiveHalf } from "./receive_stream.ts";
import type { ByteSink } from "./send_stream.ts";
import type { Address, BidirectionalStream, OpenStreamOptions, ReceiveStream } from "./types.ts";
import { type ChannelStreams, channelStreams } from "./webrtc_streams.ts";

/** What all messages of a data channel fit into (RFC 8831 §6.6 asks for 16 KiB). */
const MAX_DATAGRAM = 1_200;
/** Streams of the peer at once, as among QUIC peers. */
const MAX_STREAMS = 256;
/** Datagrams that wait for a reader; the oldest go. */
const MAX_DATAGRAMS = 512;
/** A datagram is lost rather than queued behind more bytes than this. */
const MAX_BUFFERED = 64 * 1024;
/** Milliseconds for the last message, which says why it ends, to leave. */
const LINGER = 100;
const LABEL = { both: "bidi", one: "uni" } as const;

/** The channels that both sides make with the same ids, before the handshake, and those that the peer opens. */
export interface FixedChannels {
  readonly control: RTCDataChannel;
  readonly datagrams: RTCDataChannel;
  readonly incoming: IncomingChannels;
}

/** Makes them. */
export function fixedChannels(transport: RTCPeerConnection): FixedChannels {
  const control = transport.createDataChannel("control", { negotiated: true, id: 0 });
  const lossy = { negotiated: true, id: 1, ordered: false, maxRetransmits: 0 };
  const datagrams = transport.createDataChannel("datagrams", lossy);
  datagrams.binaryType = "arraybuffer";
  return { control, datagrams, incoming: new IncomingChannels(transport) };
}

/**
 * Streams that the peer has opened and nobody has taken yet. They are collected from the beginning: a browser may tell of
 * one before it tells that `control` is open, and it tells of each once.
 */
class IncomingChannels {
  readonly bidi: StreamQueue = streamQueue();
  readonly uni: StreamQueue = streamQueue();
  #open = 0;

  constructor(transport: RTCPeerConnection) {
    transport.ondatachannel = ({ channel }) => {
      const { label } = channel;
      if ((label !== LABEL.both && label !== LABEL.one) || this.#open >= MAX_STREAMS) return channel.close();
      this.#open++;
      // Now, because its messages come from the next turn on, taken or not.
      this[label].add(channelStreams(channel, { sends: label === LABEL.both, receives: true }));
    };
  }

  /** A stream is over: the peer may open another. */
  readonly free = (): void => void this.#open--;

  end(): void {
    this.bidi.end();
    this.uni.end();
  }
}

/** Over an `RTCPeerConnection` whose control channel is open. To be made before the next event is handled. */
export class WebRtcConnection extends BaseConnection {
  readonly kind = "webrtc";
  incomingBidirectionalStreams: AsyncIterable<BidirectionalStream>;
  incomingUnidirectionalStreams: AsyncIterable<ReceiveStream>;
  readonly #transport: RTCPeerConnection;
  readonly #channels: FixedChannels;
  /** Resolves when the transport has ended. */
  readonly #gone = deferred<void>();
  #isGivenUp = false;
  #unread: Uint8Array[] = [];
  #wake: (() => void) | undefined;

  constructor(transport: RTCPeerConnection, channels: FixedChannels, handshakeTime?: number) {
    super({ handshakeTime });
    this.#transport = transport;
    this.#channels = channels;
    const { incoming } = channels;
    this.incomingBidirectionalStreams = new IncomingStreams(
      () => incoming.bidi.stream,
      ({ writable, readable }) =>
        this.acceptedBidirectional(writable as ByteSink, new ReceiveHalf(readable), incoming.free),
    );
    this.incomingUnidirectionalStreams = new IncomingStreams(
      () => incoming.uni.stream,
      ({ readable }) => this.acceptedUnidirectional(new ReceiveHalf(readable), incoming.free),
    );
    channels.control.onclose = () => this.#gone.resolve();
    // Without a path it lives on: ICE may be restarted. Whoever does that says when it is given up.
    transport.onconnectionstatechange = () => {
      if (transport.connectionState === "closed") this.#gone.resolve();
    };
    void this.#gone.promise.then(() => {
      this.finish({ code: 0, reason: "", by: this.#isGivenUp ? "timeout" : "error" });
      transport.close();
      incoming.end();
      this.#wake?.();
    });
    channels.control.onmessage = ({ data }) => this.#told(data);
    channels.datagrams.onmessage = ({ data }) => {
      if (!(data instanceof ArrayBuffer) || data.byteLength > MAX_DATAGRAM) return;
      this.#unread.push(new Uint8Array(data));
      if (this.#unread.length > MAX_DATAGRAMS) this.#unread.shift();
      this.#wake?.();
    };
    this.start(this.#gone.promise);
  }

  /** There is no path to the peer, and no other is looked for: it ends. */
  giveUp(): void {
    this.#isGivenUp = true;
    this.#gone.resolve();
  }

  get maxDatagramSize(): number {
    return this.isClosed ? 0 : MAX_DATAGRAM;
  }

  /** What browsers do not tell. */
  get localAddress(): Address | undefined {
    return undefined;
  }

  async readDatagram(): Promise<Uint8Array | undefined> {
    while (this.#unread.length === 0) {
      if (this.isClosed) throw new TypeError("no more datagrams");
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#unread.shift();
  }

  transmit(bytes: Uint8Array): Promise<void> {
    const { datagrams } = this.#channels;
    if (datagrams.readyState === "open" && datagrams.bufferedAmount < MAX_BUFFERED) {
      datagrams.send(bytes as Uint8Array<ArrayBuffer>);
    }
    return Promise.resolve();
  }

  protected path(): Address | undefined {
    return undefined;
  }

  protected shut(code: number, reason: string): void {
    const { control } = this.#channels;
    if (control.readyState === "open") control.send(JSON.stringify({ code, reason: reason.slice(0, 200) }));
    // `close` of the transport tells nothing on its own side.
    setTimeout(() => this.#gone.resolve(), LINGER);
  }

  protected async createBidirectional(
    options: OpenStreamOptions,
  ): Promise<{ send: ByteSink; receive: ReceiveHalf }> {
    const channel = await this.#open(LABEL.both, options);
    const { writable, readable } = channelStreams(channel, { sends: true, receives: true });
    return { send: writable as ByteSink, receive: new ReceiveHalf(readable) };
  }

  protected async createUnidirectional(options: OpenStreamOptions): Promise<{ send: ByteSink }> {
    const channel = await this.#open(LABEL.one, options);
    return { send: channelStreams(channel, { sends: true, receives: false }).writable as ByteSink };
  }

  /** `onmessage` of a channel is set before its next message is handled: messages wait for the turn after `onopen`. */
  async #open(label: string, { priority = 128 }: OpenStreamOptions): Promise<RTCDataChannel> {
    const channel = this.#transport.createDataChannel(
      label,
      { priority: priorityOf(priority) } as RTCDataChannelInit,
    );
    if (channel.readyState === "open") return channel;
    await new Promise<void>((resolve, reject) => {
      channel.onopen = () => resolve();
      channel.onclose = () => reject(new StreamError("stream_reset", "the peer takes no more streams"));
    });
    return channel;
  }

  /** The peer has said why it ends. */
  #told(data: unknown): void {
    try {
      const { code, reason } = JSON.parse(String(data)) as { code?: unknown; reason?: unknown };
      if (typeof code !== "number" || typeof reason !== "string") return;
      this.finish({ code, reason, by: "remote" });
      this.#gone.resolve();
    } catch { /* Not what a peer of ours says. */ }
  }
}

interface StreamQueue {
  readonly stream: ReadableStream<ChannelStreams>;
  add(streams: ChannelStreams): void;
  end(): void;
}

function streamQueue(): StreamQueue {
  let controller!: ReadableStreamDefaultController<ChannelStreams>;
  const stream = new ReadableStream<ChannelStreams>({ start: (made) => void (controller = made) });
  return { stream, add: (streams) => controller.enqueue(streams), end: () => controller.close() };
}

/** The four steps of RFC 8831 that browsers may know. */
function priorityOf(priority: number): RTCPriorityType {
  if (priority >= 192) return "high";
  if (priority >= 128) return "medium";
  return priority >= 64 ? "low" : "very-low";
}
