/**
 * A small client for tests that shares no code with the SDK. It is the same over QUIC, WebTransport and WebSocket, has a
 * deadline for every wait, and can misbehave on each transport.
 *
 * @module
 */

import {
  type Carrier,
  type CarrierKind,
  dialQuic,
  type DialTarget,
  dialWebSocket,
  dialWebTransport,
  type RawStream,
  type Receive,
} from "./carriers.ts";
import { parseServerPayload, type ServerType } from "../../src/protocol/mod.ts";
import { decode, encode, type WireForm, type WireMessage } from "./wire.ts";

export type { CarrierKind, DialTarget, RawStream } from "./carriers.ts";
export type { WireForm, WireMessage } from "./wire.ts";

/** A message that arrived, and how. */
export interface Received extends WireMessage {
  /** The lane's stream it came on; 0 for WebSocket and datagrams. */
  readonly lane: number;
  readonly datagram: boolean;
}

/** How a connection ended. */
export interface Closed {
  /** The code of the `close` message when there was one, else the transport's; -1 when nobody said good-bye. */
  readonly code: number;
  readonly reason: string;
  /** What the transport itself delivered. */
  readonly transport: { readonly code: number; readonly reason: string };
  /** The payload of the `close` message, if one came. */
  readonly announced:
    | { readonly code: number; readonly reason: string; readonly reconnect: boolean }
    | undefined;
}

/** Options of `dial`. */
export interface DialOptions extends DialTarget {
  readonly kind: CarrierKind;
  /** @default "json" */
  readonly form?: WireForm;
  /** Opens lane 0. @default true */
  readonly control?: boolean;
  /** Milliseconds of every wait that is not given one. @default 15000 */
  readonly timeout?: number;
  /** What the server says is held to the protocol. @default false */
  readonly strict?: boolean;
}

/** Options of one message. */
export interface SendOptions {
  /** @default 0 */
  readonly lane?: number;
  /** @default a random UUID */
  readonly id?: string;
  /** The id of the message that it is about. @default none */
  readonly re?: string;
}

/** Which message is waited for: its type, or a question asked of each. */
export type Wanted = string | ((message: Received) => boolean);

/** All kinds of carriers, to run one test over each. */
export const KINDS: readonly CarrierKind[] = ["quic", "webtransport", "websocket"];

/** Milliseconds of a wait. */
const LONGEST = 15_000;
const DIALS = { quic: dialQuic, webtransport: dialWebTransport, websocket: dialWebSocket } as const;

/** Dials and opens lane 0. Rejects when that takes longer than `timeout`. */
export async function dial(options: DialOptions): Promise<TestClient> {
  const timeout = options.timeout ?? LONGEST;
  let receive: Receive = () => {};
  const giveUp = new AbortController();
  const dialling = DIALS[options.kind](options, (...arrival) => receive(...arrival), giveUp.signal);
  const carrier = await within(dialling, timeout, () => `dialling ${options.kind}`).catch((error) => {
    giveUp.abort();
    // A connection that comes after the deadline is closed.
    dialling.then((late) => late.close(0, ""), () => {});
    throw error;
  });
  const client = new TestClient(carrier, options);
  receive = client.receive;
  if (options.control ?? true) await client.openLane(0);
  return client;
}

/** One connection to a Skein server. Made by `dial`. */
export class TestClient {
  readonly kind: CarrierKind;
  /** Everything that arrived, oldest first. */
  readonly messages: Received[] = [];
  /** Bodies that were no message. */
  readonly garbage: (Uint8Array | string)[] = [];
  /** How it ended; never rejects. */
  readonly closed: Promise<Closed>;
  readonly #carrier: Carrier;
  readonly #form: WireForm;
  readonly #timeout: number;
  readonly #isStrict: boolean;
  #unread: Received[] = [];
  #waiting = new Set<{ test: (message: Received) => boolean; resolve: (message: Received) => void }>();
  #ended: Closed | undefined;
  /** Told when the next message is waited for, and at the end: no test has to look for it. */
  #wrong: Error | undefined;

  constructor(carrier: Carrier, { kind, form = "json", timeout = LONGEST, strict = false }: DialOptions) {
    this.kind = kind;
    this.#carrier = carrier;
    this.#form = form;
    this.#timeout = timeout;
    this.#isStrict = strict;
    this.closed = carrier.closed.then((transport) => {
      const announced = this.messages.findLast(({ type }) => type === "close")
        ?.payload as Closed["announced"];
      const { code, reason } = announced ?? transport;
      return this.#ended = { code, reason, transport, announced };
    });
  }

  /** The runtime's own object, for what nothing else here reaches. */
  get native(): Carrier["native"] {
    return this.#carrier.native;
  }

  /** Takes what the carrier delivers. */
  readonly receive: Receive = (body, lane, datagram) => {
    let message: Received;
    try {
      message = { ...decode(body), lane, datagram };
    } catch {
      this.garbage.push(body);
      return;
    }
    this.messages.push(message);
    if (this.#isStrict) this.#wrong ??= whyWrong(message);
    for (const waiter of this.#waiting) {
      if (!waiter.test(message)) continue;
      this.#waiting.delete(waiter);
      waiter.resolve(message);
      return;
    }
    this.#unread.push(message);
  };

  /** Sends a message; resolves with its id when the transport took it. */
  async send(type: string, payload: Record<string, unknown>, options: SendOptions = {}): Promise<string> {
    const message = this.#make(type, payload, options.id, options.re);
    const sending = this.#carrier.sendBody(encode(message, this.#form), options.lane ?? 0);
    await within(sending, this.#timeout, () => `sending ${type}${this.#arrived()}`);
    return message.id;
  }

  /** Sends a message and waits for the answer to it, which may be an `error`. */
  async request(
    type: string,
    payload: Record<string, unknown>,
    options: SendOptions & { timeout?: number } = {},
  ): Promise<Received> {
    const id = options.id ?? crypto.randomUUID();
    const answer = this.next((message) => message.re === id, options.timeout, `the answer to ${type}`);
    // When sending fails, nobody awaits the answer any more.
    answer.catch(() => {});
    await this.send(type, payload, { ...options, id });
    return await answer;
  }

  /** `request`, and an `error` in answer is thrown. */
  async ask(type: string, payload: Record<string, unknown>, options: SendOptions = {}): Promise<Received> {
    const answer = await this.request(type, payload, options);
    if (answer.type === "error") {
      throw new Error(`${type} was answered with error ${answer.payload.code}: ${answer.payload.message}`);
    }
    return answer;
  }

  /**
   * The next message that fits. Each message is returned once. Rejects after `timeoutMs` or at the end of the connection,
   * with a list of the messages that arrived.
   */
  async next(wanted: Wanted, timeoutMs: number = this.#timeout, what?: string): Promise<Received> {
    if (this.#wrong !== undefined) throw this.#wrong;
    const test = typeof wanted === "string" ? (message: Received) => message.type === wanted : wanted;
    const at = this.#unread.findIndex(test);
    if (at >= 0) return this.#unread.splice(at, 1)[0]!;
    const name = what ?? (typeof wanted === "string" ? `a message ${wanted}` : `a message (${wanted})`);
    let waiter: { test: typeof test; resolve: (message: Received) => void } | undefined;
    const arrival = new Promise<Received>((resolve) => this.#waiting.add(waiter = { test, resolve }));
    const end = this.closed.then(({ code, reason }): never => {
      throw new Error(`${name}: the connection ended first, with ${code} ${reason}${this.#arrived()}`);
    });
    try {
      return await within(Promise.race([arrival, end]), timeoutMs, () => `${name}${this.#arrived()}`);
    } finally {
      this.#waiting.delete(waiter!);
    }
  }

  /** Authenticates; throws when that is refused. */
  authenticate(token: string, resume?: Record<string, unknown>): Promise<Received> {
    return this.ask("auth_request", resume === undefined ? { token } : { token, resume });
  }

  /** Opens another lane; nothing happens on WebSocket. */
  openLane(lane: number): Promise<void> {
    return within(
      this.#carrier.openLane(lane),
      this.#timeout,
      () => `opening lane ${lane}${this.#arrived()}`,
    );
  }

  /** Ends this side of a lane. */
  endLane(lane: number): Promise<void> {
    return this.#carrier.endLane(lane);
  }

  /** Sends a message as a datagram; resolves with its id. */
  async sendDatagram(type: string, payload: Record<string, unknown>): Promise<string> {
    const message = this.#make(type, payload);
    await this.#carrier.sendDatagram(encode(message, this.#form));
    return message.id;
  }

  /** Any bytes as a datagram. */
  sendRawDatagram(bytes: Uint8Array): Promise<void> {
    return this.#carrier.sendDatagram(bytes);
  }

  /** Any bytes on a lane's stream, or as one binary WebSocket frame. */
  writeRaw(bytes: Uint8Array, lane = 0): Promise<void> {
    return this.#carrier.writeRaw(bytes, lane);
  }

  /** Any text as a WebSocket frame. */
  writeText(text: string): void {
    (this.native as WebSocket).send(text);
  }

  /** A bidirectional stream with nothing on it, not even a lane. */
  openRawStream(): Promise<RawStream> {
    return this.#carrier.openRawStream();
  }

  /** A unidirectional stream with nothing on it. */
  openRawUnidirectionalStream(): Promise<Pick<RawStream, "write" | "end">> {
    return this.#carrier.openRawUnidirectionalStream();
  }

  /** Waits for the end of the connection, which the server is expected to bring about. */
  ended(timeoutMs: number = this.#timeout): Promise<Closed> {
    return within(this.closed, timeoutMs, () => `the end of the connection${this.#arrived()}`);
  }

  /**
   * Ends the connection and waits until nothing of it runs. May be called twice. Rejects when the server has sent something
   * that is not as the protocol has it.
   */
  async close(code = 0, reason = ""): Promise<void> {
    await this.#carrier.close(code, reason);
    if (this.#wrong !== undefined) throw this.#wrong;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #make(type: string, payload: Record<string, unknown>, id?: string, re?: string): WireMessage {
    const message = { type, id: id ?? crypto.randomUUID(), timestamp: Date.now(), payload };
    return re === undefined ? message : { ...message, re };
  }

  #arrived(): string {
    const lines = this.messages.slice(-20).map(({ type, re, lane, payload }) => {
      const text = JSON.stringify(payload);
      const shown = text.length > 200 ? text.slice(0, 200) + "…" : text;
      return `\n  ${type} on lane ${lane}${re ? ` in answer to ${re}` : ""} ${shown}`;
    });
    const end = this.#ended ? `; it ended with ${this.#ended.code} ${this.#ended.reason}` : "";
    return `; ${this.messages.length} messages arrived on this ${this.kind} connection${end}` +
      (lines.length > 0 ? `, last:${lines.join("")}` : "");
  }
}

/** Why a message is not as the protocol has it: a client that is strict would not take it. */
function whyWrong({ type, payload }: WireMessage): Error | undefined {
  try {
    parseServerPayload(type as ServerType, payload);
    return undefined;
  } catch (cause) {
    const text = JSON.stringify(payload)?.slice(0, 300);
    return new Error(`the server sent a ${type} that is not as it should be: ${text}`, { cause });
  }
}

async function within<T>(promise: Promise<T>, ms: number, what: () => string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what()}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
