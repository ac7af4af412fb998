/**
 * Which copy of Yjs made a document. Where one part of a program says `import` and another `require`, Node loads two
 * copies, and what one puts into a document of the other reads as nothing.
 *
 * @module
 */

import * as Y from "yjs";
import { SkeinError } from "../errors.ts";

/** What is done to documents, by the copy of Yjs that made them. */
export type Yjs = Pick<typeof Y, "applyUpdate" | "encodeStateAsUpdate" | "encodeStateVector" | "transact">;

interface NodeModule {
  createRequire(from: string): ((path: string) => typeof Y) & { resolve(name: string): string };
}

/** The copy of Yjs that made `doc`. Throws SkeinError `bad_argument` when it cannot be had. */
export function yjsOf(doc: Y.Doc): Yjs {
  if (doc instanceof Y.Doc) return Y;
  for (const path of otherCopies()) {
    try {
      const copy = requireHere!(path);
      if ((doc as object) instanceof copy.Doc) return copy;
    } catch {
      // An old Node does not load this copy from here.
    }
  }
  throw new SkeinError("bad_argument", "the Y.Doc is of another copy of Yjs than the one this package loads");
}

/** Loads a module as `require` does; undefined where there is no Node. */
const requireHere = (globalThis as { process?: { getBuiltinModule?(name: string): NodeModule } }).process
  ?.getBuiltinModule?.("node:module")?.createRequire(import.meta.url);

/** Files with the copies for `require` and for `import`. */
function otherCopies(): string[] {
  try {
    const path = requireHere!.resolve("yjs");
    return [path, path.replace(/\.cjs$/, ".mjs")];
  } catch {
    return [];
  }
}
