/**
 * What stays of a message whose sender's words are taken away: the same in every engine.
 *
 * @module
 */

import type { Payload } from "../protocol/mod.ts";
import type { StoredRecord } from "./contract.ts";
import { type Change, changesOf } from "./edits.ts";

/**
 * What has another payload without the words of `record`. `get` finds another message's payload; undefined: it is not
 * kept. Operations of documents and receipts have none to take away.
 */
export function redactionOf(
  record: Pick<StoredRecord, "type" | "offset" | "payload">,
  get: (offset: number) => Payload | undefined,
): readonly Change[] {
  const { type, offset, payload } = record;
  switch (type) {
    case "chat_message":
      return payload.deleted === undefined
        ? changesOf(payload, { kind: "erase", target: offset }, offset)
        : [];
    case "chat_edit": {
      if (payload.deleted !== undefined) return [];
      const { target } = payload as { target: number };
      const edited = get(target);
      // The words of the edit are in the message too, whoever sent that.
      const changes = edited?.edited === offset ? changesOf(edited, { kind: "erase", target }, offset) : [];
      const own = { offset, payload: { target, data: null, deleted: offset } };
      return [...changes.filter((change) => change.offset !== offset), own];
    }
    case "direct_message":
    case "broadcast": {
      const { to } = payload;
      if (payload.data === null) return [];
      return [{ offset, payload: { ...(to === undefined ? {} : { to }), data: null } }];
    }
    // Events that wait for a back end have what their user said.
    case "webhook_event":
    case "webhook_dead":
      return payload.deleted === undefined
        ? [{ offset, payload: { type: payload.type, data: null, deleted: offset } }]
        : [];
    default:
      return [];
  }
}
