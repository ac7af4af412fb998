/**
 * Files: uploads, downloads, links. Uploading needs the right to publish to the channel, downloading to read it.
 *
 * @module
 */

import { CLIENT_TYPES, clientRow, type ClientType, ProtocolError } from "../protocol/mod.ts";
import type { Route } from "../router/types.ts";
import type { HandlerParts } from "./contract.ts";
import { fileDeletion } from "./deleting.ts";
import { downloadRoutes } from "./files_download.ts";
import type { FileParts } from "./files_parts.ts";
import { uploadRoutes } from "./files_upload.ts";

const TYPES = (Object.keys(CLIENT_TYPES) as ClientType[]).filter((type) => clientRow(type).lane === "file");

/** Routes of files. Without a store all of them answer `not_available`. */
export function fileRoutes(parts: HandlerParts): Route[] {
  const { files } = parts;
  if (files === undefined) {
    return TYPES.map((type) => ({ type, handler: () => refuseAll() }));
  }
  const service: FileParts = {
    ...files,
    needEnabled() {
      if (!files.enabled()) refuseAll();
    },
  };
  return [...uploadRoutes(parts, service), ...downloadRoutes(parts, service), fileDeletion(service)];
}

function refuseAll(): never {
  throw new ProtocolError("not_available", "files are switched off");
}
