/**
 * An engine that a test can cut off from its store, as the death of its process or a broken network does: nothing of it
 * reaches the store any more, and nothing of the store reaches it. It may also answer later, as a store in another process
 * does.
 *
 * @module
 */

import type { Engine } from "../../src/engine/contract.ts";
import { MemoryEngine, type MemoryEngineOptions } from "../../src/engine/memory/engine.ts";

/** An engine with a switch. */
export interface CutEngine {
  readonly engine: Engine;
  /** Cuts it off, for good. Others are not told. */
  cut(): void;
}

/** What answers nothing, and happens at once. */
const SILENT = new Set([
  "unfollow",
  "publishEphemeral",
  "onEphemeral",
  "onPiece",
  "onInterruption",
  "onChange",
  "onLost",
  "onCommand",
]);

/** Opens a memory engine that can be cut off. `later`: what an answer waits for. @default every answer is there at once */
export function cutEngine(options: MemoryEngineOptions, later?: () => Promise<void>): CutEngine {
  const inner = new MemoryEngine(options);
  let isCut = false;
  const guard = <T extends object>(part: T, later?: () => Promise<void>): T =>
    new Proxy(part, {
      get(target, name) {
        const member = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          if (isCut) throw new Error("the store cannot be reached");
          if (later !== undefined && !SILENT.has(String(name))) {
            return acted(() => Reflect.apply(member, target, args), later);
          }
          const answer = Reflect.apply(member, target, args);
          // Writers and readers of files reach the store too.
          return name === "write" || name === "open" ? guard(answer) : answer;
        };
      },
    });
  const engine: Engine = {
    name: inner.name,
    log: guard(inner.log, later),
    presence: guard(inner.presence, later),
    values: guard(inner.values, later),
    blobs: guard(inner.blobs),
    commands: guard(inner.commands, later),
    sweep: () => {
      if (!isCut) inner.sweep();
    },
    scrub: () => inner.scrub(),
    healthy: () => !isCut && inner.healthy(),
    status: () => inner.status(),
    close: () => inner.close(),
  };
  return {
    engine,
    cut() {
      isCut = true;
      inner.close();
    },
  };
}

/** Acts on its way there, and answers on its way back. */
async function acted<T>(act: () => T | Promise<T>, later: () => Promise<void>): Promise<T> {
  await later();
  const result = await act();
  await later();
  return result;
}
