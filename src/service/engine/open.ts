/**
 * The engine that the configuration asks for.
 *
 * @module
 */

import type { Engine } from "../../engine/contract.ts";
import { MemoryEngine } from "../../engine/memory/engine.ts";
import { SqliteEngine } from "../../engine/sqlite/engine.ts";
import type { Scrubbed } from "../../engine/sqlite/scrubs.ts";
import type { Config } from "../config/mod.ts";

/**
 * Opens an engine. `failed` is told of what nobody waits for, `measured` of each commit to a disk, `scrubbed` of
 * each time that the disk was written anew. Rejects with an Error that says what is wrong with its file.
 */
export type OpenEngine = (
  config: Config,
  failed: (error: unknown, stage: string) => void,
  measured: (count: number, ms: number) => void,
  scrubbed: (scrubbed: Scrubbed) => void,
) => Promise<Engine>;

/** Opens the engine that the configuration names. */
export const openEngine: OpenEngine = async ({ engine }, failed, measured, scrubbed) => {
  const { kind, sqlite, memory, dedupeWindow } = engine;
  if (kind === "memory") return new MemoryEngine({ ...memory, dedupeWindow, failed });
  return await SqliteEngine.open({ ...sqlite, dedupeWindow, failed, measured, scrubbed });
};
