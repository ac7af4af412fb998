/**
 * Whether the database of the engine is intact, private, and has room to grow.
 *
 * @module
 */

import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { inspectDatabase } from "../../engine/sqlite/backup.ts";
import type { Config } from "../config/mod.ts";
import { fail, type Finding, ok, sentence, warn } from "./check.ts";

const MIB = 1024 ** 2;
/** A larger database is not read: it would take longer than a check may. */
const MOST_BYTES = 2048 * MIB;
/** With less room than this there is a warning. */
const LEAST_ROOM = 1024 * MIB;

/** Checks the database of the engine. Changes nothing; the service may be running. */
export async function checkDatabase({ kind, sqlite: { path } }: Config["engine"]): Promise<Finding> {
  if (kind === "memory") return ok("Messages are kept in memory and end with the process (engine.kind).");
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(path);
  } catch (error) {
    return error instanceof Deno.errors.NotFound
      ? ok(`The first start makes ${path}.`)
      : fail(`${sentence(error)}.`, "Give engine.sqlite.path a place that this user may read and write.");
  }
  const about = `${path}, ${Math.ceil(info.size / MIB)} MiB`;
  if (info.size > MOST_BYTES) {
    return warn(
      `${about}: too large to look through here.`,
      "skein backup FILE looks through it, and copies it.",
    );
  }
  try {
    const { problems, channels } = inspectDatabase(path);
    if (problems.length > 0) {
      return fail(`${about}: damaged: ${problems[0]}.`, "Put back the last good backup; look at the disk.");
    }
    if (((info.mode ?? 0) & 0o077) !== 0) {
      return warn(`${about}: others on this machine may read it.`, `chmod 600 ${path}`);
    }
    const room = await roomAt(path);
    if (room < LEAST_ROOM) {
      return warn(
        `${about}: ${Math.floor(room / MIB)} MiB are left on its disk.`,
        "Make room, or lower namespaces.default.historyAge and historySize.",
      );
    }
    return ok(`${about}, ${channels} channels, whole.`);
  } catch (error) {
    return fail(`${sentence(error)}.`, "The service will not start with it.");
  }
}

/** Bytes that may still be written beside a file; Infinity where that cannot be known. */
async function roomAt(path: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(dirname(path));
    return bavail * bsize;
  } catch {
    return Infinity;
  }
}
