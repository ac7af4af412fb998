/**
 * The methods of the server API that are about what channels keep.
 *
 * @module
 */

import type { StoredRecord } from "../../engine/contract.ts";
import type { Hub } from "../../hub/mod.ts";
import { isBuiltIn, isDocument } from "../../hub/mod.ts";
import { ProtocolError, uuidv7 } from "../../protocol/mod.ts";
import type { ApiDocument, ApiMessage } from "../../protocol/api/types.ts";
import type { ServerApi } from "./api_contract.ts";

/** The name of a document's snapshot beside its channel. */
const SNAPSHOT = "snapshot";
/** Bytes of a snapshot that is told as a whole. */
const MAX_SNAPSHOT = 16 * 1024 * 1024;
/** Operations of a document that are told. */
const MAX_OPERATIONS = 1000;

type Kept = "presence" | "presence_stats" | "history" | "history_remove" | "document";

/** Makes the methods. */
export function createKeptMethods(hub: Hub): Required<Pick<ServerApi, Kept>> {
  return {
    async presence({ channel }) {
      return { channel, sessions: [...await hub.presence(channel)] };
    },

    async presence_stats({ channel }) {
      const sessions = await hub.presence(channel);
      const users = new Set(sessions.map(({ userId }) => userId)).size;
      return { channel, users, sessions: sessions.length };
    },

    async history({ channel, ...options }) {
      const { epoch, offset, complete, records } = await hub.history(channel, options);
      return { channel, epoch, offset, complete, messages: records.map(shown) };
    },

    async history_remove({ channel, until = Number.MAX_SAFE_INTEGER }) {
      if (isDocument(channel)) throw new ProtocolError("not_a_document", "a document is no history");
      const { epoch, offset: end } = await hub.position(channel);
      const offset = Math.min(until, end);
      if (offset === end && end > 0 && !isBuiltIn(channel)) await eraseLast(hub, channel, end);
      await hub.trim(channel, offset, 0);
      return { channel, epoch, offset };
    },

    async document({ channel, content = false }) {
      const { epoch, offset } = await hub.position(channel);
      const snapshot = await hub.checkpoints.get(channel, SNAPSHOT);
      const size = snapshot?.data?.length ?? 0;
      const told: ApiDocument = { channel, epoch, offset };
      if (snapshot !== undefined) told.snapshot = { offset: snapshot.offset, size };
      if (!content) return told;
      if (size > MAX_SNAPSHOT) {
        throw new ProtocolError(
          "message_too_large",
          `the snapshot has ${size} bytes, more than ${MAX_SNAPSHOT}`,
        );
      }
      if (told.snapshot !== undefined) told.snapshot.data = (snapshot?.data ?? new Uint8Array()).toBase64();
      // The snapshot of an earlier epoch outlived the loss of the history: all of this epoch comes after it.
      const since = snapshot?.epoch === epoch ? snapshot.offset : 0;
      const { records } = await hub.history(channel, { since, limit: MAX_OPERATIONS });
      told.operations = records.map(shown);
      return told;
    },
  };
}

/** The last message of a channel always stays: without its content when it is one that can be deleted. */
async function eraseLast(hub: Hub, channel: string, target: number): Promise<void> {
  const { record } = await hub.message(channel, target);
  if (record?.type !== "chat_message" || record.payload.deleted !== undefined) return;
  const edit = { kind: "erase", target } as const;
  const message = { type: "chat_delete", payload: { target }, edit } as const;
  await hub.publish({ origin: "api", from: "server", channel, id: uuidv7(), ...message });
}

/** A kept message for an answer in JSON: the bytes of a document's operation become base64. */
function shown({ offset, prev, type, id, from, timestamp, payload }: StoredRecord): ApiMessage {
  const { data } = payload;
  const told = data instanceof Uint8Array ? { ...payload, data: data.toBase64() } : payload;
  return { offset, prev, type, id, from, timestamp, payload: told };
}
