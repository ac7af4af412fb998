/**
 * A client for tests of lanes.
 *
 * @module
 */

import { type BidirectionalStream, connect, type Connection } from "../../src/quic/mod.ts";
import type { TestService } from "./service.ts";
import { concat, decode, encode, frame, takeFrames, varint, type WireMessage } from "./wire.ts";

/** A message, and the lane it came on. */
export type LaneMessage = WireMessage & { lane: number };

/** A client of the library, which can stop reading a lane: Deno's own WebTransport client cannot. */
export class LaneClient {
  /** Everything that came, oldest first. */
  readonly messages: LaneMessage[] = [];
  readonly #connection: Connection;
  readonly #lanes = new Map<number, BidirectionalStream>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Connects as a user. */
  static async dial(service: TestService, kind: "quic" | "webtransport", user: string): Promise<LaneClient> {
    const to = kind === "webtransport"
      ? service.webtransportUrl
      : { hostname: "127.0.0.1", port: service.quicPort };
    const client = new LaneClient(await connect(to, { serverCertificateHashes: [service.certificateHash] }));
    await client.ask(0, "auth_request", { token: await service.token(user) });
    return client;
  }

  /** Sends on a lane, which is opened when it is not open. */
  async send(lane: number, type: string, payload: Record<string, unknown>): Promise<string> {
    const id = crypto.randomUUID();
    await this.write(lane, frame(encode({ type, id, timestamp: 0, payload }, "json")));
    return id;
  }

  /** Writes bytes as they are on a lane, which is opened when it is not open. */
  async write(lane: number, bytes: Uint8Array): Promise<void> {
    let stream = this.#lanes.get(lane);
    const isNew = stream === undefined;
    if (stream === undefined) {
      stream = await this.#connection.openBidirectionalStream();
      this.#lanes.set(lane, stream);
      void this.#read(lane, stream);
    }
    await stream.write(isNew ? concat(varint(lane), bytes) : bytes);
  }

  /** Sends and waits for the answer, which may be an `error`. */
  async ask(lane: number, type: string, payload: Record<string, unknown>): Promise<LaneMessage> {
    const id = await this.send(lane, type, payload);
    return await this.next(({ re }) => re === id, `the answer to ${type}`);
  }

  /** The first message that fits, whether it has come or comes within 15 s. */
  async next(fits: (message: LaneMessage) => boolean, what: string): Promise<LaneMessage> {
    const deadline = performance.now() + 15_000;
    for (;;) {
      const found = this.messages.find(fits);
      if (found !== undefined) return found;
      if (performance.now() > deadline) throw new Error(`not within 15 s: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  /** Ends a lane in order. */
  async end(lane: number): Promise<void> {
    await this.#lanes.get(lane)!.end();
  }

  /** Stops reading a lane. */
  stop(lane: number): void {
    this.#lanes.get(lane)!.cancel();
  }

  /** Ends the connection. */
  close(): void {
    this.#connection.close(0, "");
  }

  async #read(lane: number, stream: BidirectionalStream): Promise<void> {
    let rest: Uint8Array = new Uint8Array();
    try {
      for (;;) {
        const got = await stream.read(new Uint8Array(65_536));
        if (got === null) return;
        const { bodies, rest: left } = takeFrames(concat(rest, got));
        rest = left;
        for (const body of bodies) this.messages.push({ ...decode(body), lane });
      }
    } catch {
      // The lane or the connection has ended.
    }
  }
}
