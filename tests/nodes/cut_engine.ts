/**
 * An engine that a test can cut off from its store, as the death of its process or a broken network does: nothing of it
 * reaches the store any more, and nothing of the store reaches it.
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

/** Opens a memory engine that can be cut off. */
export function cutEngine(options: MemoryEngineOptions): CutEngine {
  const inner = new MemoryEngine(options);
  let isCut = false;
  const guard = <T extends object>(part: T): T =>
    new Proxy(part, {
      get(target, name) {
        const member = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          if (isCut) throw new Error("the store cannot be reached");
          const answer = Reflect.apply(member, target, args);
          // Writers and readers of files reach the store too.
          return name === "write" || name === "open" ? guard(answer) : answer;
        };
      },
    });
  const engine: Engine = {
    name: inner.name,
    log: guard(inner.log),
    presence: guard(inner.presence),
    values: guard(inner.values),
    blobs: guard(inner.blobs),
    commands: guard(inner.commands),
    sweep: () => {
      if (!isCut) inner.sweep();
    },
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
