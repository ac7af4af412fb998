/**
 * `file_download`, `file_download_cancel` and `file_link`.
 *
 * @module
 */

import { chunkSize, type FileReader, type FileRecord } from "../files/mod.ts";
import { Encoded, parsePayload, type Payload, ProtocolError, uuidv7 } from "../protocol/mod.ts";
import type { Client, Context, Route, StateKey } from "../router/types.ts";
import type { HandlerParts } from "./contract.ts";
import { admitReader, type FileParts, infoOf } from "./files_parts.ts";

/** One download under way. */
interface Download {
  cancelled: boolean;
}

/** The downloads of a connection, by the id of the message that asked. */
const DOWNLOADS: StateKey<Map<string, Download>> = { create: () => new Map() };

/** Routes of downloads and links. */
export function downloadRoutes({ hub }: HandlerParts, parts: FileParts): Route[] {
  const { store, limits, linkLifetime } = parts;
  return [
    {
      type: "file_download",
      handler: async (context) => {
        const { fileId, offset, length } = parsePayload("file_download", context.message.payload);
        const { client, message } = context;
        parts.needEnabled();
        const own = client.state(DOWNLOADS);
        if (own.size >= limits().maxDownloads) throw new ProtocolError("too_many_transfers");
        if (own.has(message.id)) throw new ProtocolError("bad_request", "a download of this id is under way");
        const download: Download = { cancelled: false };
        own.set(message.id, download);
        try {
          const file = await readable(client, fileId);
          if (offset > file.size) throw new ProtocolError("file_range");
          const end = Math.min(file.size, offset + (length ?? file.size));
          const reader = await store.open(file);
          try {
            context.reply("file_download_ready", { ...infoOf(file), offset, length: end - offset });
            await send(context, download, reader, { fileId, offset, end });
          } finally {
            reader.close();
          }
        } finally {
          own.delete(message.id);
        }
      },
    },
    {
      type: "file_download_cancel",
      handler: ({ client, message }) => {
        const { download } = parsePayload("file_download_cancel", message.payload);
        const known = client.state(DOWNLOADS).get(download);
        // It may have ended while this message was on its way: that is no error.
        if (known !== undefined) known.cancelled = true;
      },
    },
    {
      type: "file_link",
      handler: async (context) => {
        const { fileId } = parsePayload("file_link", context.message.payload);
        parts.needEnabled();
        const file = await readable(context.client, fileId);
        const lifetime = Math.min(linkLifetime(), file.expiresAt - Date.now());
        const token = await store.link(fileId, lifetime);
        context.reply("file_link_response", {
          fileId,
          url: `${infoOf(file).url}?token=${token}`,
          expiresIn: Math.max(0, Math.floor(lifetime / 1000)),
        });
      },
    },
  ];

  async function readable(client: Client, fileId: string): Promise<FileRecord> {
    const file = await store.get(fileId);
    await admitReader(hub, client.principal, file, client);
    return file;
  }

  async function send(
    { client, lane, message }: Context,
    download: Download,
    reader: FileReader,
    { fileId, offset, end }: { fileId: string; offset: number; end: number },
  ): Promise<void> {
    const most = chunkSize(limits().maxChunk, client.limits.maxMessage);
    let at = offset;
    do {
      // Downloads fill at most half of the client's outbox.
      const room = client.ready();
      if (room !== undefined) await room;
      if (download.cancelled || client.closed.aborted) return;
      const buffer = new Uint8Array(Math.min(most, end - at));
      const got = buffer.length === 0 ? 0 : await reader.read(buffer, at);
      if (got === 0 && buffer.length > 0) throw new ProtocolError("not_available", "the file cannot be read");
      const last = at + got === end;
      const payload: Payload = { fileId, offset: at, data: buffer.subarray(0, got), last };
      const piece = { type: "file_data", id: uuidv7(), timestamp: Date.now(), re: message.id, payload };
      client.send(new Encoded(piece), lane);
      at += got;
    } while (at < end);
  }
}
