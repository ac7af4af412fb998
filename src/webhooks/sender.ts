/**
 * Signed requests to one endpoint.
 *
 * @module
 */

import { OutboundClient, OutboundError, type OutboundOptions } from "../net/mod.ts";
import type { Endpoint, Post, Posted } from "./contract.ts";
import { readSecret, signatureHeaders } from "./signature.ts";

/** Bytes of an answer. A decision and the answer to a call are smaller; of others only the status counts. */
const MAX_ANSWER = 262_144;
/**
 * What refuses one request. Every other status says that the endpoint does not work as it is: it fails, has moved, or does
 * not know the service's key. Events have to wait for its operator then, and not become dead letters one after another.
 */
const REFUSALS: readonly number[] = [400, 409, 413, 422];
/** Longest time that an endpoint may ask to be left alone, in milliseconds. */
const MAX_RETRY_AFTER = 3_600_000;

/** Sends requests to an endpoint; keeps connections to it. */
export class Sender {
  readonly #client: OutboundClient;
  readonly #endpoint: Endpoint;
  readonly #keys: readonly Uint8Array[];
  readonly #agent: string;

  /** `agent` is told to the endpoint as `user-agent`. */
  constructor(endpoint: Endpoint, agent: string, options: Pick<OutboundOptions, "resolve" | "caCerts"> = {}) {
    const { allowPrivate, concurrency, secrets } = endpoint;
    this.#endpoint = endpoint;
    this.#agent = agent;
    this.#keys = secrets.map(readSecret).filter((key) => key !== undefined);
    this.#client = new OutboundClient({ allowPrivate, maxConnections: 2 * concurrency, ...options });
  }

  /** See `Post`. */
  readonly post: Post = async ({ id, body, wantsBody, signal }) => {
    const { url, timeout } = this.#endpoint;
    const timestamp = Math.floor(Date.now() / 1000);
    const headers = {
      "content-type": "application/json",
      "user-agent": this.#agent,
      ...signatureHeaders({ keys: this.#keys, id, timestamp, body }),
    };
    try {
      const answer = await this.#client.open({
        url,
        method: "POST",
        headers,
        body,
        timeout,
        maxAnswer: MAX_ANSWER,
        signal,
      });
      const { status } = answer;
      const isGood = status >= 200 && status < 300;
      const parts: Uint8Array<ArrayBuffer>[] = [];
      try {
        for await (const part of answer.body) parts.push(part as Uint8Array<ArrayBuffer>);
      } catch (error) {
        // Of a notification the status has said all.
        if (!isGood || wantsBody) throw error;
      }
      if (isGood) return wantsBody ? { status, body: await new Blob(parts).bytes() } : { status };
      return refusalOf(status, answer.headers.get("retry-after"));
    } catch (error) {
      if (!(error instanceof OutboundError)) return { status: 0, failure: "internal error", isDown: true };
      return { status: 0, failure: error.failure.replaceAll("_", " "), isDown: error.failure !== "aborted" };
    }
  };

  /** Ends its connections. */
  close(): void {
    this.#client.close();
  }
}

/** What an answer other than success means. Redirections are not followed. */
function refusalOf(status: number, retryAfter: string | null | undefined): Posted {
  const isDown = !REFUSALS.includes(status);
  const refusal = { status, failure: `status ${status}`, isDown };
  const seconds = retryAfter === undefined || retryAfter === null ? NaN : Number(retryAfter);
  return seconds > 0 ? { ...refusal, retryAfter: Math.min(seconds * 1000, MAX_RETRY_AFTER) } : refusal;
}
