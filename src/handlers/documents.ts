/**
 * `doc_*`: documents. Operations are opaque, checked, kept in order, acknowledged and fanned out; whoever opens a
 * document gets the newest snapshot and the operations after it, or only what it missed.
 *
 * @module
 */

import type { Bookmark } from "../engine/contract.ts";
import { deliveryOf, type Hub, isDocument, refusePublish, refuseSubscribe } from "../hub/mod.ts";
import {
  crc32,
  type DocOpen,
  type DocOpened,
  Encoded,
  parsePayload,
  type Payload,
  ProtocolError,
  uuidv7,
} from "../protocol/mod.ts";
import type { Client, Context, Route } from "../router/types.ts";
import { type HandlerParts, publishAndAcknowledge, refuse, when } from "./deps.ts";
import { SNAPSHOT, snapshotRoute } from "./documents_snapshot.ts";
import { DocumentLedger } from "./documents_ledger.ts";

/** Bounds of documents. */
export interface DocumentLimits {
  /** Bytes of operations that no snapshot covers; above it there is `doc_full`. @default 8388608 */
  readonly maxPending: number;
  /** Bytes of a snapshot. @default 16777216 */
  readonly maxSnapshot: number;
}

const LIMITS: DocumentLimits = { maxPending: 8_388_608, maxSnapshot: 16_777_216 };
/** Times a document is opened anew because a snapshot took away the operations that were to be read. */
const ATTEMPTS = 4;
/** Documents of one connection about which something is remembered. */
const MAX_REMEMBERED = 1024;
/** Bytes of a message that are not a part's. */
const AROUND = 1024;

/** What is known of a document that a connection works on. */
interface Place {
  /** An operation that was refused for now: those after it wait until it has come again. */
  awaited: string | undefined;
  /** Counts `doc_open`, so that a later one ends an earlier one. */
  turn: number;
}

/** Routes of documents. */
export function documentRoutes(parts: HandlerParts): Route[] {
  const { hub, maxMessage = () => 65_536, documents = () => LIMITS } = parts;
  const places = new Places();
  const ledger = new DocumentLedger(hub);
  return [
    {
      type: "doc_open",
      idempotent: true,
      handler: (context) => {
        const asked = parsePayload("doc_open", context.message.payload);
        needDocument(asked.channel);
        refuse(refuseSubscribe(context.client.principal, asked.channel, hub.namespace));
        const place = places.of(context.client, asked.channel);
        place.awaited = undefined;
        return open(hub, context, asked, place, Math.floor((maxMessage() - AROUND) * 3 / 4));
      },
    },
    {
      type: "doc_op",
      idempotent: true,
      handler: (context) => {
        const { channel, ...op } = parsePayload("doc_op", context.message.payload);
        const { client, message } = context;
        needDocument(channel);
        refuse(refusePublish(client.principal, channel, hub.namespace));
        if (crc32(op.data) !== op.checksum) {
          places.of(client, channel).awaited ??= message.id;
          return context.reply("doc_nack", { channel, reason: "checksum" });
        }
        const place = places.known(client, channel);
        if (place?.awaited !== undefined && place.awaited !== message.id) {
          throw new ProtocolError("doc_out_of_order");
        }
        return when(ledger.pending(channel), (pending) => {
          if (pending + op.data.length > documents().maxPending) {
            places.of(client, channel).awaited ??= message.id;
            throw new ProtocolError("doc_full");
          }
          if (place !== undefined) place.awaited = undefined;
          const release = ledger.reserve(channel, op.data.length);
          const published = publishAndAcknowledge(hub, context, channel, { ...op });
          if (published !== undefined) return published.finally(release);
          release();
          return undefined;
        });
      },
    },
    {
      type: "doc_nack",
      idempotent: true,
      handler: async ({ client, message, lane }) => {
        const { channel, epoch, offset } = parsePayload("doc_nack", message.payload);
        needDocument(channel);
        if (!hub.isOn(client, channel)) throw new ProtocolError("not_subscribed");
        const page = await hub.history(channel, { since: offset - 1, limit: 1 });
        if (page.epoch !== epoch) throw new ProtocolError("wrong_epoch");
        if (offset > page.offset) {
          throw new ProtocolError("unknown_offset", "the document does not reach that far");
        }
        if (!page.complete) throw new ProtocolError("unrecoverable_position");
        const [record] = page.records;
        if (record?.offset !== offset) throw new ProtocolError("unknown_offset");
        client.send(new Encoded(deliveryOf(channel, record)), lane);
      },
    },
    snapshotRoute({ hub, limits: documents, covered: (channel, at) => ledger.covered(channel, at) }),
    {
      type: "doc_awareness",
      idempotent: true,
      datagram: true,
      handler: ({ client, message }) => {
        const { channel, data } = parsePayload("doc_awareness", message.payload);
        needDocument(channel);
        if (!hub.isOn(client, channel)) throw new ProtocolError("not_subscribed");
        refuse(refusePublish(client.principal, channel, hub.namespace));
        const payload = { session: client.sessionId, data };
        const draft = { type: message.type, id: message.id, from: client.principal.userId, payload };
        hub.signal(channel, draft, client.sessionId);
      },
    },
    {
      type: "doc_close",
      idempotent: true,
      handler: (context) => {
        const { channel } = parsePayload("doc_close", context.message.payload);
        needDocument(channel);
        places.forget(context.client, channel);
        if (!hub.unsubscribe(context.client, channel)) throw new ProtocolError("not_subscribed");
        context.reply("doc_closed", { channel });
      },
    },
  ];
}

/** Throws ProtocolError `not_a_document` for other channels. */
export function needDocument(channel: string): void {
  if (!isDocument(channel)) throw new ProtocolError("not_a_document", "documents are the channels doc:*");
}

async function open(
  hub: Hub,
  context: Context,
  { channel, since }: DocOpen,
  place: Place,
  partSize: number,
): Promise<void> {
  const { client, lane } = context;
  const turn = ++place.turn;
  const answer = (opened: Omit<DocOpened, "channel">) => {
    if (place.turn !== turn) throw new ProtocolError("not_available", "opened again before the answer came");
    context.reply("doc_opened", { channel, ...opened });
  };
  if (since !== undefined) {
    const { state, start } = await hub.subscribe(client, channel, lane, since);
    if (state.recovered) {
      answer({ ...state, start: since.offset });
      return start();
    }
  }
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const kept = await hub.bookmark(channel, SNAPSHOT);
    const { epoch } = await hub.position(channel);
    // One of an earlier epoch is what was known when the history was lost: everything of this epoch comes after it.
    const from = kept?.epoch === epoch ? kept.offset : 0;
    const { state, start } = await hub.subscribe(client, channel, lane, { epoch, offset: from });
    if (!state.recovered) continue;
    const parts = partsOf(kept, partSize);
    const size = kept?.data?.length ?? 0;
    answer({
      epoch,
      offset: state.offset,
      start: from,
      recovered: false,
      ...(parts.length === 0 ? {} : { snapshot: { offset: from, size, parts: parts.length } }),
    });
    for (const [part, data] of parts.entries()) {
      await client.ready?.();
      if (place.turn !== turn || !hub.isOn(client, channel)) return;
      const checksum = crc32(data);
      const payload: Payload = { channel, epoch, offset: from, part, parts: parts.length, data, checksum };
      client.send(new Encoded({ type: "doc_snapshot", id: uuidv7(), timestamp: Date.now(), payload }), lane);
    }
    return start();
  }
  throw new ProtocolError("not_available", "snapshots come faster than the document can be read");
}

function partsOf(kept: Bookmark | undefined, size: number): Uint8Array[] {
  const data = kept?.data;
  if (data === undefined) return [];
  const parts: Uint8Array[] = [];
  for (let at = 0; at < data.length || at === 0; at += size) parts.push(data.subarray(at, at + size));
  return parts;
}

/** What is remembered for each connection, as long as it lives. */
class Places {
  readonly #places = new WeakMap<Client, Map<string, Place>>();

  known(client: Client, channel: string): Place | undefined {
    return this.#places.get(client)?.get(channel);
  }

  of(client: Client, channel: string): Place {
    let own = this.#places.get(client);
    if (own === undefined) this.#places.set(client, own = new Map());
    let place = own.get(channel);
    if (place === undefined) {
      if (own.size >= MAX_REMEMBERED) throw new ProtocolError("limit_exceeded", "too many documents at once");
      own.set(channel, place = { awaited: undefined, turn: 0 });
    }
    return place;
  }

  forget(client: Client, channel: string): void {
    const place = this.known(client, channel);
    if (place === undefined) return;
    // An answer to `doc_open` that is still to come is not given any more.
    place.turn++;
    this.#places.get(client)?.delete(channel);
  }
}
