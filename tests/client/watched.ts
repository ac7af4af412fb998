/**
 * QUIC transports of the SDK whose streams and messages are written down.
 *
 * @module
 */

import { QuicTransport } from "../../src/client/mod.ts";
import { NativeQuicTransport } from "../../src/client/native.ts";
import type { Encoded, Message } from "../../src/protocol/mod.ts";
import type { BidirectionalStream, Connection } from "../../src/quic/mod.ts";
import type { TestService } from "../support/service.ts";

/** What was seen on a transport, oldest first. */
export interface Seen {
  /** Streams that were opened, by the priority asked for. */
  readonly opened: number[];
  /** Priorities of streams that both sides have ended. */
  readonly ended: number[];
  /** Types of messages with their lanes. */
  readonly sent: [string, number][];
  readonly received: [string, number][];
}

/** A transport to a service, and what is seen on it. */
export function watched(kind: "webtransport" | "quic", service: TestService): [QuicTransport, Seen] {
  const seen: Seen = { opened: [], ended: [], sent: [], received: [] };
  const certificateHashes = [service.certificateHash];
  const transport = kind === "quic"
    ? new WatchedQuic(seen, `quic://127.0.0.1:${service.quicPort}`, { certificateHashes })
    : new WatchedWebTransport(seen, service.webtransportUrl, { certificateHashes });
  let listener: QuicTransport["onMessage"] = () => {};
  Object.defineProperty(transport, "onMessage", {
    set: (wanted) => listener = wanted,
    get: () => (message: Message, lane: number, datagram: boolean) => {
      seen.received.push([message.type, lane]);
      listener(message, lane, datagram);
    },
  });
  return [transport as QuicTransport, seen];
}

class WatchedWebTransport extends QuicTransport {
  constructor(readonly seen: Seen, ...rest: ConstructorParameters<typeof QuicTransport>) {
    super(...rest);
  }

  protected override async dial(signal: AbortSignal | undefined): Promise<Connection> {
    return watch(await super.dial(signal), this.seen);
  }

  override send(message: Encoded, lane: number): void {
    this.seen.sent.push([message.message.type, lane]);
    super.send(message, lane);
  }
}

class WatchedQuic extends NativeQuicTransport {
  constructor(readonly seen: Seen, ...rest: ConstructorParameters<typeof NativeQuicTransport>) {
    super(...rest);
  }

  protected override async dial(signal: AbortSignal | undefined): Promise<Connection> {
    return watch(await super.dial(signal), this.seen);
  }

  override send(message: Encoded, lane: number): void {
    this.seen.sent.push([message.message.type, lane]);
    super.send(message, lane);
  }
}

function watch(connection: Connection, seen: Seen): Connection {
  const open = connection.openBidirectionalStream.bind(connection);
  connection.openBidirectionalStream = async (options = {}): Promise<BidirectionalStream> => {
    const priority = options.priority ?? 128;
    const stream = await open(options);
    seen.opened.push(priority);
    const read = stream.read.bind(stream), end = stream.end.bind(stream);
    const halves = { ours: false, theirs: false };
    const half = (which: keyof typeof halves): void => {
      if (halves[which]) return;
      halves[which] = true;
      if (halves.ours && halves.theirs) seen.ended.push(priority);
    };
    stream.read = async (buffer) => {
      const view = await read(buffer);
      if (view === null) half("theirs");
      return view;
    };
    stream.end = async () => {
      await end();
      half("ours");
    };
    return stream;
  };
  return connection;
}
