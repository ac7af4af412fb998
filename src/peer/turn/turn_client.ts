/**
 * Requests to a TURN server: with its realm and nonce, under a long-term credential (RFC 8489 §9.2).
 *
 * @module
 */

import type { Clock } from "../../async/clock.ts";
import { PeerError } from "../errors.ts";
import { errorOf, textAttribute, textOf } from "../stun/attributes.ts";
import { hasIntegrity, longTermKey } from "../stun/integrity.ts";
import {
  ATTRIBUTE,
  type Attribute,
  type DecodedMessage,
  decodeStun,
  type StunMethod,
} from "../stun/message.ts";
import { type RequestOptions, Transactions } from "../stun/transactions.ts";
import type { TurnCarrier } from "./carrier.ts";
import { isChannelData } from "./channel_data.ts";

/** What a client asks with. */
export interface TurnClientOptions {
  readonly carrier: TurnCarrier;
  readonly username: string;
  readonly credential: string;
  readonly clock: Clock;
}

/** Requests under a long-term credential, and what the server sends by itself. */
export class TurnClient {
  readonly carrier: TurnCarrier;
  readonly clock: Clock;
  onData: (message: Uint8Array) => Promise<void> | void = () => {};
  readonly #username: string;
  readonly #credential: string;
  readonly #transactions: Transactions;
  #realm = "";
  #nonce = "";
  #key: Uint8Array | undefined;

  constructor({ carrier, username, credential, clock }: TurnClientOptions) {
    this.carrier = carrier;
    this.clock = clock;
    this.#username = username;
    this.#credential = credential;
    this.#transactions = new Transactions(clock);
    carrier.onMessage((bytes) => {
      if (isChannelData(bytes)) return this.onData(bytes);
      const message = decodeStun(bytes);
      if (message === undefined) return;
      if (message.class === "indication") return this.onData(bytes);
      // A forged answer must not end a request (RFC 8489 §9.2.5); errors of a missing or old nonce have no integrity.
      const proven = this.#key === undefined || message.class === "error" || hasIntegrity(message, this.#key);
      if (proven) this.#transactions.take(message);
    });
  }

  /** One request, again with the server's realm and nonce when it asks for them. */
  async request(
    method: StunMethod,
    attributes: (transactionId: Uint8Array) => Attribute[],
    options?: RequestOptions,
  ): Promise<DecodedMessage> {
    let failure = "";
    // First without credentials (401), then perhaps with a nonce that is too old (438).
    for (let attempt = 0; attempt < 3; attempt++) {
      const answer = await this.#send(method, attributes, options);
      if (answer.class === "success") return answer;
      const error = errorOf(answer);
      failure = error === undefined ? "an error without a code" : `${error.code} ${error.reason}`;
      const nonce = textOf(answer, ATTRIBUTE.nonce);
      const again = error?.code === 438 || (error?.code === 401 && this.#key === undefined);
      if (!again || nonce === undefined) break;
      this.#nonce = nonce;
      this.#realm = textOf(answer, ATTRIBUTE.realm) ?? this.#realm;
      this.#key = longTermKey(this.#username, this.#realm, this.#credential);
    }
    throw new PeerError("relay_refused", `${method}: ${failure}`);
  }

  #send(
    method: StunMethod,
    attributes: (id: Uint8Array) => Attribute[],
    options?: RequestOptions,
  ): Promise<DecodedMessage> {
    const credentials = this.#key === undefined ? [] : [
      textAttribute(ATTRIBUTE.username, this.#username),
      textAttribute(ATTRIBUTE.realm, this.#realm),
      textAttribute(ATTRIBUTE.nonce, this.#nonce),
    ];
    return this.#transactions.request(
      { method, attributes: (id) => [...attributes(id), ...credentials] },
      (bytes) => void this.carrier.send(bytes),
      {
        ...this.#key === undefined ? {} : { key: this.#key },
        ...this.carrier.reliable ? { attempts: 1, firstPause: 5_000 } : {},
        ...options,
      },
    );
  }

  /** Resolves when nothing of it is under way any more. */
  async close(): Promise<void> {
    this.#transactions.close();
    await this.carrier.close();
  }
}
