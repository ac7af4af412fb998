/**
 * What the handlers of files need, and what several of them do.
 *
 * @module
 */

import type { FileLimits, FileRecord, FileStore } from "../files/mod.ts";
import { type Hub, refuseSubscribe } from "../hub/mod.ts";
import { type FileInfo, type Principal, ProtocolError } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";

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

/**
 * Lets those read a file who sent it, and those whose token allows its channel. Where hooks have a say about subscriptions
 * to it, they are asked about who is not subscribed. Rejects with ProtocolError.
 */
export async function admitReader(
  hub: Pick<Hub, "namespace" | "admissions" | "isOn">,
  principal: Principal,
  { userId, channel }: FileRecord,
  client: Client | undefined,
): Promise<void> {
  const user = principal.userId;
  if (userId === user) return;
  const refused = refuseSubscribe(principal, channel, hub.namespace);
  if (refused !== undefined) throw new ProtocolError(refused);
  if (client !== undefined && hub.isOn(client, channel)) return;
  await hub.admissions.read({ user, client, channel });
}

/** Whether a client may read a file without anybody being asked. */
export function mayReadAtOnce(hub: Pick<Hub, "refuseRead">, client: Client, file: FileRecord): boolean {
  return file.userId === client.principal.userId || hub.refuseRead(client, file.channel) === undefined;
}

/** What clients are told of a file. */
export function infoOf({ fileId, name, size, type, sha256 }: FileRecord): FileInfo & Record<string, unknown> {
  return { fileId, url: `/files/${fileId}`, name, size, type, sha256 };
}
