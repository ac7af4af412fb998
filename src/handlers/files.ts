/**
 * Files: uploads, downloads, links. Who may publish to a channel may upload to it, who may read it may download.
 *
 * @module
 */

import type { FileLimits, FileRecord, FileStore } from "../files/mod.ts";
import { type NamespaceLookup, refuseSubscribe } from "../hub/mod.ts";
import { type ErrorName, type FileInfo, type Principal, ProtocolError } from "../protocol/mod.ts";
import type { Route } from "../router/types.ts";
import type { HandlerParts } from "./deps.ts";
import { downloadRoutes } from "./files_download.ts";
import { uploadRoutes } from "./files_upload.ts";

/** What file handlers need. */
export interface FileService {
  readonly store: FileStore;
  readonly limits: () => FileLimits;
  /** Whether files are served at all; downloads of kept ones too. */
  readonly enabled: () => boolean;
  /** Milliseconds a link holds. */
  readonly linkLifetime: () => number;
}

/** The same with what several of them do. */
export interface FileParts extends FileService {
  /** Throws ProtocolError `not_available` while files are switched off. */
  needEnabled(): void;
}

const TYPES = [
  "file_upload_start",
  "file_chunk",
  "file_upload_complete",
  "file_upload_cancel",
  "file_download",
  "file_download_cancel",
  "file_link",
];

/** Routes of files. Without a store every one of them is `not_available`. */
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
  return [...uploadRoutes(parts, service), ...downloadRoutes(parts, service)];
}

function refuseAll(): never {
  throw new ProtocolError("not_available", "files are switched off");
}

/** Why `principal` may not read a file, or undefined when it may: who may read its channel, and whose it is. */
export function refuseRead(
  principal: Principal,
  file: FileRecord,
  namespace: NamespaceLookup,
): ErrorName | undefined {
  return file.userId === principal.userId ? undefined : refuseSubscribe(principal, file.channel, namespace);
}

/** What clients are told of a file. */
export function infoOf({ fileId, name, size, type, sha256 }: FileRecord): FileInfo & Record<string, unknown> {
  return { fileId, url: `/files/${fileId}`, name, size, type, sha256 };
}
