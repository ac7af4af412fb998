/**
 * What endpoints are told of publications and sessions: the events that wait in queues.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { Published } from "../engine/contract.ts";
import {
  type EndedPublication,
  grownOf,
  type PiecePublication,
  type Publication,
  type SessionEvent,
} from "../hub/mod.ts";
import { type KeptType, type Payload, uuidv7 } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";
import type { WebhookEvent } from "./contract.ts";

/** The messages that endpoints decide about and are told of. Operations of documents say nothing to others than editors. */
export const MESSAGE_TYPES = [
  "chat_message",
  "chat_edit",
  "chat_delete",
  "direct_message",
  "broadcast",
] as const satisfies readonly KeptType[];

/** A message that was committed, or the announcement of a file. */
export function messageEvent(
  publication: Publication,
  { epoch, offset }: Published,
  now: number,
): WebhookEvent {
  const { channel, origin } = publication;
  // The same message makes the same event, also when its sender repeats it.
  const id = createHash("sha256").update(`${epoch} ${offset} ${channel}`).digest("base64url").slice(0, 22);
  return {
    id: `evt_${id}`,
    type: origin === "file" ? "file" : "message",
    user: publication.from,
    timestamp: now,
    data: { ...publicationData(publication), offset, epoch },
  };
}

/** A streamed message that is over, whole. */
export function endedEvent(ended: EndedPublication, published: Published, now: number): WebhookEvent {
  const { final } = ended;
  const { id, data, ...event } = messageEvent(ended, published, now);
  // Another event than that of its beginning, and the same each time it is ended.
  return { ...event, id: `${id}_${final}`, data: { ...data, final } };
}

/** What is said of a publication. */
export function publicationData(
  { channel, type, id, from, origin, payload, client }: Publication,
): Record<string, unknown> {
  const data = { channel, type, id, from, origin, payload: jsonOf(payload) };
  return client === undefined ? data : { ...data, ...connectionData(client) };
}

/** What is said of a streamed message that is about to grow: what it would be with the piece, and where that begins. */
export function pieceData(
  { channel, type, target, from, origin, said, content, end }: PiecePublication,
): Record<string, unknown> {
  const at = ((said.text ?? said.data) as string | unknown[]).length;
  const grown = grownOf({ said, content });
  const payload = { ...said, ...grown, ...(end === undefined ? {} : { stream: end }) };
  return { channel, type, from, origin, target, at, payload };
}

/** What is said of a connection. */
export function connectionData({ sessionId, connectionId, transport }: Client): Record<string, unknown> {
  return { session: sessionId, connection: connectionId, transport };
}

/** Turns session events into `disconnect`, `join` and `leave`. */
export class SessionNotifications {
  readonly #told: (event: WebhookEvent, channel: string | undefined) => void;
  readonly #now: () => number;
  /** Channels that sessions have joined: a connection that is lost for a moment has not left them. */
  readonly #joined = new Map<string, Set<string>>();

  /** `told` is given each event, and the channel that it is about. */
  constructor(told: (event: WebhookEvent, channel: string | undefined) => void, now: () => number) {
    this.#told = told;
    this.#now = now;
  }

  /** Takes an event of a session. */
  readonly listener = (event: SessionEvent): void => {
    const { client: { sessionId } } = event;
    switch (event.kind) {
      case "subscribe": {
        const joined = this.#joined.get(sessionId) ?? new Set();
        this.#joined.set(sessionId, joined);
        if (joined.has(event.channel)) return;
        joined.add(event.channel);
        return this.#tell("join", event, event.channel);
      }
      case "unsubscribe":
        this.#joined.get(sessionId)?.delete(event.channel);
        return this.#tell("leave", event, event.channel);
      case "disconnect":
        return this.#tell("disconnect", event, undefined);
      case "end":
        for (const channel of this.#joined.get(sessionId) ?? []) this.#tell("leave", event, channel);
        return void this.#joined.delete(sessionId);
      case "moved":
        // Its new node goes on with it.
        return void this.#joined.delete(sessionId);
    }
  };

  #tell(type: "join" | "leave" | "disconnect", event: SessionEvent, channel: string | undefined): void {
    const { client, principal } = event;
    const data = { user: principal.userId, ...connectionData(client) };
    this.#told({
      id: `evt_${uuidv7()}`,
      type,
      user: principal.userId,
      timestamp: this.#now(),
      data: channel === undefined ? data : { channel, ...data },
    }, channel);
  }
}

/** A payload as JSON has it: bytes, which stand directly in it, are base64. */
function jsonOf(payload: Payload): Payload {
  let copy: Payload | undefined;
  for (const [name, value] of Object.entries(payload)) {
    if (value instanceof Uint8Array) (copy ??= { ...payload })[name] = value.toBase64();
  }
  return copy ?? payload;
}
