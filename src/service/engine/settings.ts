/**
 * The section `engine` of the configuration.
 *
 * @module
 */

import * as v from "valibot";
import type { SessionConfig } from "../sessions/settings.ts";
import type { Rule, Values } from "../config/section.ts";
import { choice, duration, size, text } from "../config/setting.ts";
import { formatDuration } from "../config/units.ts";

/** `engine.sqlite`: where the engine `sqlite` keeps what. */
const sqlite = v.strictObject({
  path: v.optional(
    text(
      "a path",
      "The database, made with its directory when there is none. Only one process may have it open.",
      { restart: true },
    ),
    "data/skein.db",
  ),
  files: v.optional(
    text(
      "a path",
      "The directory of files, made when the first one comes. Only one process may use it.",
      { restart: true },
    ),
    "data/files",
  ),
  synchronous: v.optional(
    choice(
      ["normal", "full"],
      "What an acknowledged message survives. `normal`: the end of the process, however it ends (`kill -9`, a crash); the end of the machine (power loss) may take the last ones. `full`: that as well, at the cost of a flush to the disk with each commit.",
      { restart: true },
    ),
    "normal",
  ),
  maxSize: v.optional(
    size(
      0,
      2 ** 44,
      "Bytes the database may have at most; then publishing is answered with `not_available` until old messages have made room. 0: as many as the disk has.",
      { restart: true },
    ),
    0,
  ),
});

/** `engine.memory`: limits of the engine `memory`. */
const memory = v.strictObject({
  files: v.optional(
    size(
      0,
      2 ** 40,
      "Bytes of files that may be in memory, uploads at their full size among them; then uploads are answered with `not_available` until old files have gone.",
      { restart: true },
    ),
    "256MiB",
  ),
});

/** `engine`: what keeps messages and files. */
const engine = v.strictObject({
  kind: v.optional(
    choice(
      ["sqlite", "memory"],
      "What keeps messages and files. `sqlite` keeps them on the disk; `memory` loses them with the process.",
      { restart: true },
    ),
    "sqlite",
  ),
  dedupeWindow: v.optional(
    // Clients send again without asking first what they sent up to 10 s ago.
    duration(
      30_000,
      86_400_000,
      "How long the id of a published message is known: sent again, it has no second effect.",
      { restart: true },
    ),
    "2m",
  ),
  sqlite: v.optional(sqlite, {}),
  memory: v.optional(memory, {}),
});

/** What a configuration may hold. */
export const section = { engine: v.optional(engine, {}) };

/** What the configuration holds of it. */
export type EngineConfig = Values<typeof section>;

/** What must hold between settings. */
export const rules: readonly Rule<EngineConfig & SessionConfig>[] = [
  ({ engine, session }, report) => {
    if (engine.dedupeWindow >= session.resumeWindow) return;
    report(
      "engine.dedupeWindow",
      `${formatDuration(engine.dedupeWindow)} is less than session.resumeWindow (${
        formatDuration(session.resumeWindow)
      }): what a resumed client sends again could be published twice`,
      "session.resumeWindow",
    );
  },
];
