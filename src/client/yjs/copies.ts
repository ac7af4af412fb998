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
  for (const copy of otherCopies()) if ((doc as object) instanceof copy.Doc) return copy;
  throw new SkeinError("bad_argument", "the Y.Doc is of another copy of Yjs than the one this package loads");
}

/** The copies for `require` and for `import`, where there is Node. */
function otherCopies(): (typeof Y)[] {
  const { process } = globalThis as { process?: { getBuiltinModule?(name: string): NodeModule | undefined } };
  const found: (typeof Y)[] = [];
  try {
    const require = process!.getBuiltinModule!("node:module")!.createRequire(import.meta.url);
    const path = require.resolve("yjs");
    for (const copy of new Set([path, path.replace(/\.cjs$/, ".mjs")])) found.push(require(copy));
  } catch {
    // No Node, or one that is too old to load the copy for `import` in this way.
  }
  return found;
}
