/**
 * Binding requests between two peers, each proved with the other's password (RFC 8445 §7.2.2, short-term credentials).
 *
 * @module
 */

import type { Address } from "./address.ts";
import type { IceCredentials } from "./ice_types.ts";
import type { Path } from "./path.ts";
import { addressAttribute, numberAttribute, textAttribute } from "./stun/attributes.ts";
import { encodeProtected, hasIntegrity, shortTermKey } from "./stun/integrity.ts";
import { ATTRIBUTE, type Attribute, type DecodedMessage } from "./stun/message.ts";
import type { RequestOptions, Transactions } from "./stun/transactions.ts";

/** The requests of one agent, and its answers. */
export class BindingRequests {
  readonly #local: IceCredentials;
  readonly #localKey: Uint8Array;
  readonly #transactions: Transactions;
  #remote: IceCredentials | undefined;
  #remoteKey: Uint8Array | undefined;

  constructor(local: IceCredentials, transactions: Transactions) {
    this.#local = local;
    this.#localKey = shortTermKey(local.password);
    this.#transactions = transactions;
  }

  /** The peer's credentials; undefined: not known yet, nothing can be asked. */
  get remote(): IceCredentials | undefined {
    return this.#remote;
  }

  set remote(remote: IceCredentials | undefined) {
    this.#remote = remote;
    this.#remoteKey = remote && shortTermKey(remote.password);
  }

  /** Asks the peer on `path`. Rejects when no answer of the peer comes in time, or while its credentials are not known. */
  async request(
    path: Path,
    pace: Pick<RequestOptions, "attempts" | "firstPause">,
    ...more: Attribute[]
  ): Promise<DecodedMessage> {
    const remote = this.#remote, key = this.#remoteKey;
    if (remote === undefined || key === undefined) throw new Error("the peer's credentials are not known");
    const request = {
      method: "binding",
      attributes: () => [
        textAttribute(ATTRIBUTE.username, `${remote.fragment}:${this.#local.fragment}`),
        numberAttribute(ATTRIBUTE.priority, 1),
        ...more,
      ],
    } as const;
    const send = (bytes: Uint8Array): void => void path.socket.send(bytes, path.remote);
    // An answer that anybody could have made proves nothing.
    const verify = (answer: DecodedMessage): boolean => hasIntegrity(answer, key);
    return await this.#transactions.request(request, send, { key, ...pace, verify });
  }

  /** Whether a request was made by somebody who knows the local password. */
  isForUs(request: DecodedMessage): boolean {
    return hasIntegrity(request, this.#localKey);
  }

  /** The answer to a request that came from `from`. */
  answer({ transactionId }: DecodedMessage, from: Address): Uint8Array {
    return encodeProtected({
      class: "success",
      method: "binding",
      transactionId,
      attributes: [addressAttribute(ATTRIBUTE.xorMappedAddress, from, transactionId)],
    }, this.#localKey);
  }

  close(): void {
    this.#transactions.close();
  }
}
