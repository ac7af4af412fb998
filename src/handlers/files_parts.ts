/**
 * What the handlers of files need, and what several of them do.
 *
 * @module
 */

import type { FileLimits, FileRecord, FileStore } from "../files/mod.ts";
import { type NamespaceLookup, refuseSubscribe } from "../hub/mod.ts";
import type { ErrorName, FileInfo, Principal } from "../protocol/mod.ts";

/** What file handlers need. */
export interface FileService {
  readonly store: FileStore;
  readonly limits: () => FileLimits;
  /** Whether files are served at all, downloads included. */
  readonly enabled: () => boolean;
  /** Milliseconds that a link is valid. */
  readonly linkLifetime: () => number;
}

/** `FileService` with a check that several handlers make. */
export interface FileParts extends FileService {
  /** Throws ProtocolError `not_available` while files are switched off. */
  needEnabled(): void;
}

/** Why `principal` may not read a file; undefined for its owner and for those who may read its channel. */
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
