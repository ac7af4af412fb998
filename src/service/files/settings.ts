/**
 * The section `files` of the configuration: how large, how many, how long. Where they are kept is a matter of the engine.
 *
 * @module
 */

import * as v from "valibot";
import type { FileLimits } from "../../files/mod.ts";
import type { Rule, Values } from "../config/section.ts";
import { duration, flag, integer, list, size } from "../config/setting.ts";
import { formatSize } from "../config/units.ts";

const GIB = 1024 ** 3;
const TIB = 1024 ** 4;
/** A media type, with `*` for any run of characters. */
const TYPE = /^[a-z0-9!#$&^_.+*-]+\/[a-z0-9!#$&^_.+*-]+$/;

/** `files`: what people send each other beside messages. */
const files = v.strictObject({
  enabled: v.optional(
    flag("Whether files are taken and given out. Switched off while running, those kept stay kept."),
    true,
  ),
  maxSize: v.optional(size(1, TIB, "Largest file."), "256MiB"),
  maxChunk: v.optional(
    size(
      1024,
      1024 ** 2,
      "Largest piece of a file in one message. Clients are told less when a message (`session.maxMessage`) does not hold it in base64.",
    ),
    "64KiB",
  ),
  window: v.optional(
    size(
      1024,
      64 * 1024 ** 2,
      "Bytes of one upload that may be on their way without an acknowledgement; they wait in memory until they are written. Together uploads get no more than 256 MiB, and each a chunk.",
    ),
    "4MiB",
  ),
  maxUploads: v.optional(integer(1, 100, "Uploads of one session at once."), 4),
  maxDownloads: v.optional(integer(1, 100, "Downloads of one session at once, over its connection."), 4),
  userFiles: v.optional(
    integer(1, 1_000_000_000, "Files of one user, those that are not whole yet among them."),
    1000,
  ),
  userBytes: v.optional(size(1, 1024 * TIB, "Bytes of one user's files, likewise."), "1GiB"),
  maxTotal: v.optional(
    size(
      1,
      1024 * TIB,
      "Bytes of all files, a content that several share counted once. The engine `memory` has a limit of its own as well, `engine.memory.files`.",
    ),
    10 * GIB,
  ),
  allow: v.optional(
    list(
      'a list of media types such as ["image/*", "text/plain"]',
      "Media types that are taken; `*` is any run of characters. Empty: all. The type is what the sender says.",
      {},
      TYPE,
    ),
    [],
  ),
  deny: v.optional(
    list(
      'a list of media types such as ["application/x-msdownload"]',
      "Media types that are not taken, whatever `files.allow` says.",
      {},
      TYPE,
    ),
    [],
  ),
  maxAge: v.optional(duration(1000, 3650 * 86_400_000, "How long a file is kept."), "30d"),
  partialAge: v.optional(
    duration(1000, 365 * 86_400_000, "How long a part of a file waits for the rest after an interruption."),
    "24h",
  ),
  linkLifetime: v.optional(
    duration(1000, 7 * 86_400_000, "How long a link that needs no token holds (`file_link`)."),
    "10m",
  ),
  rate: v.optional(
    size(0, TIB, "Bytes a second of one user's uploads at one node. 0 switches this limit off."),
    0,
  ),
  busyRate: v.optional(
    size(
      0,
      TIB,
      "Bytes a second of all uploads of this node together while somebody sends messages: files give way to them. 0 switches this off.",
    ),
    "32MiB",
  ),
});

/** What a configuration may hold. */
export const section = { files: v.optional(files, {}) };

/** What the configuration holds of it. */
export type FilesConfig = Values<typeof section>;

/** What must hold between settings. */
export const rules: readonly Rule<FilesConfig>[] = [
  ({ files: { userBytes, maxSize } }, report) => {
    if (userBytes >= maxSize) return;
    report(
      "files.userBytes",
      `${formatSize(userBytes)} is less than files.maxSize (${
        formatSize(maxSize)
      }): the largest file could never be kept`,
      "files.maxSize",
    );
  },
];

/** The limits of files. */
export function toFileLimits(files: FilesConfig["files"]): FileLimits {
  return { ...files, quota: { files: files.userFiles, bytes: files.userBytes } };
}
