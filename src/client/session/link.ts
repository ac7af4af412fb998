/**
 * One connected transport and the protocol's first words on it: authentication, lanes, the end.
 *
 * @module
 */

import {
  classOfType,
  clientRow,
  CLOSE_CODES,
  Encoded,
  LaneAllocator,
  LANES,
  type Message,
  type Payload,
  shouldReconnect,
  uuidv7,
} from "../../protocol/core.ts";
import type { AuthRequest, AuthResponse } from "../../protocol/mod.ts";
import { readBytes } from "../documents/bytes.ts";
import { readPayload } from "./payloads.ts";
import { deadline } from "../../async/deadline.ts";
import { type Deferred, deferred } from "../../async/deferred.ts";
import type { Clock } from "../clock.ts";
import { SkeinError } from "../errors.ts";
import type { Path } from "../policy/paths.ts";
import type { ClientTransport, TransportEnd } from "../transport/contract.ts";

/** How a link ended. */
export interface LinkEnd extends TransportEnd {
  /** Whether to connect again. */
  readonly reconnect: boolean;
}

/** Close codes that say that the token is not good (any more). */
export const TOKEN_CODES: readonly number[] = [CLOSE_CODES.token_expired, CLOSE_CODES.invalid_token];
/** Messages kept between the answer to authentication and `start`. */
const MAX_EARLY = 10_000;

/** What a link tells once it is started. */
export interface LinkHandler {
  message(link: Link, message: Message, datagram: boolean): void;
  laneLost(link: Link, lane: number): void;
  /** Told once. */
  ended(link: Link, end: LinkEnd): void;
  failed(link: Link, error: unknown): void;
}

/** A connection of the session. */
export class Link {
  readonly transport: ClientTransport;
  readonly path: Path;
  /** When it was connected, in the clock's milliseconds. */
  readonly since: number;
  readonly #clock: Clock;
  readonly #lanes = new LaneAllocator();
  readonly #lostLanes = new Set<number>();
  readonly #early: { message: Message; datagram: boolean }[] = [];
  readonly #pongs = new Map<string, Deferred<void>>();
  #handler: LinkHandler | undefined;
  #announced: { code: number; reason: string; reconnect: boolean } | undefined;
  #end: LinkEnd | undefined;
  #auth: { id: string; settled: Deferred<AuthResponse> } | undefined;
  #response: AuthResponse | undefined;
  #isUnanswered = false;

  /** Takes over a transport that has just connected. */
  constructor(transport: ClientTransport, path: Path, clock: Clock) {
    this.transport = transport;
    this.path = path;
    this.#clock = clock;
    this.since = clock.now();
    transport.onMessage = (message, _lane, datagram) => this.#receive(message, datagram);
    transport.onClose = (end) => this.#closed(end);
    transport.onLaneLost = (lane) => {
      this.#lostLanes.add(lane);
      this.#handler?.laneLost(this, lane);
    };
    transport.onError = (error) => this.#handler?.failed(this, error);
  }

  /** What the server answered to authentication. */
  get response(): AuthResponse {
    if (this.#response === undefined) throw new Error("the link is not authenticated");
    return this.#response;
  }

  /** Whether it has asked for authentication and no answer came. */
  get isUnanswered(): boolean {
    return this.#isUnanswered;
  }

  /** How it ended; undefined while it lives. */
  get end(): LinkEnd | undefined {
    return this.#end;
  }

  /**
   * Says who we are. Rejects with SkeinError: the server's error, `closed` with the close code when it ended the
   * connection, `connection_lost`, or `timeout`. What follows the answer is kept until `start`.
   */
  async authenticate(request: AuthRequest, timeout: number): Promise<AuthResponse> {
    if (this.#end !== undefined) throw errorOf(this.#end);
    const id = uuidv7();
    const settled = deferred<AuthResponse>();
    this.#auth = { id, settled };
    this.#isUnanswered = true;
    this.send("auth_request", { ...request }, 0, id);
    const late = () => SkeinError.temporary("timeout", `no answer to auth_request within ${timeout} ms`);
    try {
      return this.#response = await deadline(settled.promise, timeout, late, { timers: this.#clock });
    } finally {
      this.#auth = undefined;
    }
  }

  /** Milliseconds of one round trip, measured before or after authentication. Rejects as `authenticate` does. */
  async ping(timeout: number): Promise<number> {
    if (this.#end !== undefined) throw errorOf(this.#end);
    const id = uuidv7();
    const start = this.#clock.now();
    const pong = deferred<void>();
    this.#pongs.set(id, pong);
    this.send("ping", {}, 0, id);
    try {
      const late = () => SkeinError.temporary("timeout", `no pong within ${timeout} ms`);
      await deadline(pong.promise, timeout, late, { timers: this.#clock });
      return this.#clock.now() - start;
    } finally {
      this.#pongs.delete(id);
    }
  }

  /** Hands on what comes, beginning with what came since the answer. */
  start(handler: LinkHandler): void {
    this.#handler = handler;
    for (const { message, datagram } of this.#early.splice(0)) handler.message(this, message, datagram);
    if (this.#end !== undefined) handler.ended(this, this.#end);
  }

  /** The lane of a message: a stream of its own where there are streams, else a class of priority. */
  laneOf(type: string, channel?: unknown): number {
    const name = typeof channel === "string" ? channel : undefined;
    const cls = classOfType(type, name);
    if (!this.transport.laneful) return LANES[cls][0];
    const lane = this.#lanes.laneOf(cls, cls === "file" ? directionOf(type) : name ?? type);
    return this.#lostLanes.has(lane) ? 0 : lane;
  }

  /** A channel is left: its lane may serve another. */
  releaseLane(type: string, channel: string): void {
    this.#lanes.release(classOfType(type, channel), channel);
  }

  /** Sends a message. */
  send(type: string, payload: Payload, lane: number, id: string = uuidv7()): void {
    this.sendEncoded(new Encoded({ type, id, timestamp: Date.now(), payload }), lane);
  }

  /** Sends a message that is made already. */
  sendEncoded(message: Encoded, lane: number): void {
    if (this.#end === undefined) this.transport.send(message, lane);
  }

  /** Ends it. Never rejects. */
  async close(code = 1000, reason = ""): Promise<void> {
    await this.transport.close(code, reason);
  }

  /** Ends a connection that is not used any more: nobody is told. */
  discard(): Promise<void> {
    this.#handler = undefined;
    this.#early.length = 0;
    // A probe that is called off waits no more.
    this.#dropPings(SkeinError.closed());
    return this.close();
  }

  /** Counts it as dead, without waiting for the transport to notice. */
  abandon(reason: string): void {
    if (this.#end !== undefined) return;
    this.#finish({ code: 0, reason, by: "timeout" });
    void this.transport.close(3012, "no pong");
  }

  #receive(message: Message, datagram: boolean): void {
    readBytes(message.payload);
    if (message.type === "close") {
      try {
        this.#announced = readPayload("close", message.payload);
      } catch {
        // The transport's own code will say.
      }
      return;
    }
    const { re } = message;
    const auth = this.#auth;
    if (auth !== undefined && re === auth.id) return this.#answered(auth.settled, message);
    if (message.type === "pong" && re !== undefined && this.#pongs.has(re)) {
      return this.#pongs.get(re)!.resolve();
    }
    if (this.#handler !== undefined) this.#handler.message(this, message, datagram);
    else if (this.#early.length < MAX_EARLY) this.#early.push({ message, datagram });
    else void this.close(3501, "too much before the answer");
  }

  #answered({ resolve, reject }: Deferred<AuthResponse>, message: Message): void {
    this.#isUnanswered = false;
    try {
      if (message.type === "error") reject(SkeinError.from(readPayload("error", message.payload)));
      else resolve(readPayload("auth_response", message.payload));
    } catch (cause) {
      reject(new SkeinError("bad_payload", "the server's answer cannot be read", { cause }));
    }
  }

  #closed(end: TransportEnd): void {
    const said = this.#announced;
    // What the server announced is its word; the transport may have lost the code.
    const { code, reason } = said !== undefined && end.by !== "local" ? said : end;
    this.#finish({ code, reason, by: end.by });
  }

  #dropPings(error: SkeinError): void {
    for (const { reject } of this.#pongs.values()) reject(error);
  }

  #finish(end: TransportEnd): void {
    if (this.#end !== undefined) return;
    this.#end = { ...end, reconnect: this.#announced?.reconnect ?? shouldReconnect(end.code) };
    const error = errorOf(this.#end);
    this.#auth?.settled.reject(error);
    this.#dropPings(error);
    this.#handler?.ended(this, this.#end);
  }
}

/** What a link's end means for whoever waits on it. */
export function errorOf({ code, reason, reconnect }: LinkEnd): SkeinError {
  if (TOKEN_CODES.includes(code)) {
    return new SkeinError("unauthorized", `token not taken: ${code} ${reason}`, { code });
  }
  if (code < 3000) {
    return new SkeinError("connection_lost", reason === "" ? "the connection ended" : reason, {
      code,
      temporary: true,
    });
  }
  return new SkeinError("closed", `the server closed the connection: ${code} ${reason}`, {
    code,
    temporary: reconnect,
  });
}

// Everything about uploads is on one lane: that one is complete must not overtake its last chunk.
function directionOf(type: string): string {
  return clientRow(type)?.download === true ? "down" : "up";
}
