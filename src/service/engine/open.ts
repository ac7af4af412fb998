/**
 * The engine that the configuration asks for.
 *
 * @module
 */

import type { Engine } from "../../engine/contract.ts";
import { MemoryEngine } from "../../engine/memory.ts";
import { SqliteEngine } from "../../engine/sqlite/engine.ts";
import type { Config } from "../config/mod.ts";

/** Opens the engine; `failed` is told of what nobody waits for. Throws an Error that says what is wrong with its file. */
export function openEngine(
  { engine }: Config,
  failed: (error: unknown, stage: string) => void,
): Engine {
  const { kind, path, synchronous, maxSize, dedupeWindow } = engine;
  if (kind === "memory") return new MemoryEngine({ dedupeWindow, failed });
  return new SqliteEngine({ path, synchronous, maxSize, dedupeWindow, failed });
}
