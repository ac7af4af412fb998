/**
 * `doc_*`: documents. Operations are opaque, checked, kept in order, acknowledged and fanned out; whoever opens a
 * document gets the newest snapshot and the operations after it, or only what it missed.
 *
 * @module
 */

import type { Position } from "../engine/contract.ts";
import { deliveryOf, refusePublish, refuseSubscribe } from "../hub/mod.ts";
import { crc32, Encoded, parsePayload, ProtocolError } from "../protocol/mod.ts";
import type { Client, Route } from "../router/types.ts";
import { needDocument, refuse, when } from "./checks.ts";
import type { DocumentLimits, HandlerParts } from "./contract.ts";
import { publishAndAcknowledge } from "./publish.ts";
import { PendingOperations } from "./documents_pending.ts";
import { openDocument, type Turn } from "./documents_open.ts";
import { OutgoingSnapshots } from "./documents_outgoing.ts";
import { snapshotRoute } from "./documents_snapshot.ts";

const LIMITS: DocumentLimits = { maxPending: 8_388_608, maxSnapshot: 16_777_216 };
/** Milliseconds a client that opens a document may take to make room for the next part of its snapshot. */
const PATIENCE = 30_000;
/** Documents of one connection about which something is remembered. */
const MAX_REMEMBERED = 1024;
/** Bytes of a message that are not a part's. */
const AROUND = 1024;

/** What is known of a document that a connection works on. */
interface Place extends Turn {
  /** An operation that was refused for now: those after it wait until it has come again. */
  awaited: string | undefined;
}

/** Routes of documents. */
export function documentRoutes(parts: HandlerParts): Route[] {
  const { hub, maxMessage = () => 65_536, documents = () => LIMITS, openPatience = PATIENCE } = parts;
  const places = new Places();
  const pendingOperations = new PendingOperations(hub);
  const outgoing = new OutgoingSnapshots(hub);
  const covered = (channel: string, at: Position) => {
    pendingOperations.covered(channel, at);
    outgoing.renew(channel);
  };
  return [
    {
      type: "doc_open",
      handler: (context) => {
        const asked = parsePayload("doc_open", context.message.payload);
        needDocument(asked.channel);
        refuse(refuseSubscribe(context.client.principal, asked.channel, hub.namespace));
        const place = places.of(context.client, asked.channel);
        place.awaited = undefined;
        const partSize = Math.floor((maxMessage(context.client) - AROUND) * 3 / 4);
        return openDocument({ hub, outgoing, partSize, patience: openPatience }, context, asked, place);
      },
    },
    {
      type: "doc_op",
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
        return when(pendingOperations.pending(channel), (pending) => {
          if (pending + op.data.length > documents().maxPending) {
            places.of(client, channel).awaited ??= message.id;
            throw new ProtocolError("doc_full");
          }
          if (place !== undefined) place.awaited = undefined;
          const release = pendingOperations.reserve(channel, op.data.length);
          const published = publishAndAcknowledge(hub, context, {
            channel,
            type: "doc_op",
            payload: { ...op },
          });
          if (published !== undefined) return published.finally(release);
          release();
          return undefined;
        });
      },
    },
    {
      type: "doc_nack",
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
    snapshotRoute({ hub, limits: documents, covered }),
    {
      type: "doc_awareness",
      handler: ({ client, message }) => {
        const { channel, data } = parsePayload("doc_awareness", message.payload);
        needDocument(channel);
        if (!hub.isOn(client, channel)) throw new ProtocolError("not_subscribed");
        refuse(refusePublish(client.principal, channel, hub.namespace));
        const { sessionId, principal: { userId: from } } = client;
        const payload = { session: sessionId, data };
        hub.publishEphemeral(channel, { type: message.type, id: message.id, from, sessionId, payload });
      },
    },
    {
      type: "doc_close",
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
