/**
 * The methods of the server API, on the hub and the sessions.
 *
 * @module
 */

import type { Published, StoredRecord } from "../../engine/contract.ts";
import type { Hub } from "../../hub/mod.ts";
import { BROADCAST_CHANNEL, inboxOf, keptOf, matches, uuidv7 } from "../../protocol/mod.ts";
import type { ApiPublish, ServerApi } from "./server_api.ts";
import { createSessionMethods, type SessionMethodsParts } from "./session_methods.ts";

/** The sender of a message of the API when the call gives none. */
const SERVER = "server";

/** What the methods need. */
export interface ServerApiParts extends SessionMethodsParts {
  /** Removes a file; false: it is not known. */
  readonly deleteFile: (fileId: string) => Promise<boolean>;
}

/** Makes the server API. */
export function createServerApi(parts: ServerApiParts): ServerApi {
  const { hub, deleteFile } = parts;
  return {
    ...createSessionMethods(parts),

    publish: async (params) => answer(params.channel, await publish(hub, params)),

    async broadcast({ channels, ...said }) {
      const names = channels ?? [BROADCAST_CHANNEL];
      const published = [];
      for (const channel of names) published.push(answer(channel, await publish(hub, { ...said, channel })));
      return { published };
    },

    async presence({ channel }) {
      return { channel, sessions: await hub.presence(channel) };
    },

    async history({ channel, ...options }) {
      const page = await hub.history(channel, options);
      return {
        channel,
        epoch: page.epoch,
        offset: page.offset,
        complete: page.complete,
        messages: page.records.map(shown),
      };
    },

    channels({ pattern = "*", limit = 1000 }) {
      const channels = [];
      for (const entry of hub.channels()) {
        if (channels.length >= limit) break;
        if (matches(pattern, entry.channel)) channels.push(entry);
      }
      return { channels, total: hub.channelCount };
    },

    async delete_file({ file }) {
      return { deleted: await deleteFile(file) };
    },
  };
}

async function publish(
  hub: Hub,
  { channel, id = uuidv7(), from = SERVER, ...said }: ApiPublish,
): Promise<Published> {
  const content = keptOf(said);
  // A direct message names its recipient in the payload.
  const inbox = inboxOf("");
  const payload = channel.startsWith(inbox) ? { to: channel.slice(inbox.length), ...content } : content;
  return await hub.publish({ origin: "api", from, channel, id, payload });
}

/** A kept message for an answer in JSON: the bytes of a document's operation become base64. */
function shown(record: StoredRecord): StoredRecord {
  const { data } = record.payload;
  return data instanceof Uint8Array
    ? { ...record, payload: { ...record.payload, data: data.toBase64() } }
    : record;
}

function answer(channel: string, { offset, epoch, duplicate }: Published) {
  return { channel, offset, epoch, duplicate };
}
