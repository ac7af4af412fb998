/**
 * Requests to STUN and TURN servers and to peers: sent again until an answer comes (RFC 8489 §6.2.1).
 *
 * @module
 */

import type { Clock } from "../../async/clock.ts";
import { quietDeferred } from "../../async/deferred.ts";
import { PeerError } from "../errors.ts";
import { encodeProtected } from "./integrity.ts";
import { type DecodedMessage, type StunMessage, transactionId } from "./message.ts";

/** How a request is sent. */
export interface RequestOptions {
  /** Protects the request. @default unprotected */
  readonly key?: Uint8Array;
  /** Milliseconds before it is sent a second time; the pause doubles each time. @default 200 */
  readonly firstPause?: number;
  /** How often it is sent; 1 over a reliable transport. @default 5 */
  readonly attempts?: number;
  /** Milliseconds after the last time before it fails. @default the next pause */
  readonly lastPause?: number;
  /** Whether an answer is the other side's; one that is not counts as none. @default all are */
  readonly verify?: (answer: DecodedMessage) => boolean;
}

/** What a request says: everything but its transaction id. */
export type RequestBody =
  & Pick<StunMessage, "method">
  & { attributes(transactionId: Uint8Array): StunMessage["attributes"] };

interface Pending {
  readonly owner: Transactions;
  readonly verify: ((answer: DecodedMessage) => boolean) | undefined;
  readonly finish: (answer: DecodedMessage | PeerError) => void;
}

/** Requests under way, by transaction id. Those who share sockets share it, so that an answer is found at once. */
export type PendingRequests = Map<string, Pending>;

/** Hands an answer to the request it belongs to; false: to none that is under way. */
function takeAnswer(pending: PendingRequests, message: DecodedMessage): boolean {
  if (message.class !== "success" && message.class !== "error") return false;
  const request = pending.get(message.transactionId.toHex());
  if (request === undefined || request.verify?.(message) === false) return false;
  // The answer outlives the buffer it came in.
  request.finish(copied(message));
  return true;
}

/** The requests of one owner that are under way. */
export class Transactions {
  readonly #clock: Clock;
  readonly #pending: PendingRequests;
  #closed = false;

  constructor(clock: Clock, pending: PendingRequests = new Map()) {
    this.#clock = clock;
    this.#pending = pending;
  }

  /**
   * Sends a request until it is answered. Resolves with the answer, an error response too. Rejects with PeerError
   * `server_timeout`, or `closed`.
   */
  request(
    body: RequestBody,
    send: (bytes: Uint8Array) => void,
    options: RequestOptions = {},
  ): Promise<DecodedMessage> {
    const { key, firstPause = 200, attempts = 5 } = options;
    if (this.#closed) return Promise.reject(new PeerError("closed"));
    const id = transactionId();
    const name = id.toHex();
    const bytes = encodeProtected(
      { class: "request", method: body.method, transactionId: id, attributes: body.attributes(id) },
      key,
    );
    const { promise, resolve, reject } = quietDeferred<DecodedMessage>();
    let cancel = (): void => {};
    const finish = (answer: DecodedMessage | PeerError): void => {
      cancel();
      this.#pending.delete(name);
      if (answer instanceof PeerError) reject(answer);
      else resolve(answer);
    };
    this.#pending.set(name, { owner: this, verify: options.verify, finish });
    const attempt = (made: number, pause: number): void => {
      send(bytes);
      const last = made + 1 >= attempts;
      cancel = this.#clock.after(last ? options.lastPause ?? pause : pause, () => {
        if (last) finish(new PeerError("server_timeout"));
        else attempt(made + 1, pause * 2);
      });
    };
    attempt(0, firstPause);
    return promise;
  }

  /** `takeAnswer` for the requests that this shares. */
  take(message: DecodedMessage): boolean {
    return takeAnswer(this.#pending, message);
  }

  /** Fails everything under way with `closed`. */
  close(): void {
    this.#closed = true;
    for (const { owner, finish } of [...this.#pending.values()]) {
      if (owner === this) finish(new PeerError("closed"));
    }
  }
}

/** The message in memory of its own. */
function copied(message: DecodedMessage): DecodedMessage {
  const bytes = message.bytes.slice();
  const own = (view: Uint8Array): Uint8Array => {
    const at = view.byteOffset - message.bytes.byteOffset;
    return bytes.subarray(at, at + view.length);
  };
  return {
    ...message,
    bytes,
    transactionId: own(message.transactionId),
    attributes: message.attributes.map(({ type, value }) => ({ type, value: own(value) })),
  };
}
