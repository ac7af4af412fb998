/**
 * `file_delete` and `doc_delete`: what a user has made is deleted by that user, or by one with the right `admin`.
 *
 * @module
 */

import { refusePublish } from "../hub/mod.ts";
import { parsePayload, type Principal, ProtocolError } from "../protocol/mod.ts";
import type { Route } from "../router/types.ts";
import { needDocument, refuse } from "./checks.ts";
import type { HandlerParts } from "./contract.ts";
import type { FileService } from "./files_parts.ts";

/** The route that deletes files. Sent again it says that nothing was there. */
export function fileDeletion({ store }: FileService): Route {
  return {
    type: "file_delete",
    handler: async (context) => {
      const { fileId } = parsePayload("file_delete", context.message.payload);
      const file = await store.get(fileId).catch((error) => {
        if (error instanceof ProtocolError && error.error === "unknown_file") return undefined;
        throw error;
      });
      if (file !== undefined) needOwner(context.client.principal, file.userId);
      const deleted = file !== undefined && await store.delete(fileId);
      context.reply("file_deleted", { fileId, deleted });
    },
  };
}

/** The route that deletes documents, likewise. */
export function documentDeletion({ hub, deletion }: HandlerParts): Route {
  return {
    type: "doc_delete",
    handler: async (context) => {
      const { channel } = parsePayload("doc_delete", context.message.payload);
      const { principal } = context.client;
      needDocument(channel);
      if (deletion === undefined) throw new ProtocolError("not_available", "documents are not deleted here");
      if (!principal.rights.has("admin")) refuse(refusePublish(principal, channel, hub.namespace));
      const { offset } = await hub.position(channel);
      if (offset > 0) needOwner(principal, await deletion.owner(channel));
      const deleted = offset > 0 && await deletion.delete(channel);
      context.reply("doc_deleted", { channel, deleted });
    },
  };
}

function needOwner({ userId, rights }: Principal, owner: string | undefined): void {
  if (userId === owner || rights.has("admin")) return;
  throw new ProtocolError("permission_denied", "another user's: needs the right admin");
}
