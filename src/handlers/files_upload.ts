/**
 * `file_upload_start`, `file_chunk`, `file_upload_complete` and `file_upload_cancel`.
 *
 * @module
 */

import { chunkSize, type FileRecord, mediaType, safeName, type Upload } from "../files/mod.ts";
import { refusePublish } from "../hub/mod.ts";
import { Encoded, failureOf, parsePayload, uuidv7 } from "../protocol/mod.ts";
import type { Client, Context, Route } from "../router/types.ts";
import { refuse } from "./checks.ts";
import type { HandlerParts } from "./contract.ts";
import { type FileParts, infoOf, mayReadAtOnce } from "./files_parts.ts";

/** Chunks of fewer bytes count against the sender's rates as any message does; the window holds larger ones back. */
const PACED = 16_384;

/** Routes of uploads. */
export function uploadRoutes({ hub }: HandlerParts, parts: FileParts): Route[] {
  const { store, limits } = parts;
  return [
    {
      type: "file_upload_start",
      handler: async (context) => {
        const { channel, name, type, size, sha256 } = parsePayload(
          "file_upload_start",
          context.message.payload,
        );
        const { client } = context;
        const { principal } = client;
        refuse(refusePublish(principal, channel, hub.namespace));
        parts.needEnabled();
        const upload = await store.start({
          userId: principal.userId,
          owner: client.sessionId,
          channel,
          name: safeName(name),
          type: mediaType(type),
          size,
          sha256,
        }, (file) => mayReadAtOnce(hub, client, file));
        const { maxChunk } = limits();
        context.reply("file_upload_ready", {
          uploadId: upload.uploadId,
          offset: upload.offset,
          chunkSize: chunkSize(maxChunk, client.limits.maxMessage),
          window: Math.max(upload.window, maxChunk),
          ...(upload.known ? { exists: true } : {}),
        });
      },
    },
    {
      type: "file_chunk",
      handler: (context) => {
        const { uploadId, offset, data } = parsePayload("file_chunk", context.message.payload);
        const { client, lane } = context;
        const upload = store.upload(uploadId, client.principal.userId);
        // `data` is valid during this call alone; `push` copies it at once. The window bounds what is being written, so
        // nothing waits for it, and a failure is answered when it comes.
        upload.push(offset, data).catch((error) => context.reply("error", { ...failureOf(error) }));
        if (data.length >= PACED) context.selfPaced?.();
        // Acknowledgements go where the last chunk came from.
        upload.onWritten = (offset) => acknowledge(client, lane, upload, offset);
      },
    },
    {
      type: "file_upload_complete",
      handler: async (context) => {
        const { uploadId } = parsePayload("file_upload_complete", context.message.payload);
        const { client, message } = context;
        const { userId } = client.principal;
        const file = await store.completed(userId, message.id) ??
          await complete(context, store.upload(uploadId, userId));
        await announce(context, file);
        context.reply("file_uploaded", { ...infoOf(file), channel: file.channel, expiresAt: file.expiresAt });
      },
    },
    {
      type: "file_upload_cancel",
      handler: async (context) => {
        const { uploadId } = parsePayload("file_upload_cancel", context.message.payload);
        await store.cancel(store.upload(uploadId, context.client.principal.userId));
        context.reply("file_upload_cancelled", { uploadId });
      },
    },
  ];

  // A refreshed token may have taken the right away since the upload began.
  async function complete({ client, message }: Context, upload: Upload): Promise<FileRecord> {
    refuse(refusePublish(client.principal, upload.request.channel, hub.namespace));
    return await store.complete(upload, message.id);
  }

  // A file is announced once, however often `file_upload_complete` comes: the store remembers it as long as it has the
  // file, and the message's id covers a process that ends between the commit and that note.
  async function announce({ client, message: { id } }: Context, file: FileRecord): Promise<void> {
    const { channel } = file;
    const payload = { data: { file: infoOf(file) } };
    await store.announce(file, async () => {
      await hub.publish({ origin: "file", client, channel, type: "chat_message", id, payload });
    });
  }
}

function acknowledge(client: Client, lane: number, { uploadId }: Upload, offset: number): void {
  const message = {
    type: "file_chunk_ack",
    id: uuidv7(),
    timestamp: Date.now(),
    payload: { uploadId, offset },
  };
  client.send(new Encoded(message), lane);
}
