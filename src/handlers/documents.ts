/**
 * `doc_*`: documents. Operations are opaque bytes that are kept in order. A client that opens a document gets the newest
 * snapshot and the operations after it, or only what it missed.
 *
 * @module
 */

import type { Position } from "../engine/contract.ts";
import { deliveryOf, isDeliverable, refusePublish, refuseSubscribe } from "../hub/mod.ts";
import { crc32, Encoded, failureOf, parsePayload, ProtocolError } from "../protocol/mod.ts";
import type { Route } from "../router/types.ts";
import { needDocument, refuse } from "./checks.ts";
import { systemClock } from "../async/clock.ts";
import { when } from "../async/when.ts";
import type { DocumentLimits, HandlerParts } from "./contract.ts";
import { publishAndAcknowledge } from "./publish.ts";
import { documentHook } from "./documents_hook.ts";
import { PendingOperations } from "./documents_pending.ts";
import { openDocument } from "./documents_open.ts";
import { OutgoingSnapshots } from "./documents_outgoing.ts";
import { snapshotRoute } from "./documents_snapshot.ts";
import { forgetDocument, operationRefused, rememberDocument } from "./documents_state.ts";

const LIMITS: DocumentLimits = { maxPending: 8_388_608, maxSnapshot: 16_777_216 };
/** Milliseconds that a client may take to make room for the next part of a snapshot. */
const PATIENCE = 30_000;
/** Bytes of a message around the data of a part. */
const AROUND = 1024;

/** Routes of documents. */
export function documentRoutes(parts: HandlerParts): Route[] {
  const { hub, deletion, documents = () => LIMITS, openPatience = PATIENCE, clock = systemClock } = parts;
  const now = () => clock.now();
  const pendingOperations = new PendingOperations(hub, now);
  hub.addHook(documentHook({ hub, pending: pendingOperations, limits: documents, now }));
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
        const state = rememberDocument(context.client, asked.channel);
        state.awaited = undefined;
        const partSize = Math.floor((context.client.limits.maxMessage - AROUND) * 3 / 4);
        const open = () =>
          openDocument({ hub, outgoing, partSize, patience: openPatience }, context, asked, state);
        return when(deletion?.refuseDeleted(asked.channel), open);
      },
    },
    {
      type: "doc_op",
      handler: (context) => {
        const { channel, ...op } = parsePayload("doc_op", context.message.payload);
        const { client, message } = context;
        needDocument(channel);
        const refused = (temporary: boolean) => operationRefused(client, channel, message.id, temporary);
        const failed = (error: unknown): never => {
          refused(failureOf(error).temporary);
          throw error;
        };
        try {
          if (crc32(op.data) !== op.checksum) {
            refuse(refusePublish(client.principal, channel, hub.namespace));
            refused(true);
            return context.reply("doc_nack", { channel, reason: "checksum" });
          }
          return publishAndAcknowledge(hub, context, { channel, type: "doc_op", payload: op })?.catch(failed);
        } catch (error) {
          failed(error);
        }
      },
    },
    {
      type: "doc_nack",
      handler: async ({ client, message, lane }) => {
        const { channel, epoch, offset } = parsePayload("doc_nack", message.payload);
        needDocument(channel);
        if (!hub.isOn(client, channel)) throw new ProtocolError("not_subscribed");
        const { record, ...end } = await hub.message(channel, offset);
        if (end.epoch !== epoch) throw new ProtocolError("wrong_epoch");
        if (offset > end.offset) {
          throw new ProtocolError("unknown_offset", "the document does not reach that far");
        }
        if (record === undefined) throw new ProtocolError("unrecoverable_position");
        if (!isDeliverable(record.payload, client.limits)) throw new ProtocolError("message_too_large");
        client.send(new Encoded(deliveryOf(channel, record)), lane);
      },
    },
    snapshotRoute({ hub, limits: documents, covered, now }),
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
        forgetDocument(context.client, channel);
        if (!hub.unsubscribe(context.client, channel)) throw new ProtocolError("not_subscribed");
        context.reply("doc_closed", { channel });
      },
    },
  ];
}
