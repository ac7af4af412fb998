/**
 * What the application wants to send, looked at before it is taken: what the server could not even answer is refused
 * here.
 *
 * @module
 */

import {
  clientRow,
  type ClientType,
  Encoded,
  isAcknowledged,
  isId,
  isJson,
  MAX_PAYLOAD_DEPTH,
  type Payload,
  uuidv7,
} from "../../protocol/core.ts";
import { SkeinError } from "../errors.ts";
import type { Receipt } from "../outbox/outbox.ts";
import type { Link } from "./link.ts";
import type { Publisher } from "./publisher.ts";
import type { Publishing } from "./publishing.ts";
import type { Question, Requests } from "./requests.ts";

/** Sends what the application wants to send, each type in its way. */
export class Outgoing {
  readonly #publisher: Publisher;
  readonly #requests: Requests;
  readonly #link: () => Link | undefined;

  constructor(publisher: Publisher, requests: Requests, link: () => Link | undefined) {
    this.#publisher = publisher;
    this.#requests = requests;
    this.#link = link;
  }

  /**
   * Publishes what is acknowledged, asks what is answered, and sends all else once, now: then it throws `connection_lost`
   * without a connection. Throws `bad_argument` for what cannot be sent.
   */
  send(type: ClientType, given: Payload, id: string = uuidv7()): Promise<unknown> | undefined {
    if (isAcknowledged(type)) return this.publish([{ type, payload: given, id }])[0];
    const payload = checkedPayload(given, id);
    const row = clientRow(type as string);
    if (row?.answer !== undefined) return this.#requests.ask(type as Question, payload, id);
    const link = this.#link();
    if (link === undefined) throw SkeinError.temporary("connection_lost", "not connected");
    const message = new Encoded({ type, id, timestamp: Date.now(), payload });
    if (row?.datagram !== true || !link.transport.sendDatagram(message)) {
      link.sendEncoded(message, link.laneOf(type, payload.channel));
    }
    return undefined;
  }

  /** Publishes several messages, all or none. Throws SkeinError when none is taken. */
  publish(publishings: readonly Publishing[]): Promise<Receipt>[] {
    return this.#publisher.publish(
      publishings.map(({ type, payload, id }) => ({ type, id, payload: checkedPayload(payload, id) })),
    );
  }

  /** Why the server refused what goes to a channel is over: it is sent again now. */
  retry(channel: string): void {
    this.#publisher.retry(channel);
  }
}

/**
 * A copy of a payload, as the server will read it: what the application changes later is not sent. Throws SkeinError
 * `bad_argument` for what is no JSON (bytes may stand directly in the payload), and for an `id` that is none.
 */
function checkedPayload(payload: Payload, id: string): Payload {
  if (!isId(id)) throw bad("id: 1 to 64 printable ASCII characters without spaces");
  const copy: [string, unknown][] = [];
  for (const [key, value] of Object.entries(payload)) {
    if (key === "__proto__") throw bad("no key __proto__");
    if (value !== undefined) {
      copy.push([key, typeof value === "object" ? checked(key, value) : scalar(key, value)]);
    }
  }
  return Object.fromEntries(copy);
}

function scalar(key: string, value: unknown): unknown {
  if (typeof value === "string" || typeof value === "boolean" || Number.isFinite(value)) return value;
  throw bad(`${key}: cannot be sent`);
}

function checked(key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return value;
  let copy: unknown;
  try {
    copy = JSON.parse(JSON.stringify(value));
  } catch (cause) {
    throw bad(`${key}: cannot be written as JSON`, cause);
  }
  if (isJson(copy, MAX_PAYLOAD_DEPTH)) return copy;
  throw bad(`${key}: at most ${MAX_PAYLOAD_DEPTH} levels, finite numbers, no key __proto__`);
}

function bad(text: string, cause?: unknown): SkeinError {
  return new SkeinError("bad_argument", text, { cause });
}
